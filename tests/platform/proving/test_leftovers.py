"""What a proof leaves: how it is found, deleted and reported."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_platform.proving.app import prove_app
from mlflow_platform.proving.checks import registry
from mlflow_platform.proving.commands import Runner
from mlflow_platform.proving.leftovers import Leftover, delete_leftovers, delete_logs, leftovers
from mlflow_platform.proving.target import Target
from tests.platform.proving.made_up import ACCOUNT, CLOCK, record


class SageMaker:
    """What is listed by operation; records deletions."""

    exceptions = SimpleNamespace(ClientError=RuntimeError)

    def __init__(self, **listed: dict[str, Any]) -> None:
        self.listed = listed
        self.deleted: list[tuple[str, str]] = []
        self.statuses: list[str] = []
        self.pages: dict[str, list[dict[str, Any]]] = {}
        self.listed_with: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()

    def get_paginator(self, operation: str) -> Any:
        def paginate(**given: Any) -> list[dict[str, Any]]:
            self.listed_with[operation] = given
            return self.pages.get(operation, [self.listed.get(operation, EMPTY[operation])])

        return SimpleNamespace(paginate=paginate)

    def describe_endpoint(self, EndpointName: str) -> dict[str, str]:  # noqa: ARG002, N803
        return {"EndpointStatus": self.statuses.pop(0) if self.statuses else "InService"}

    def create_mlflow_app(self, **_: Any) -> dict[str, str]:
        return {"Arn": "arn:1"}

    def describe_mlflow_app(self, Arn: str) -> dict[str, str]:  # noqa: N803
        return {"Name": Arn, "Status": self.statuses.pop(0) if self.statuses else "Created"}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("delete_"):
            raise AttributeError(name)

        def delete(**given: str) -> None:
            if self.refused & set(given.values()):
                raise RuntimeError(f"{name} is refused")
            self.deleted.append((name, *given.values()))

        return delete


EMPTY: dict[str, dict[str, Any]] = {
    "list_endpoints": {"Endpoints": []},
    "list_endpoint_configs": {"EndpointConfigs": []},
    "list_models": {"Models": []},
    "list_model_package_groups": {"ModelPackageGroupSummaryList": []},
    "list_model_packages": {"ModelPackageSummaryList": []},
    "list_mlflow_apps": {"Summaries": []},
    "list_mlflow_tracking_servers": {"TrackingServerSummaries": []},
    "list_roles": {"Roles": []},
    "describe_log_groups": {"logGroups": []},
}


def target(sagemaker: SageMaker, buckets: list[str], logs: SageMaker | None = None) -> Target:
    clients = {
        "sagemaker": sagemaker,
        "logs": logs or SageMaker(),
        "s3": SimpleNamespace(list_buckets=lambda: {"Buckets": [{"Name": name} for name in buckets]}),
        "iam": SageMaker(
            list_roles={"Roles": [{"RoleName": "mlflow-prove-ab12cd-server"}, {"RoleName": "mlflow-prod"}]}
        ),
    }
    found = Target(
        "prove-ab12cd",
        "mlflow-prove-ab12cd",
        False,
        ACCOUNT,
        "us-east-1",
        clients.__getitem__,
        Runner(Path(), {}, Path()),
        CLOCK,
        lambda _: None,
    )
    found.outputs["tracking_server_name"] = "mlflow-prove-ab12cd-3-0"
    return found


def test_only_what_has_the_environments_name_is_deleted() -> None:
    # Automatic registration ends a group's name with the digest of the server's.
    registered = f"smoke-1-{hashlib.sha256(b'mlflow-prove-ab12cd-3-0').hexdigest()[:6]}"
    sagemaker = SageMaker(
        list_endpoints={
            "Endpoints": [{"EndpointName": "mlflow-prove-ab12cd-iris"}, {"EndpointName": "mlflow-prod-iris"}]
        },
        list_model_package_groups={
            "ModelPackageGroupSummaryList": [
                {"ModelPackageGroupName": registered},
                {"ModelPackageGroupName": "mlflow-prove-ab12cd-iris"},
                {"ModelPackageGroupName": "smoke-1-ffffff"},
            ]
        },
        list_mlflow_apps={
            "Summaries": [
                {"Arn": "arn:1", "Name": "prove-ab12cd-app", "Status": "Created"},
                {"Arn": "arn:2", "Name": "team", "Status": "Created"},
            ]
        },
    )
    assert delete_leftovers(target(sagemaker, [])) == "4 deleted"
    assert sagemaker.deleted == [
        ("delete_endpoint", "mlflow-prove-ab12cd-iris"),
        ("delete_model_package_group", "mlflow-prove-ab12cd-iris"),
        ("delete_model_package_group", registered),
        ("delete_mlflow_app", "arn:1"),
    ]


def test_only_packages_of_the_environments_server_prove_automatic_registration() -> None:
    digest = hashlib.sha256(b"mlflow-prove-ab12cd-3-0").hexdigest()[:6]
    groups = ["prove-iris-ffffff", f"smoke-1-{digest}", "mlflow-prove-ab12cd-prove-iris", f"prove-iris-{digest}"]
    sagemaker = SageMaker()
    sagemaker.pages["list_model_package_groups"] = [
        {"ModelPackageGroupSummaryList": [{"ModelPackageGroupName": name}]} for name in groups
    ]
    sagemaker.pages["list_model_packages"] = [
        {"ModelPackageSummaryList": []},
        {"ModelPackageSummaryList": [{"ModelPackageArn": "arn:package"}]},
    ]
    assert registry(target(sagemaker, [])) == "arn:package was made by automatic registration"
    assert sagemaker.listed_with["list_model_packages"] == {"ModelPackageGroupName": groups[-1]}


def test_what_is_left_is_listed_with_its_kind() -> None:
    sagemaker = SageMaker(
        list_mlflow_tracking_servers={
            "TrackingServerSummaries": [
                {"TrackingServerName": "mlflow-prove-ab12cd-3-0"},
                {"TrackingServerName": "mlflow-prod-3-0"},
            ]
        }
    )
    found = leftovers(target(sagemaker, ["mlflow-prove-ab12cd-mlflow-artifacts-once", "mlflow-prod"]))
    assert [str(each) for each in found] == [
        "tracking server mlflow-prove-ab12cd-3-0",
        "bucket mlflow-prove-ab12cd-mlflow-artifacts-once",
        "role mlflow-prove-ab12cd-server",
    ]


def test_an_endpoint_is_deleted_once_it_has_settled() -> None:
    sagemaker = SageMaker(list_endpoints={"Endpoints": [{"EndpointName": "mlflow-prove-ab12cd-iris"}]})
    sagemaker.statuses = ["Creating", "Creating", "InService"]
    assert delete_leftovers(target(sagemaker, [])) == "1 deleted"
    assert sagemaker.statuses == []


def test_a_refused_deletion_does_not_prevent_the_others() -> None:
    names = ["mlflow-prove-ab12cd-a", "mlflow-prove-ab12cd-b"]
    sagemaker = SageMaker(
        list_endpoints={"Endpoints": [{"EndpointName": name} for name in names]},
        list_models={"Models": [{"ModelName": "mlflow-prove-ab12cd-model"}]},
    )
    sagemaker.refused = {names[0]}
    with pytest.raises(PlatformError, match=f"2 deleted, 1 not: endpoint {names[0]}: delete_endpoint is refused"):
        delete_leftovers(target(sagemaker, []))
    assert [name for _, name in sagemaker.deleted] == [names[1], "mlflow-prove-ab12cd-model"]


def test_each_leftover_of_scripts_has_the_command_that_deletes_it() -> None:
    sagemaker = SageMaker(
        list_endpoint_configs={"EndpointConfigs": [{"EndpointConfigName": "mlflow-prove-ab12cd-iris"}]},
        list_mlflow_apps={"Summaries": [{"Arn": "arn:1", "Name": "prove-ab12cd-app", "Status": "Created"}]},
    )
    assert [each.command for each in leftovers(target(sagemaker, []))] == [
        "aws sagemaker delete-endpoint-config --endpoint-config-name mlflow-prove-ab12cd-iris --region us-east-1",
        "aws sagemaker delete-mlflow-app --arn arn:1 --region us-east-1",
        "",  # Terraform's role.
    ]


def test_a_refused_deletion_of_an_app_does_not_hide_the_first_error() -> None:
    sagemaker = SageMaker()
    sagemaker.statuses, sagemaker.refused = ["Creating", "CreateFailed"], {"arn:1"}
    found = target(sagemaker, [])
    found.outputs.update(artifact_store_uri="s3://bucket", mlflow_role_arn="arn:role")
    with pytest.raises(PlatformError, match="the App is CreateFailed"):
        prove_app(found, 60.0)


def test_the_record_shows_how_to_delete_what_is_left() -> None:
    found = record()
    found.left, found.commands = ["bucket b"], ["make destroy ENV=prove-ab12cd CONFIRM=b"]
    assert "```sh\nmake destroy ENV=prove-ab12cd CONFIRM=b\n```" in found.as_markdown()
    assert found.as_json()["commands"] == found.commands


def test_the_log_groups_of_the_endpoints_are_listed_and_deleted() -> None:
    name = "/aws/sagemaker/Endpoints/mlflow-prove-ab12cd-iris"
    logs = SageMaker(describe_log_groups={"logGroups": [{"logGroupName": name}]})
    found = target(SageMaker(), [], logs)
    assert leftovers(found)[0] == Leftover(
        "log group", name, f"aws logs delete-log-group --log-group-name {name} --region us-east-1"
    )
    assert delete_logs(found) == "1 deleted"
    assert logs.deleted == [("delete_log_group", name)]
    assert logs.listed_with["describe_log_groups"] == {
        "logGroupNamePrefix": "/aws/sagemaker/Endpoints/mlflow-prove-ab12cd-"
    }
