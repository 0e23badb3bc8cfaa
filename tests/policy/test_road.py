"""The demo as a writer, where every call is judged by the policies that stand; and the recording is what it did."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from localaws import daemon
from mlflow_platform.environment import REPOSITORY
from tests.policy.road import Walked, asked, record, recorded, walk, walk_beside
from tests.policy.tour import Caller
from tests.support.running import RunningLocalAws


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """A localaws of this file's own."""
    done = walk(tmp_path_factory.mktemp("walked"))
    yield done
    daemon.down(done.localaws.settings)


def test_the_demo_passes_with_the_writers_policy_alone_where_policies_are_enforced(walked: Walked) -> None:
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
        ("InvokeEndpoint", "assumed-role/demo-staging-writer/validate_endpoint"),
    }


def test_the_road_asks_for_nothing_that_is_not_recorded(walked: Walked) -> None:
    walk_beside(walked)
    found = asked(walked)
    if os.environ.get("REWRITE"):
        record(found)
    before = recorded()
    new = {who: sorted(asks - before.get(who, set())) for who, asks in found.items()}
    assert not any(new.values()), f"run scripts/security_docs.py and review what is new: {new}"


def test_whoever_may_only_read_writes_nothing_and_a_writer_deletes_nothing(walked: Walked) -> None:
    assert Caller(walked.taking("reader", "writing")).status("POST", "experiments/create", name="a reader's") == 403
    assert Caller(walked.taking("writer", "deleting")).status("POST", "experiments/delete", experiment_id="1") == 403


def test_a_script_goes_on_as_the_role_that_was_taken_up_and_may_do_no_more(walked: Walked) -> None:
    refused = walked.taking("writer", "stopping").script("server", "stop", check=False)
    assert refused.returncode == 3
    assert "AWS denies StopMlflowTrackingServer: User: arn:aws:sts::123456789012:assumed-role/demo" in refused.stderr


def test_the_demo_as_a_writer_is_refused_where_policies_are_not_enforced(localaws: RunningLocalAws) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/demo.py", "--as", "writer"],
        cwd=REPOSITORY,
        env=localaws.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("error: the running localaws does not enforce IAM policies")
