"""Starts the nightly backup by its schedule, and waits for its build."""

import json
import subprocess
import sys
import time
from typing import Any

from tests.e2e.upgrade.conftest import REPOSITORY, Staging

PROJECT = "mlflow-staging-mlflow-backup"
BUILD_SECONDS = 200


def job(staging: Staging) -> dict[str, Any]:
    """The finished build that the schedule started, with the messages of its log as `log`."""
    localaws = staging.localaws
    localaws.run_schedule("default", PROJECT)
    codebuild = localaws.client("codebuild")
    (started,) = codebuild.list_builds_for_project(projectName=PROJECT)["ids"]
    deadline = time.monotonic() + BUILD_SECONDS
    while time.monotonic() < deadline:
        (build,) = codebuild.batch_get_builds(ids=[started])["builds"]
        if build["buildComplete"]:
            logs = localaws.client("logs").filter_log_events(logGroupName=build["logs"]["groupName"])
            return {**build, "log": [event["message"] for event in logs["events"]]}
        time.sleep(0.5)
    raise TimeoutError(started)


def transfer(staging: Staging, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "scripts/transfer.py", *arguments, "--json"],
        cwd=REPOSITORY,
        env=staging.deployed.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
