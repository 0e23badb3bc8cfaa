"""Repairs of Terraform's state after an interrupted apply of a tracking server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_platform.upgrade.terraform_root import Root
from mlflow_platform.upgrade.versions import Desired

STORE = "s3://artifacts"
NAME = "mlflow-staging-3-0"
KIND = "aws_sagemaker_mlflow_tracking_server"
ADDRESS = f'module.platform.module.mlflow.{KIND}.this["{{}}"]'


class Broken(Root):
    """A root whose state a test defines, and which records Terraform's commands."""

    def __init__(self, folder: Path, *, tainted: dict[str, bool], outputs: bool = True) -> None:
        super().__init__("staging", local=False, environ={}, repository=folder)
        self.tainted = tainted
        self.ran: list[list[str]] = []
        self.outputs: dict[str, Any] = {"mlflow_version": {"value": "2.13"}} if outputs else {}
        self.import_fails = False
        self.imported_elsewhere = False

    def _terraform(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        _, verb, *rest = arguments
        if verb == "state":
            servers = [
                {
                    "index_key": version,
                    "attributes": {"artifact_store_uri": STORE, "arn": f"arn:aws:sagemaker:us-east-1:1:x/{version}"},
                    **({"status": "tainted"} if tainted else {}),
                }
                for version, tainted in self.tainted.items()
            ]
            place = {"mode": "managed", "module": "module.platform.module.mlflow", "name": "this"}
            resources = [
                {**place, "type": "aws_iam_role", "instances": [{"attributes": {}}]},
                {**place, "type": KIND, "instances": servers},
            ]
            state = {"version": 4, "outputs": self.outputs, "resources": resources}
            return subprocess.CompletedProcess([], 0, json.dumps(state), "")
        self.ran.append([verb, *rest[-2:]])
        if verb == "import" and self.imported_elsewhere:
            self.tainted["3.0"] = False
        return subprocess.CompletedProcess([], int(self.import_fails), "", "│ Error: Resource already managed\n")


def test_an_app_is_not_upgraded(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={})
    root.outputs["mlflow_tracking_uri"] = {"value": "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-A"}
    with pytest.raises(PreconditionError, match="staging runs on an MLflow App, and AWS chooses its version"):
        root.servers()


class SageMaker:
    """Describes one server. Each call returns its next state. Without states there is no server."""

    class exceptions:  # noqa: N801 boto3's name
        ClientError = botocore.exceptions.ClientError

    def __init__(self, *states: str, version: str = "3.0", store: str = STORE) -> None:
        self.states, self.version, self.store = list(states), version, store

    def describe_mlflow_tracking_server(self, **_: str) -> dict[str, str]:
        if not self.states:
            raise botocore.exceptions.ClientError({"Error": {"Code": "ResourceNotFound"}}, "Describe")
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"TrackingServerStatus": state, "MlflowVersion": self.version, "ArtifactStoreUri": self.store}


class Clock:
    """Return immediately."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def repair(root: Root, sagemaker: Any) -> None:
    root.repair("3.0", NAME, sagemaker, progress=lambda _: None, clock=Clock())


def test_imports_a_server_that_is_missing_in_the_state_after_its_creation(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    repair(root, SageMaker("Creating", "Creating", "Created"))
    assert root.ran == [["import", ADDRESS.format("3.0"), NAME]]


def test_an_import_that_another_apply_made_first_is_not_a_failure(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    root.import_fails = root.imported_elsewhere = True
    repair(root, SageMaker("Created"))
    root = Broken(tmp_path, tainted={"2.13": False})
    root.import_fails = True
    with pytest.raises(PlatformError, match="terraform import failed: Error: Resource already managed"):
        repair(root, SageMaker("Created"))


def test_keeps_a_server_whose_creation_was_interrupted(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False, "3.0": True})
    repair(root, SageMaker("Created"))
    assert root.ran == [["untaint", "-lock-timeout=30m", ADDRESS.format("3.0")]]


def test_leaves_missing_and_complete_servers_to_terraform(tmp_path: Path) -> None:
    for tainted, seen in (({"2.13": False}, SageMaker()), ({"2.13": False, "3.0": False}, SageMaker("Created"))):
        root = Broken(tmp_path, tainted=tainted)
        repair(root, seen)
        assert root.ran == []


def test_neither_imports_nor_keeps_a_failed_server(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    with pytest.raises(PlatformError, match=f"{NAME} is CreateFailed.*delete-mlflow-tracking-server"):
        repair(root, SageMaker("Creating", "CreateFailed"))
    assert root.ran == []


@pytest.mark.parametrize("other", [{"version": "2.16"}, {"store": "s3://somebody-elses"}])
def test_does_not_import_a_server_of_another_environment(tmp_path: Path, other: dict[str, str]) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    with pytest.raises(PreconditionError, match="which does not belong to staging"):
        repair(root, SageMaker("Created", **other))
    assert root.ran == []


def test_former_artifact_stores_are_those_of_the_last_apply(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    assert root.former_stores() == ()
    root = Broken(tmp_path, tainted={"2.13": False})
    root.outputs["former_artifact_store_uris"] = {"value": ["s3://old/mlflow"]}
    assert root.former_stores() == ("s3://old/mlflow",)


@pytest.mark.system
@pytest.mark.parametrize(("status", "kind"), [(1, PlatformError), (3, PreconditionError)])
def test_a_refusal_of_terraforms_script_ends_the_upgrade_with_the_same_status(
    tmp_path: Path, status: int, kind: type[PlatformError]
) -> None:
    script = tmp_path / "scripts/terraform.sh"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$* $LOCAL $CONFIRM" >{tmp_path}/calls\nexit {status}\n')
    script.chmod(0o755)
    root = Root("staging", local=True, environ={}, repository=tmp_path)
    with pytest.raises(kind) as caught:
        root.apply(confirm=NAME)
    assert caught.value.status == status
    assert (tmp_path / "calls").read_text() == f"staging apply -lock-timeout=30m 1 {NAME}\n"


def test_versions_on_localaws_do_not_change_the_real_root(tmp_path: Path) -> None:
    environ = {"LOCALAWS_HOME": str(tmp_path / "home")}
    local = Root("staging", local=True, environ=environ, repository=tmp_path)
    real = Root("staging", local=False, environ=environ, repository=tmp_path)
    local.folder.mkdir(parents=True)
    Desired("3.0", frozenset({"2.16", "2.13"})).write(local.file)
    assert json.loads(local.file.read_text())["retained_mlflow_versions"] == ["2.13", "2.16"]
    assert [file.name for file in local.folder.iterdir()] == [local.file.name]
    assert not real.folder.exists()
    assert not local.memory.is_relative_to(tmp_path / ".cache")


def test_finds_the_servers_after_a_killed_apply_without_outputs(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    assert (root.servers().active, root.servers().whole) == ("2.13", True)
    root = Broken(tmp_path, tainted={"2.13": False}, outputs=False)
    with pytest.raises(PreconditionError, match="only partly deployed: run `make apply ENV=staging` first"):
        root.servers()
    root.folder.mkdir(parents=True)
    Desired("2.13", frozenset({"3.0"})).write(root.file)
    assert (root.servers().active, root.servers().whole) == ("2.13", False)
    with pytest.raises(PreconditionError, match="staging is not deployed"):
        Broken(tmp_path, tainted={}, outputs=False).servers()
