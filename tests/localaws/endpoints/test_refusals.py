"""Requests that are rejected and deployments that fail, with AWS's messages."""

import io
import os
import secrets
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.endpoints.hosted import IMAGE, Hosted, unique
from tests.serving.models import save_obedient
from tests.support.running import MANIFEST

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
Call = Callable[[Any], Any]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.describe_model(ModelName="no"), f'Could not find model "{ARN}:model/no".'),
        (
            lambda s: s.create_model(ModelName="no", PrimaryContainer={"Image": IMAGE}),
            "localaws has no models without an execution role. Specify ExecutionRoleArn.",
        ),
        (lambda s: s.delete_model(ModelName="no"), f'Could not find model "{ARN}:model/no".'),
        (
            lambda s: s.describe_endpoint_config(EndpointConfigName="no"),
            f'Could not find endpoint configuration "{ARN}:endpoint-config/no".',
        ),
        (
            lambda s: s.delete_endpoint_config(EndpointConfigName="no"),
            f'Could not find endpoint configuration "{ARN}:endpoint-config/no".',
        ),
        (lambda s: s.describe_endpoint(EndpointName="no"), f'Could not find endpoint "{ARN}:endpoint/no".'),
        (lambda s: s.delete_endpoint(EndpointName="no"), f'Could not find endpoint "{ARN}:endpoint/no".'),
        (
            lambda s: s.update_endpoint(EndpointName="no", EndpointConfigName="no"),
            f'Could not find endpoint "{ARN}:endpoint/no".',
        ),
        (
            lambda s: s.create_endpoint(EndpointName="new", EndpointConfigName="no"),
            f'Could not find endpoint configuration "{ARN}:endpoint-config/no".',
        ),
    ],
)
def test_not_found_errors_contain_the_arn(hosted: Hosted, call: Call, message: str) -> None:
    assert _refusal(lambda: call(hosted.sagemaker)) == ("ValidationException", message)


def test_create_model_requires_the_archive_and_a_role_that_sagemaker_can_assume(hosted: Hosted) -> None:
    url = f"s3://{hosted.bucket}/nowhere.tar.gz"
    assert _refusal(lambda: hosted.model(url)) == ("ValidationException", f"Could not find model data at {url}.")
    role = "arn:aws:iam::123456789012:role/nobody"
    code, message = _refusal(
        lambda: hosted.sagemaker.create_model(
            ModelName=unique("model"), ExecutionRoleArn=role, PrimaryContainer={"Image": IMAGE}
        )
    )
    assert code == "ValidationException"
    assert message.startswith(f'The execution role ARN "{role}" is invalid. Please ensure that the role exists')


def test_images_networks_and_keys_must_exist(hosted: Hosted) -> None:
    image = IMAGE.replace("mlflow-pyfunc", "absent")
    create, network = hosted.sagemaker.create_model, {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    common = {"ModelName": unique("model"), "ExecutionRoleArn": hosted.role}
    assert _refusal(lambda: create(**common, PrimaryContainer={"Image": image})) == (
        "ValidationException",
        f"Requested image {image} not found.",
    )
    assert _refusal(lambda: create(**common, PrimaryContainer={"Image": IMAGE}, VpcConfig=network)) == (
        "ValidationException",
        "The subnet ID 'subnet-1' does not exist",
    )
    create(**common, PrimaryContainer={"Image": IMAGE})
    variant = {"VariantName": "one", "ModelName": common["ModelName"]}
    variant |= {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    assert _refusal(
        lambda: hosted.sagemaker.create_endpoint_config(
            EndpointConfigName=unique("config"), ProductionVariants=[variant], KmsKeyId="alias/absent"
        )
    ) == ("ValidationException", "The KMS key alias/absent does not exist.")


def test_a_configuration_keeps_every_member_of_its_request(hosted: Hosted) -> None:
    sagemaker, name = hosted.sagemaker, unique("members")
    container = {"Image": IMAGE}
    both = {"ExecutionRoleArn": hosted.role, "PrimaryContainer": container, "Containers": [container]}
    assert _refusal(lambda: sagemaker.create_model(ModelName=name, **both)) == (
        "ValidationException",
        "Specify either PrimaryContainer or Containers.",
    )
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=hosted.role, PrimaryContainer=container)
    variant = {"VariantName": "one", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    given: dict[str, Any] = {"EndpointConfigName": name, "ProductionVariants": [variant]}
    absent = "arn:aws:iam::123456789012:role/absent"
    assert _refusal(lambda: sagemaker.create_endpoint_config(**given, ExecutionRoleArn=absent))[1].startswith(
        f'The execution role ARN "{absent}" is invalid.'
    )
    explainer: Any = {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {}}}}
    assert _refusal(lambda: sagemaker.create_endpoint_config(**given, ExplainerConfig=explainer))[0] == "NotImplemented"
    more = {"ExecutionRoleArn": hosted.role, "EnableNetworkIsolation": True}
    sagemaker.create_endpoint_config(**given, **more)
    found = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert {member: found.get(member) for member in more} == more
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)


def test_a_deleted_image_fails_the_deployment(hosted: Hosted) -> None:
    ecr, repository = hosted.localaws.client("ecr"), unique("repository")
    address = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    ecr.put_image(repositoryName=repository, imageManifest=MANIFEST, imageTag="1")
    config = hosted.config(hosted.model(hosted.upload(b""), image=f"{address}:1"))
    ecr.delete_repository(repositoryName=repository, force=True)
    name = unique("endpoint")
    hosted.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert hosted.settled(name)["FailureReason"].startswith(
        "Please make sure all images included in the model for the production variant one exist"
    )
    hosted.delete(name)


def test_rejects_names_that_already_exist(hosted: Hosted, iris_endpoint: str) -> None:
    config = hosted.describe(iris_endpoint)["EndpointConfigName"]
    given = hosted.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    model = hosted.sagemaker.describe_model(ModelName=given[0]["ModelName"])
    sagemaker = hosted.sagemaker
    assert _refusal(
        lambda: sagemaker.create_model(
            ModelName=model["ModelName"],
            ExecutionRoleArn=model["ExecutionRoleArn"],
            PrimaryContainer=model["PrimaryContainer"],
        )
    ) == ("ValidationException", f'Cannot create already existing model "{model["ModelArn"]}".')
    assert _refusal(lambda: sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=given)) == (
        "ValidationException",
        f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/{config}".',
    )
    assert _refusal(lambda: sagemaker.create_endpoint(EndpointName=iris_endpoint, EndpointConfigName=config)) == (
        "ValidationException",
        f'Cannot create already existing endpoint "{ARN}:endpoint/{iris_endpoint}".',
    )
    # Names are case-insensitive here.
    other = iris_endpoint.upper()
    assert _refusal(lambda: sagemaker.create_endpoint(EndpointName=other, EndpointConfigName=config)) == (
        "ValidationException",
        f'Cannot create already existing endpoint "{ARN}:endpoint/{other}".',
    )


def test_rejects_an_unknown_instance_type(hosted: Hosted, iris_endpoint: str) -> None:
    config = hosted.describe(iris_endpoint)["EndpointConfigName"]
    given = hosted.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    code, message = _refusal(
        lambda: hosted.sagemaker.create_endpoint_config(
            EndpointConfigName=unique("config"), ProductionVariants=[{**given[0], "InstanceType": "ml.huge"}]
        )
    )
    assert code == "ValidationException"
    assert "Value 'ml.huge' at 'productionVariants.1.member.instanceType' failed to satisfy constraint" in message


def test_a_missing_requirement_fails_the_deployment_and_is_logged(hosted: Hosted, tmp_path: Path) -> None:
    save_obedient(tmp_path / "model", load="import sklearn", libraries=("mlflow-skinny", "pandas"))
    name = hosted.endpoint(tmp_path / "model")
    found = hosted.describe(name)
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"] == (
        "The primary container for production variant one did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
    ((_, lines),) = hosted.log(name).items()
    assert "ModuleNotFoundError: No module named 'sklearn'" in lines
    assert lines[-1].startswith("serve: The model needs the Python module 'sklearn'")
    with pytest.raises(ClientError, match="not found"):
        hosted.predict(name, "{}")
    config = found["EndpointConfigName"]
    with pytest.raises(ClientError, match="it can only be deleted"):
        hosted.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    hosted.delete(name)


def test_requirements_that_cannot_be_installed_are_logged(hosted: Hosted, tmp_path: Path) -> None:
    save_obedient(tmp_path / "model")
    (tmp_path / "model" / "requirements.txt").write_text("nowhere @ file:///nowhere/nowhere-1-py3-none-any.whl\n")
    assert "nowhere" in "\n".join(_failed_log(hosted, tmp_path / "model"))


def test_an_unavailable_python_version_is_logged(hosted: Hosted, tmp_path: Path) -> None:
    save_obedient(tmp_path / "model")
    (tmp_path / "model" / "python_env.yaml").write_text("python: 3.99.1\n")
    assert "3.99" in "\n".join(_failed_log(hosted, tmp_path / "model"))


def test_a_deleted_archive_fails_the_deployment(hosted: Hosted) -> None:
    url = hosted.upload(b"")
    config = hosted.config(hosted.model(url))
    hosted.s3.delete_object(Bucket=hosted.bucket, Key=url.partition(f"{hosted.bucket}/")[2])
    name = unique("endpoint")
    hosted.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    found = hosted.settled(name)
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"].startswith(
        f'Failed to download model data for container "container_1" from URL: "{url}"'
    )


def _tar(member: tarfile.TarInfo, content: bytes = b"") -> bytes:
    archive = io.BytesIO()
    member.size = len(content)
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def _link() -> tarfile.TarInfo:
    link = tarfile.TarInfo("MLmodel")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    return link


@pytest.mark.parametrize(
    "content",
    [
        b"PK no tar",
        _tar(tarfile.TarInfo("MLmodel"), secrets.token_bytes(50_000))[:20_000],
        _tar(_link()),
        _tar(tarfile.TarInfo("../outside")),
    ],
    ids=["not a tar", "truncated", "link", "path outside the folder"],
)
def test_an_archive_that_cannot_be_unpacked_fails_the_deployment(hosted: Hosted, content: bytes) -> None:
    found = hosted.describe(hosted.endpoint(hosted.upload(content)))
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"].startswith(
        'Failed to extract model data archive for container "container_1" from URL'
    )
    # os.walk passes over folders that other tests delete meanwhile.
    found_files = [name for _, _, names in os.walk(hosted.localaws.settings.data / "endpoints") for name in names]
    assert "outside" not in found_files


def _failed_log(hosted: Hosted, model: Path) -> list[str]:
    name = hosted.endpoint(model)
    assert "did not pass the ping health check" in hosted.describe(name)["FailureReason"]
    ((_, lines),) = hosted.log(name).items()
    return lines


def _refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]
