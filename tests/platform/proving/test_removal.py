"""The removal of a throw-away environment: what Terraform destroys after an apply that failed."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_common.errors import PreconditionError
from mlflow_platform.proving.commands import TERRAFORM_GRACE_MINUTES
from mlflow_platform.proving.leftovers import Leftover
from mlflow_platform.proving.removal import SETTLE_MINUTES, commands, destroy, remove_folders
from mlflow_platform.proving.target import Target
from mlflow_platform.proving.workspace import Workspace

SERVER, BUCKET = "mlflow-prove-ab12cd-3-0", "mlflow-prove-ab12cd-once"
TEMPLATE = {"Resources": {"App": {"Type": "AWS::SageMaker::MlflowApp", "Properties": {"Name": "prove-app"}}}}


class Clock:
    """A clock that only sleeping moves."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Commands:
    """A runner that records what it would run."""

    folder, environ = Path("/repository"), {"LOCALAWS_HOME": "/home"}

    def __init__(self) -> None:
        self.ran: list[tuple[list[str], dict[str, str]]] = []

    def run(self, name: str, command: Sequence[str], *, minutes: float, grace: float, **more: str) -> str:  # noqa: ARG002
        assert grace == TERRAFORM_GRACE_MINUTES
        self.ran.append((list(command), more))
        return ""


def resource(kind: str, **attributes: Any) -> dict[str, Any]:
    return {"mode": "managed", "type": kind, "name": "this", "instances": [{"attributes": attributes}]}


STATE = {
    "terraform_version": "1.11.4",
    "resources": [
        resource("aws_sagemaker_mlflow_tracking_server", tracking_server_name=SERVER, arn=None),
        resource("aws_s3_bucket", bucket=BUCKET),
        resource("aws_cloudformation_stack", name="stack", template_body=json.dumps(TEMPLATE)),
        resource("aws_cloudformation_stack", name="other", template_body="{}"),
        resource("aws_iam_role", name="role"),
    ],
}


def target(statuses: Sequence[str]) -> tuple[Target, Commands, list[str]]:
    """A target whose server has these states, one after the other; the last one stays."""
    left: Iterator[str] = iter(statuses)
    seen = [""]

    def describe(TrackingServerName: str) -> dict[str, str]:  # noqa: N803
        seen[0] = next(left, seen[0])
        return {"TrackingServerStatus": seen[0]}

    commands, progress = Commands(), list[str]()
    sagemaker = SimpleNamespace(
        describe_mlflow_tracking_server=describe, exceptions=SimpleNamespace(ClientError=RuntimeError)
    )
    runner: Any = commands
    found = Target(
        environment="prove-ab12cd",
        stem="mlflow-prove-ab12cd",
        local=False,
        account="111122223333",
        region="us-east-1",
        client=lambda _: sagemaker,
        runner=runner,
        clock=Clock(),
        progress=progress.append,
    )
    return found, commands, progress


def printing(text: str, status: int = 0) -> Any:
    return lambda arguments: subprocess.CompletedProcess(arguments, status, text, "Error: no backend")


def test_a_failed_apply_is_destroyed_with_the_names_in_the_state() -> None:
    found, runner, progress = target(["Creating", "Creating", "Created"])
    assert not found.outputs
    assert destroy(found, printing(json.dumps(STATE))) == "Terraform destroyed everything"
    ((command, variables),) = runner.ran
    assert command == ["scripts/terraform.sh", "prove-ab12cd", "destroy"]
    assert variables["CONFIRM"] == f"{SERVER},prove-app,{BUCKET}"
    assert progress == [f"tracking server {SERVER}: Creating", f"tracking server {SERVER}: Created"]


def test_a_server_that_does_not_settle_does_not_prevent_the_destroy() -> None:
    found, runner, progress = target(["Creating"])
    destroy(found, printing(json.dumps(STATE)))
    assert len(runner.ran) == 1
    assert f"Creating after {SETTLE_MINUTES} min" in progress[-1]


def test_an_empty_state_is_destroyed_without_names() -> None:
    found, runner, _ = target([])
    destroy(found, printing(""))
    assert [variables["CONFIRM"] for _, variables in runner.ran] == [""]


def test_a_state_that_cannot_be_read_is_an_error() -> None:
    found, runner, _ = target([])
    with pytest.raises(PreconditionError, match="Terraform cannot read its state"):
        destroy(found, printing("", 1))
    assert runner.ran == []


def test_the_commands_delete_what_scripts_created_then_terraforms_resources_then_the_folder() -> None:
    found, _, _ = target([])
    left = [Leftover("endpoint", "a", "aws sagemaker delete-endpoint --endpoint-name a"), Leftover("bucket", BUCKET)]
    assert commands(found, left, printing(json.dumps(STATE))) == [
        "aws sagemaker delete-endpoint --endpoint-name a",
        f"make destroy ENV=prove-ab12cd CONFIRM={SERVER},prove-app,{BUCKET}",
        "rm -r mlflow/terraform/prove-ab12cd",
    ]
    assert "make destroy ENV=prove-ab12cd CONFIRM=NAMES" in commands(found, [], printing("", 1))


def test_the_commands_for_localaws_do_not_reach_aws() -> None:
    found, _, _ = target([])
    found.local = True
    assert commands(found, [Leftover("endpoint", "a", "aws sagemaker delete-endpoint")], printing("")) == [
        'eval "$(make -s local-env)"',
        "aws sagemaker delete-endpoint",
        "make destroy ENV=prove-ab12cd LOCAL=1",
        "rm -r mlflow/terraform/prove-ab12cd /home/terraform/mlflow/terraform/prove-ab12cd",
    ]


@pytest.mark.parametrize("local", [True, False])
def test_the_copy_of_the_root_on_localaws_is_removed_too(tmp_path: Path, local: bool) -> None:
    found, runner, _ = target([])
    found.local = local
    runner.environ = {"LOCALAWS_HOME": str(tmp_path / "localaws")}
    made = Workspace("prove-ab12cd", tmp_path / "prove-ab12cd")
    copy = tmp_path / "localaws/terraform/mlflow/terraform/prove-ab12cd"
    for folder in (made.folder, copy):
        folder.mkdir(parents=True)
    remove_folders(found, made)
    assert not made.folder.exists()
    assert copy.exists() is not local
