"""Runs the demo as a writer with enforced policies, and compares its calls with the recording."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from localaws import daemon
from mlflow_platform.environment import REPOSITORY
from tests.policy.demo_calls import Walked, record, recorded, required_permissions, walk, walk_beside
from tests.policy.tour import Caller
from tests.support.running import RunningLocalAws


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """The result of the demo, with a separate localaws for this file."""
    done = walk(tmp_path_factory.mktemp("walked"))
    yield done
    daemon.down(done.localaws.settings)


def test_the_demo_succeeds_with_only_the_writer_policy(walked: Walked) -> None:
    assert walked.demo.returncode == 0, walked.demo.stdout[-3000:] + walked.demo.stderr
    assert "role/demo-staging-writer" in walked.demo.stdout
    assert walked.localaws.health()["enforces_iam"]
    callers = {
        (call["operation"], call["principal"].split(":", 5)[-1])
        for call in walked.calls
        if call["operation"] in ("CreateRun", "LogModel", "CreateEndpoint", "InvokeEndpoint")
    }
    assert callers == {
        ("CreateRun", "assumed-role/demo-staging-writer/log_run"),
        ("LogModel", "assumed-role/demo-staging-writer/log_run"),
        ("CreateEndpoint", "assumed-role/demo-staging-writer/deploy_model"),
        # The smoke request with the model's input example.
        ("InvokeEndpoint", "assumed-role/demo-staging-writer/deploy_model"),
        ("InvokeEndpoint", "assumed-role/demo-staging-writer/validate_endpoint"),
    }


def test_every_call_is_recorded(walked: Walked) -> None:
    walk_beside(walked)
    found = required_permissions(walked)
    if os.environ.get("REWRITE"):
        record(found)
    before = recorded()
    new = {who: sorted(asks - before.get(who, set())) for who, asks in found.items()}
    assert not any(new.values()), f"run scripts/security_docs.py and review what is new: {new}"


def test_readers_cannot_write_and_writers_cannot_delete(walked: Walked) -> None:
    assert Caller(walked.taking("reader", "writing")).status("POST", "experiments/create", name="a reader's") == 403
    assert Caller(walked.taking("writer", "deleting")).status("POST", "experiments/delete", experiment_id="1") == 403


def test_a_script_has_only_the_permissions_of_the_assumed_role(walked: Walked) -> None:
    refused = walked.taking("writer", "stopping").script("server", "stop", check=False)
    assert refused.returncode == 3
    assert "AWS denies StopMlflowTrackingServer: User: arn:aws:sts::123456789012:assumed-role/demo" in refused.stderr


def test_the_demo_as_a_writer_requires_enforced_policies(localaws: RunningLocalAws) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/demo.py", "--as", "writer"],
        cwd=REPOSITORY,
        env=localaws.environ(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("error: the running localaws does not enforce IAM policies")
