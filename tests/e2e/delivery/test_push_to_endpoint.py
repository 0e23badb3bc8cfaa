"""A push takes a fresh clone to a validated endpoint: it tests, trains, registers, waits for approval, and deploys."""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from localaws import daemon
from tests.support.deployed import REPOSITORY, Deployed
from tests.support.mirrored import quick_mirror
from tests.support.running import RunningLocalAws, start
from tests.support.waiting import eventually

# A build installs all locked packages, tests and trains.
SECONDS = 3600
ENDED = ("Succeeded", "Failed")
DELIVERY = {
    "source": {"codecommit_repository": "models"},
    "model_name": "iris",
    "image_uri": "localaws",
    "training_arguments": ["--threshold=0.9", "--set=tune.trials=1"],
    "validation_arguments": ["--threshold=accuracy=0.9"],
}
INPUTS: dict[str, Any] = {"schedule": None, "notifications": None, "image_build": None, "delivery": DELIVERY}


@pytest.fixture(scope="module")
def localaws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLocalAws]:
    """One of its own, because a delivery changes staging, which other tests share."""
    running = start(tmp_path_factory.mktemp("delivery") / "home")
    yield running
    daemon.down(running.settings)


@pytest.fixture(scope="module")
def delivering(localaws: RunningLocalAws) -> Deployed:
    """Staging with a delivery, whose repository is still empty."""
    localaws.client("codecommit").create_repository(repositoryName="models")
    quick_mirror(localaws.settings, "staging", **INPUTS)
    applied = Deployed("staging", local=True, environ=localaws.environ(LOCALAWS_HOME=str(localaws.settings.home)))
    applied.terraform("apply")
    return applied


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the files of this one's last commit."""
    folder = tmp_path_factory.mktemp("clone")
    made = subprocess.run(["git", "-C", str(REPOSITORY), "archive", "HEAD"], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("this checkout is not a git repository, so there is nothing to push")
    with tarfile.open(fileobj=BytesIO(made.stdout)) as tar:
        tar.extractall(folder, filter="data")
    git(folder, "init", "-q", "-b", "main", ".")
    return folder


def git(folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    command = ["git", *author, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def push(localaws: RunningLocalAws, clone: Path) -> str:
    """Commit everything and push it. Returns the commit."""
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "--allow-empty", "-m", "change")
    git(clone, "push", "-q", str(localaws.settings.home / "repositories" / "models.git"), "main")
    return git(clone, "rev-parse", "HEAD")


def states(delivering: Deployed) -> dict[str, Any]:
    """The stages of the delivery by name."""
    name = delivering.outputs["delivery_pipeline_name"]
    found = delivering.client("codepipeline").get_pipeline_state(name=name)["stageStates"]
    return {one["stageName"]: one for one in found}


def execution(delivering: Deployed, commit: str) -> str:
    """The status of a commit's execution; "" before it starts."""
    name = delivering.outputs["delivery_pipeline_name"]
    found = delivering.client("codepipeline").list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]
    revisions = {revision["revisionId"]: str(one["status"]) for one in found for revision in one["sourceRevisions"]}
    return revisions.get(commit, "")


def log(delivering: Deployed, stage: str) -> str:
    """The end of the log of a stage's build, for the message of a failed test."""
    action = states(delivering)[stage]["actionStates"][0].get("latestExecution", {})
    if "externalExecutionId" not in action:
        return str(action)
    (build,) = delivering.client("codebuild").batch_get_builds(ids=[action["externalExecutionId"]])["builds"]
    where = {"logGroupName": build["logs"]["groupName"], "logStreamName": build["logs"]["streamName"]}
    events = delivering.client("logs").get_log_events(**where)["events"]
    return "\n".join(event["message"].rstrip() for event in events[-40:])


def packages(delivering: Deployed) -> int:
    """The number of registered versions."""
    sagemaker = delivering.client("sagemaker")
    groups = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    names = [one["ModelPackageGroupName"] for one in groups if "iris" in one["ModelPackageGroupName"]]
    found = [sagemaker.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"] for name in names]
    return sum(map(len, found))


def test_a_push_is_trained_registered_approved_deployed_and_validated(
    localaws: RunningLocalAws, delivering: Deployed, clone: Path
) -> None:
    commit = push(localaws, clone)

    def token() -> str:
        if execution(delivering, commit) == "Failed":
            pytest.fail(log(delivering, "Train"))
        action = states(delivering)["Approve"]["actionStates"][0]
        return str(action.get("latestExecution", {}).get("token", ""))

    given = eventually(token, SECONDS, 1)
    assert given
    assert packages(delivering) == 1
    # Nothing is deployed before the approval.
    sagemaker = delivering.client("sagemaker")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    delivering.client("codepipeline").put_approval_result(
        pipelineName=delivering.outputs["delivery_pipeline_name"],
        stageName="Approve",
        actionName="Approve",
        result={"summary": "good", "status": "Approved"},
        token=given,
    )
    status = eventually(
        lambda: {"Succeeded": "Succeeded", "Failed": "Failed"}.get(execution(delivering, commit), ""), SECONDS, 1
    )
    assert status == "Succeeded", log(delivering, "Deploy")
    (endpoint,) = sagemaker.list_endpoints()["Endpoints"]
    assert endpoint["EndpointStatus"] == "InService"
    # The validation ran in the build; it is repeated here, so that its result is seen.
    found = delivering.result("validate_endpoint", "--endpoint", endpoint["EndpointName"])
    assert found["accuracy"] >= 0.9


def test_broken_training_code_stops_before_registration(
    localaws: RunningLocalAws, delivering: Deployed, clone: Path
) -> None:
    before = packages(delivering)
    file = clone / "training" / "train.py"
    code = file.read_text()
    broken = code.replace('    """Train, log and print the metrics.', '    raise RuntimeError("broken")\n    """')
    assert "broken" in broken
    file.write_text(broken)
    commit = push(localaws, clone)
    file.write_text(code)
    assert eventually(lambda: execution(delivering, commit) in ENDED, SECONDS, 1)
    assert execution(delivering, commit) == "Failed"
    assert "RuntimeError: broken" in log(delivering, "Train")
    assert packages(delivering) == before
