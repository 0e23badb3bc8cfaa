"""The plan guard's counts and refusals before a destroy, for a real tracking server and bucket on localaws."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND
from mlflow.store.entities import PagedList

from mlflow_platform import tracking, tracking_server
from mlflow_platform.environment import EnvironmentRef
from mlflow_platform.plan_guard import losses
from mlflow_platform.plan_guard.changes import Action, Change
from tests.localaws.tracking.calls import create_run, track
from tests.support.running import RunningLocalAws, settled
from tests.support.running import tracking_server as create_server
from tests.terraform.planning import REPOSITORY

NAME = "guarded-3-0"
BUCKET = f"{NAME}-bucket"
DOOMED = "guarded-doomed"
RUNBOOK = (REPOSITORY / "docs/guides/runbook.md").read_text()
VARIABLE = re.compile(r'^variable "(\w+)" \{$', re.MULTILINE)


@dataclass
class Environment:
    """A deployed server and bucket, and the plan that destroys them, reduced to the values that the guard reads."""

    localaws: RunningLocalAws
    arn: str
    folder: Path

    def guard(
        self, *, emptied: bool = False, server: bool = True, confirm: str = "", env: str = "staging", key: str = ""
    ) -> tuple[int, dict[str, Any], str]:
        """The guard's exit status, result and messages for a plan with the variables of `env`'s root."""
        changes = [self._change("aws_s3_bucket", bucket=BUCKET, force_destroy=emptied)]
        if key:
            changes.append(self._change("aws_s3_object", bucket=BUCKET, key=key))
        if server:
            store = f"s3://{BUCKET}"
            values = {
                "tracking_server_name": NAME,
                "arn": self.arn,
                "mlflow_version": "3.0",
                "artifact_store_uri": store,
            }
            changes.append(self._change("aws_sagemaker_mlflow_tracking_server", **values))
        root = REPOSITORY / "mlflow/terraform" / env
        declared = VARIABLE.findall("".join(file.read_text() for file in root.glob("*.tf")))
        variables = {name: {"value": None} for name in declared} | {"region": {"value": "us-east-1"}}
        plan = {"planned_values": {}, "resource_changes": changes, "variables": variables}
        file = self.folder / "plan.json"
        file.write_text(json.dumps(plan))
        options = ["--destroy", "--local", "--json", "--env", env]
        command = [sys.executable, REPOSITORY / "scripts/plan_guard.py", file, *options]
        done = subprocess.run(
            command,
            env=self.localaws.environ(CONFIRM=confirm),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, json.loads(done.stdout), done.stderr

    def _change(self, kind: str, **values: Any) -> dict[str, Any]:
        change = {"actions": ["delete"], "before": values, "after": None}
        return {"address": f"{kind}.this", "mode": "managed", "type": kind, "change": change}


@pytest.fixture(scope="module")
def environment(localaws: RunningLocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Two runs in a separate experiment, a registered model, and an object with two versions."""
    arn = create_server(localaws, NAME)
    experiment = track(localaws, arn, "POST", "experiments/create", {"name": "churn"}).json()["experiment_id"]
    create_run(localaws, arn)
    track(localaws, arn, "POST", "runs/create", {"experiment_id": experiment}).raise_for_status()
    track(localaws, arn, "POST", "registered-models/create", {"name": "iris"}).raise_for_status()
    s3 = localaws.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"12345678", b"12345678"):
        s3.put_object(Bucket=BUCKET, Key="0/run/artifacts/model", Body=body)
    yield Environment(localaws, arn, tmp_path_factory.mktemp("guard"))
    sagemaker = localaws.client("sagemaker")
    sagemaker.delete_mlflow_tracking_server(TrackingServerName=NAME)
    settled(localaws, NAME)


def test_counts_experiments_runs_models_and_objects(environment: Environment) -> None:
    _, found, _ = environment.guard()
    assert found["lost"] == [
        f"tracking server {NAME}: 2 experiments, 2 runs, 1 registered model",
        f"bucket {BUCKET}: 1 object in 2 versions, 16 bytes",
    ]


@pytest.mark.parametrize("what", ["traces", "logged models", ""])
def test_traces_and_logged_models_need_no_run(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*found: Any) -> Any:
        return lambda **_: PagedList(found, None)

    def absent(**_: Any) -> Any:
        raise MlflowException("no such call", error_code=ENDPOINT_NOT_FOUND)

    client = SimpleNamespace(
        search_experiments=answer(SimpleNamespace(experiment_id="0")),
        search_runs=answer(),
        search_registered_models=answer(),
        search_traces=answer("a trace") if what == "traces" else absent,
        search_logged_models=answer("a model") if what == "logged models" else answer(),
    )
    monkeypatch.setattr(tracking_server, "require_running", lambda *_: None)
    monkeypatch.setattr(tracking, "connect", lambda *_: client)
    values = {"tracking_server_name": NAME, "arn": "arn:server", "mlflow_version": "3.0"}
    change = Change("server", "aws_sagemaker_mlflow_tracking_server", Action.DELETE, before=values)
    session: Any = SimpleNamespace(client=lambda _: None)
    found = losses.server_contents(change, session, EnvironmentRef("staging"))
    assert (found.holds, str(found).endswith("traces or logged models")) == (bool(what), bool(what))


@pytest.mark.parametrize(
    ("env", "permission"),
    [
        (
            "staging",
            "allow the deletion of the rest with `make apply ENV=staging LOCAL=1 "
            'ARGS="-var dangerously_delete_data_on_destroy=true"`',
        ),
        ("prod", 'empty it as docs/guides/runbook.md says under "Emptying a bucket"'),
    ],
)
def test_refuses_to_destroy_a_bucket_with_objects_despite_confirmation(
    environment: Environment, env: str, permission: str
) -> None:
    status, _, stderr = environment.guard(server=False, confirm=f"{NAME},{BUCKET}", env=env)
    assert status == 3
    assert stderr == (
        f"error: bucket {BUCKET} still contains objects, so nothing was destroyed. "
        f"Copy what you need, then {permission}, and try again.\n"
    )


def test_the_runbooks_command_empties_a_bucket_completely(localaws: RunningLocalAws) -> None:
    s3 = localaws.client("s3")
    s3.create_bucket(Bucket=DOOMED)
    s3.put_bucket_versioning(Bucket=DOOMED, VersioningConfiguration={"Status": "Enabled"})
    for key in ("kept", "deleted"):
        s3.put_object(Bucket=DOOMED, Key=key, Body=b"first")
        s3.put_object(Bucket=DOOMED, Key=key, Body=b"second")
    s3.delete_object(Bucket=DOOMED, Key="deleted")
    section = RUNBOOK.partition("\n## Emptying a bucket\n")[2].partition("\n## ")[0]
    [command] = re.findall(r"^\.venv/bin/python .*$", section, re.MULTILINE)
    subprocess.run(
        ["bash", "-c", command.replace("mlflow-prod-mlflow-artifacts-zali-prod", DOOMED)],
        cwd=REPOSITORY,
        env=localaws.environ(),
        check=True,
        timeout=300,
    )
    s3.delete_bucket(Bucket=DOOMED)


def test_a_bucket_that_may_be_emptied_must_be_confirmed(environment: Environment) -> None:
    status, found, stderr = environment.guard(server=False, emptied=True)
    assert status == 3
    assert stderr.rstrip().endswith(f"To delete it anyway, confirm it with CONFIRM={BUCKET}")
    assert found["lost"] == [f"bucket {BUCKET}: 1 object in 2 versions, 16 bytes, to be deleted with it"]
    assert environment.guard(server=False, emptied=True, confirm=BUCKET)[0] == 0


def test_objects_that_the_plan_deletes_itself_do_not_prevent_a_destroy(environment: Environment) -> None:
    status, found, _ = environment.guard(server=False, key="0/run/artifacts/model")
    assert (status, found["lost"]) == (0, [f"bucket {BUCKET}: 0 objects in 0 versions, 0 bytes"])
    assert environment.guard(server=False, key="another")[0] == 3


def test_a_stopped_server_does_not_count_as_empty(environment: Environment) -> None:
    sagemaker = environment.localaws.client("sagemaker")
    sagemaker.stop_mlflow_tracking_server(TrackingServerName=NAME)
    settled(environment.localaws, NAME)
    try:
        status, found, stderr = environment.guard(emptied=True, confirm=BUCKET)
        assert status == 3
        assert f"the contents of tracking server {NAME} cannot be counted: " in found["lost"][0]
        assert "Start it with" in found["lost"][0]
        assert f"CONFIRM={NAME},{BUCKET}" in stderr
        assert environment.guard(emptied=True, confirm=f"{NAME},{BUCKET}")[0] == 0
    finally:
        sagemaker.start_mlflow_tracking_server(TrackingServerName=NAME)
        settled(environment.localaws, NAME)
