"""Deploying a model package: what it names, whether it is approved, and the SageMaker model that is created for it."""

import io
import tarfile
from typing import Any

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.endpoints import package
from mlflow_platform.endpoints.creation import ensure_resources
from mlflow_platform.endpoints.publishing import Hosting, publish_package
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.environment import Environment
from tests.platform.conftest import BUCKET

GROUP = "mlflow-staging-iris"
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{GROUP}/1"


def push(clients: Clients, approval: Any = "Approved", metadata: dict[str, str] | None = None) -> str:
    """Create a package whose archive has an input example."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        entry = tarfile.TarInfo("./serving_input_example.json")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"{}"))
    clients.s3.put_object(Bucket=BUCKET, Key="packages/model.tar.gz", Body=content.getvalue())
    clients.sagemaker.create_model_package_group(ModelPackageGroupName=GROUP, ModelPackageGroupDescription="iris")
    return clients.sagemaker.create_model_package(
        ModelPackageGroupName=GROUP,
        ModelApprovalStatus=approval,
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": f"s3://{BUCKET}/packages/model.tar.gz"}],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        CustomerMetadataProperties=metadata
        or {"model-uri": "models:/iris/3", "model-name": "iris", "run-id": "0" * 32},
    )["ModelPackageArn"]


def test_a_package_names_the_mlflow_model_and_has_its_own_archive(clients: Clients, environment: Environment) -> None:
    found = package.describe(clients.sagemaker, environment, push(clients))
    assert (found.model.uri, found.model.name, found.approval) == ("models:/iris/3", "iris", "Approved")
    published = publish_package(clients.s3, environment, "mlflow-staging-iris", found, Hosting("", "ml.m5.large", 1))
    assert published.example == b"{}"
    assert published.spec.tags["model-package"] == ARN
    requests: list[dict[str, Any]] = []
    event = "provide-client-params.sagemaker.CreateModel"
    clients.sagemaker.meta.events.register(event, lambda params, **_: requests.append(dict(params)))
    ensure_resources(clients.sagemaker, published.spec)
    assert requests[0]["PrimaryContainer"] == {"ModelPackageName": ARN}
    assert published.spec.archives == frozenset()


@pytest.mark.parametrize(
    ("approval", "approve", "message"),
    [
        ("PendingManualApproval", False, "waits for its approval"),
        ("Rejected", False, "is rejected"),
        ("Rejected", True, "is rejected"),
    ],
)
def test_refuses_a_package_that_is_not_approved(
    clients: Clients, environment: Environment, approval: str, approve: bool, message: str
) -> None:
    found = package.describe(clients.sagemaker, environment, push(clients, approval))
    with pytest.raises(PreconditionError, match=message):
        package.require_approved(found, approve=approve)


def test_a_pending_package_is_approved_and_deployed_on_request(clients: Clients, environment: Environment) -> None:
    found = package.describe(clients.sagemaker, environment, push(clients, "PendingManualApproval"))
    package.require_approved(found, approve=True)
    package.set_approval(clients.sagemaker, found.arn, package.APPROVED, "tested")
    assert package.describe(clients.sagemaker, environment, found.arn).approval == "Approved"


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        (ARN, "there is no model package"),
        (ARN.replace("us-east-1", "eu-west-1"), "is in eu-west-1, and staging is in us-east-1"),
        (ARN.removesuffix("/1"), "is not the ARN of a model package"),
    ],
)
def test_says_what_is_wrong_with_an_arn(clients: Clients, environment: Environment, arn: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        package.describe(clients.sagemaker, environment, arn)
