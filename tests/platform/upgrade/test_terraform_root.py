"""What a broken-off apply leaves of a tracking server, and how an upgrade mends it before Terraform plans again."""

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
from mlflow_platform.upgrade.versions import Wanted

STORE = "s3://artifacts"
NAME = "mlflow-staging-3-0"
KIND = "aws_sagemaker_mlflow_tracking_server"
ADDRESS = f'module.platform.module.mlflow.{KIND}.this["{{}}"]'


class Broken(Root):
    """A root whose state is what a test says; Terraform's commands are noted."""

    def __init__(self, folder: Path, *, tainted: dict[str, bool], outputs: bool = True) -> None:
        super().__init__("staging", local=False, environ={}, repository=folder)
        self.tainted = tainted
        self.ran: list[list[str]] = []
        self.outputs: dict[str, Any] = {"mlflow_version": {"value": "2.13"}} if outputs else {}
        self.import_fails = False
        self.brought_in = False

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
        if verb == "import" and self.brought_in:
            self.tainted["3.0"] = False
        return subprocess.CompletedProcess([], int(self.import_fails), "", "│ Error: Resource already managed\n")


class SageMaker:
    """Describes one server, each time with the next of its states; none left: there is no such server."""

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
    """Does not wait."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def mend(root: Root, sagemaker: Any) -> None:
    root.mend("3.0", NAME, sagemaker, progress=lambda _: None, clock=Clock())


def test_a_server_that_terraform_does_not_know_is_imported_once_it_is_created(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    mend(root, SageMaker("Creating", "Creating", "Created"))
    assert root.ran == [["import", ADDRESS.format("3.0"), NAME]]


def test_an_import_that_another_apply_came_before_is_no_failure(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    root.import_fails = root.brought_in = True
    mend(root, SageMaker("Created"))
    root = Broken(tmp_path, tainted={"2.13": False})
    root.import_fails = True
    with pytest.raises(PlatformError, match="terraform import failed: Error: Resource already managed"):
        mend(root, SageMaker("Created"))


def test_a_server_whose_creation_was_interrupted_is_kept(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False, "3.0": True})
    mend(root, SageMaker("Created"))
    assert root.ran == [["untaint", "-lock-timeout=30m", ADDRESS.format("3.0")]]


def test_a_server_that_is_not_there_or_is_whole_is_left_to_terraform(tmp_path: Path) -> None:
    for tainted, seen in (({"2.13": False}, SageMaker()), ({"2.13": False, "3.0": False}, SageMaker("Created"))):
        root = Broken(tmp_path, tainted=tainted)
        mend(root, seen)
        assert root.ran == []


def test_a_server_that_failed_is_neither_imported_nor_kept(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    with pytest.raises(PlatformError, match=f"{NAME} is CreateFailed.*delete-mlflow-tracking-server"):
        mend(root, SageMaker("Creating", "CreateFailed"))
    assert root.ran == []


@pytest.mark.parametrize("other", [{"version": "2.16"}, {"store": "s3://somebody-elses"}])
def test_somebody_elses_server_of_that_name_is_not_taken_over(tmp_path: Path, other: dict[str, str]) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    with pytest.raises(PreconditionError, match="which is not staging's"):
        mend(root, SageMaker("Created", **other))
    assert root.ran == []


@pytest.mark.parametrize(("status", "kind"), [(1, PlatformError), (3, PreconditionError)])
def test_what_terraforms_script_refuses_ends_the_upgrade_with_its_status(
    tmp_path: Path, status: int, kind: type[PlatformError]
) -> None:
    script = tmp_path / "scripts/terraform.sh"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$* $LOCAL $CONFIRM" >{tmp_path}/asked\nexit {status}\n')
    script.chmod(0o755)
    root = Root("staging", local=True, environ={}, repository=tmp_path)
    with pytest.raises(kind) as caught:
        root.apply(confirm=NAME)
    assert caught.value.status == status
    assert (tmp_path / "asked").read_text() == f"staging apply -lock-timeout=30m 1 {NAME}\n"


def test_the_versions_of_localaws_never_touch_the_real_root(tmp_path: Path) -> None:
    environ = {"LOCALAWS_HOME": str(tmp_path / "home")}
    local = Root("staging", local=True, environ=environ, repository=tmp_path)
    real = Root("staging", local=False, environ=environ, repository=tmp_path)
    local.folder.mkdir(parents=True)
    Wanted("3.0", frozenset({"2.16", "2.13"})).write(local.file)
    assert json.loads(local.file.read_text())["retained_mlflow_versions"] == ["2.13", "2.16"]
    assert [file.name for file in local.folder.iterdir()] == [local.file.name]
    assert not real.folder.exists()
    assert not local.memory.is_relative_to(tmp_path / ".cache")


def test_a_killed_apply_leaves_servers_without_outputs_and_what_was_wanted_is_known(tmp_path: Path) -> None:
    root = Broken(tmp_path, tainted={"2.13": False})
    assert (root.servers().active, root.servers().whole) == ("2.13", True)
    root = Broken(tmp_path, tainted={"2.13": False}, outputs=False)
    with pytest.raises(PreconditionError, match="deployed only in part: run `make apply ENV=staging` first"):
        root.servers()
    root.folder.mkdir(parents=True)
    Wanted("2.13", frozenset({"3.0"})).write(root.file)
    assert (root.servers().active, root.servers().whole) == ("2.13", False)
    with pytest.raises(PreconditionError, match="staging is not deployed"):
        Broken(tmp_path, tainted={}, outputs=False).servers()
