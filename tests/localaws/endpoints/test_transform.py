"""Transform jobs send objects to a model's container and write the responses."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.endpoints.hosted import Hosted, unique
from tests.serving.models import ROWS, SPLIT


def create(hosted: Hosted, model: str, name: str) -> None:
    hosted.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{hosted.bucket}/{name}/in/"}},
            "ContentType": "application/json",
        },
        TransformOutput={"S3OutputPath": f"s3://{hosted.bucket}/{name}/out", "AssembleWith": "Line"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        MaxConcurrentTransforms=2,
    )


def test_failed_objects_fail_the_job_and_the_others_are_written(hosted: Hosted, iris: Path) -> None:
    name, model = unique("transform"), hosted.model(iris)
    for key, body in (("p/good.json", SPLIT), ("bad.json", "{")):
        hosted.s3.put_object(Bucket=hosted.bucket, Key=f"{name}/in/{key}", Body=body.encode())
    create(hosted, model, name)

    def look() -> dict[str, Any]:
        found: dict[str, Any] = hosted.sagemaker.describe_transform_job(TransformJobName=name)
        return found

    found = hosted.until(look, lambda one: one["TransformJobStatus"] != "InProgress", 180)
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"] == "ClientError: See job logs for more information"
    group = "/aws/sagemaker/TransformJobs"
    streams = hosted.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"]
    (failures,) = [one["logStreamName"] for one in streams if one["logStreamName"].endswith("data-log")]
    events = hosted.logs.get_log_events(logGroupName=group, logStreamName=failures)["events"]
    (event,) = events
    assert event["message"].startswith(f"{hosted.bucket}/{name}/in/bad.json: Bad HTTP status received from algorithm")
    listed = hosted.s3.list_objects_v2(Bucket=hosted.bucket, Prefix=f"{name}/out/")["Contents"]
    assert [item["Key"] for item in listed] == [f"{name}/out/p/good.json.out"]
    body = hosted.s3.get_object(Bucket=hosted.bucket, Key=listed[0]["Key"])["Body"].read()
    assert len(json.loads(body)["predictions"]) == len(ROWS)


def test_rejects_an_unknown_model(hosted: Hosted) -> None:
    with pytest.raises(ClientError, match="Could not find model"):
        create(hosted, "absent", unique("transform"))
