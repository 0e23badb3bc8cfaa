"""Models that are a prefix, a single object or a model package."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.endpoints.model_source import ModelSource
from localaws.errors import AwsError
from tests.localaws.endpoints.hosted import IMAGE, Hosted, unique


def source(uri: str, kind: str, compression: str) -> dict[str, Any]:
    return {"ModelDataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}}}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (source("s3://bucket/model/", "S3Prefix", "Gzip"), "Gzip requires S3DataType S3Object"),
        (source("s3://bucket/model", "S3Prefix", "None"), "must end with a slash"),
        (source("s3://bucket/model/", "S3Object", "None"), "must not end with a slash"),
        (source("s3://bucket/a", "S3Object", "Gzip") | {"ModelDataUrl": "s3://bucket/b"}, "either ModelDataUrl or"),
    ],
)
def test_a_contradictory_source_is_refused(container: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        ModelSource.of(container)


def test_a_model_package_with_an_uncompressed_model_serves_once_it_is_approved(hosted: Hosted, obedient: Path) -> None:
    prefix = f"{unique('uncompressed')}/"
    for file in obedient.rglob("*"):
        if file.is_file():
            hosted.s3.upload_file(str(file), hosted.bucket, f"{prefix}{file.relative_to(obedient)}")
    group, sagemaker = unique("group"), hosted.sagemaker
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    container = {
        "Image": IMAGE,
        "Environment": {"GREETING": "packaged"},
        **source(f"s3://{hosted.bucket}/{prefix}", "S3Prefix", "None"),
    }
    arn = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    model = unique("model")

    def create(name: str) -> None:
        sagemaker.create_model(
            ModelName=model, ExecutionRoleArn=hosted.role, PrimaryContainer={"ModelPackageName": name}
        )

    with pytest.raises(ClientError, match="PendingManualApproval"):
        create(arn)
    with pytest.raises(ClientError, match="does not exist"):
        create(f"{arn}9")
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    create(arn)
    name = unique("endpoint")
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=hosted.config(model))
    found = hosted.settled(name)
    assert found["EndpointStatus"] == "InService", found
    assert hosted.predict(name, json.dumps({"dataframe_records": [{"variable": "GREETING"}]})) == ["packaged"]
    hosted.delete(name)
