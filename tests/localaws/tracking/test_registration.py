"""Automatic registration of MLflow's registered models in SageMaker's Model Registry."""

import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.tracking.calls import create_run, track
from tests.support.running import RunningLocalAws, settled, tracking_server
from tests.support.waiting import eventually

NAME = "registering"
SUFFIX = hashlib.sha256(NAME.encode()).hexdigest()[:6]


@pytest.fixture(scope="module")
def registering(localaws: RunningLocalAws) -> str:
    """The ARN of a server that registers models automatically. Each test uses its own model names."""
    return tracking_server(localaws, NAME, AutomaticModelRegistration=True)


def register(localaws: RunningLocalAws, arn: str, model: str, source: str = "", **more: str) -> dict[str, Any]:
    """Create a model version, and the model if it does not exist."""
    track(localaws, arn, "POST", "registered-models/create", {"name": model})
    run = create_run(localaws, arn)
    content = {"name": model, "source": source or f"{run['artifact_uri']}/model", "run_id": run["run_id"], **more}
    answer = track(localaws, arn, "POST", "model-versions/create", content).raise_for_status()
    version: dict[str, Any] = answer.json()["model_version"]
    return version


def package_arn(localaws: RunningLocalAws, arn: str, version: dict[str, Any]) -> str:
    """Wait for the version's tag with the ARN of its model package, and return the ARN."""

    def tag() -> str:
        path = f"model-versions/get?name={version['name']}&version={version['version']}"
        tags = track(localaws, arn, "GET", path).json()["model_version"].get("tags", [])
        return next((tag["value"] for tag in tags if tag["key"] == "sagemaker.model_package_arn"), "")

    return eventually(tag)


def test_registers_each_model_version_as_a_package_in_the_models_group(
    localaws: RunningLocalAws, registering: str
) -> None:
    sagemaker = localaws.client("sagemaker")
    versions = [register(localaws, registering, "Churn") for _ in range(2)]
    arns = [package_arn(localaws, registering, version) for version in versions]
    assert [arn.rsplit("/", 1)[1] for arn in arns] == ["1", "2"]
    packages = [sagemaker.describe_model_package(ModelPackageName=arn) for arn in arns]
    assert {package["ModelPackageGroupName"] for package in packages} == {f"Churn-{SUFFIX}"}
    assert [package["SourceUri"] for package in packages] == [version["source"] for version in versions]
    assert {package["ModelApprovalStatus"] for package in packages} == {"PendingManualApproval"}


def test_uses_the_servers_role(localaws: RunningLocalAws, registering: str) -> None:
    package_arn(localaws, registering, register(localaws, registering, "Audited"))
    done = {
        call["operation"]: call["principal"]
        for call in localaws.calls(f"Audited-{SUFFIX}")
        if call["resource"] == f"Audited-{SUFFIX}" and call["service"] == "sagemaker"
    }
    assert {"DescribeModelPackageGroup", "CreateModelPackageGroup", "CreateModelPackage"} <= set(done)
    session = f"assumed-role/{NAME}-role/SageMaker-{NAME}"
    assert all(principal.endswith(session) for principal in done.values())


def test_creates_a_group_for_a_model_without_versions(localaws: RunningLocalAws, registering: str) -> None:
    track(localaws, registering, "POST", "registered-models/create", {"name": "Empty"}).raise_for_status()

    def group() -> bool:
        listed = localaws.client("sagemaker").list_model_package_groups(NameContains="Empty")
        return [found["ModelPackageGroupName"] for found in listed["ModelPackageGroupSummaryList"]] == [
            f"Empty-{SUFFIX}"
        ]

    assert eventually(group)


def test_the_package_has_the_models_inference_specification(localaws: RunningLocalAws, registering: str) -> None:
    specification = {
        "Containers": [{"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/serve:1"}],
        "SupportedContentTypes": ["text/csv"],
    }
    key = "specified/sagemaker_inference_specification.json"
    localaws.client("s3").put_object(Bucket=f"{NAME}-bucket", Key=key, Body=json.dumps(specification))
    source = f"s3://{NAME}-bucket/specified"
    arn = package_arn(localaws, registering, register(localaws, registering, "Specified", source))
    found = localaws.client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert found["InferenceSpecification"]["Containers"] == specification["Containers"]


def test_a_life_cycle_alias_changes_the_packages_life_cycle(localaws: RunningLocalAws, registering: str) -> None:
    sagemaker = localaws.client("sagemaker")
    version = register(localaws, registering, "Staged")
    arn = package_arn(localaws, registering, version)
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")

    def alias(name: str) -> int:
        content = {"name": "Staged", "alias": name, "version": version["version"]}
        return track(localaws, registering, "POST", "registered-models/alias", content).status_code

    assert alias("champion") == 200
    assert "ModelLifeCycle" not in sagemaker.describe_model_package(ModelPackageName=arn)
    assert alias("sagemakerlifecycle-production-active") == 200
    found = sagemaker.describe_model_package(ModelPackageName=arn)
    assert found["ModelLifeCycle"] == {"Stage": "production", "StageStatus": "active"}
    assert found["ModelApprovalStatus"] == "Approved", "an update must not change other members"


def test_does_not_set_the_alias_if_the_life_cycle_change_is_denied(localaws: RunningLocalAws, registering: str) -> None:
    version = register(localaws, registering, "Locked")
    arn = package_arn(localaws, registering, version)
    localaws.fault("sagemaker:UpdateModelPackage", error="AccessDeniedException", message="Locked.", resource=arn)
    content = {"name": "Locked", "alias": "sagemakerlifecycle-staging-pending", "version": version["version"]}
    answer = track(localaws, registering, "POST", "registered-models/alias", content)
    assert answer.status_code == 400
    assert "Locked." in answer.json()["message"]
    model = track(localaws, registering, "GET", "registered-models/get?name=Locked").json()["registered_model"]
    assert not model.get("aliases")


def test_skips_and_logs_a_name_that_is_invalid_for_groups(localaws: RunningLocalAws, registering: str) -> None:
    version = register(localaws, registering, "snake_case")
    last = register(localaws, registering, "After")
    package_arn(localaws, registering, last)  # Registrations run in order, so the previous one is complete, too.
    found = track(localaws, registering, "GET", f"model-versions/get?name=snake_case&version={version['version']}")
    assert not found.json()["model_version"].get("tags")
    assert "skips 'snake_case'" in (localaws.settings.logs / "localaws.log").read_text()


def test_registration_can_be_disabled_and_enabled(localaws: RunningLocalAws, registering: str) -> None:
    sagemaker = localaws.client("sagemaker")
    for wanted in (False, True):
        sagemaker.update_mlflow_tracking_server(TrackingServerName=NAME, AutomaticModelRegistration=wanted)
        assert settled(localaws, NAME) == "Updated"
        register(localaws, registering, f"Switched-{wanted}")

    def groups() -> list[str]:
        listed = sagemaker.list_model_package_groups(NameContains="Switched")["ModelPackageGroupSummaryList"]
        return [group["ModelPackageGroupName"] for group in listed]

    assert eventually(groups) == [f"Switched-True-{SUFFIX}"]
    with pytest.raises(ClientError):
        sagemaker.describe_model_package_group(ModelPackageGroupName=f"Switched-False-{SUFFIX}")
