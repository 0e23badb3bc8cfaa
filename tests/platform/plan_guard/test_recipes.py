"""The guard outside of make: plans on standard input, and the commands of the recipes in the guide."""

import json
import os
import re
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlflow_common.errors import InputError
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.plan_guard.changes import read

GUIDE = (REPOSITORY / "docs/guides/plan-guard.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def commands(found: Any) -> list[str]:
    """Every string in a document that runs the guard."""
    if isinstance(found, dict):
        return [one for value in found.values() for one in commands(value)]
    if isinstance(found, list):
        return [one for value in found for one in commands(value)]
    return [found] if isinstance(found, str) and "plan_guard.py" in found else []


COMMANDS = [command for block in BLOCKS for command in commands(yaml.safe_load(block))]


def plan_that(*actions: str, **more: Any) -> str:
    change = {"actions": list(actions), "before": {"tracking_server_name": "churn-3-0"}, "after": None}
    kind = "aws_sagemaker_mlflow_tracking_server"
    one = {"address": f"{kind}.this", "mode": "managed", "type": kind, "change": change}
    return json.dumps({"planned_values": {"root_module": {}}, "resource_changes": [one], **more})


def no_terraform(_arguments: Any) -> Any:
    raise AssertionError("Terraform is not needed")


def test_reads_a_plan_from_standard_input() -> None:
    plan = read(Path("-"), Path(), no_terraform, StringIO(plan_that("delete")))
    assert [change.name for change in plan.changes] == ["churn-3-0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is not a Terraform plan"),
        (plan_that("delete", errored=True), "Terraform failed while it made this plan"),
    ],
)
def test_refuses_standard_input_that_is_no_complete_plan(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(Path("-"), Path(), no_terraform, StringIO(text))


def test_every_recipe_runs_the_guard() -> None:
    assert len(BLOCKS) == len(COMMANDS) == 5


@pytest.mark.system
@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_of_a_recipe_refuses_a_loss(command: str, tmp_path: Path) -> None:
    # `terraform` and `curl` print the plan, and `python3` is this Python.
    for name in ("terraform", "curl"):
        (tmp_path / name).write_text('#!/bin/sh\nprintf "%s" "$PLAN"\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "python3").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (tmp_path / "python3").chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CONFIRM": ""}
    run = command.replace("/opt/platform", shlex.quote(str(REPOSITORY)))

    def status(plan: str, confirm: str = "") -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", run],
            env={**environ, "PLAN": plan, "CONFIRM": confirm},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    refused, message = status(plan_that("delete"))
    assert (refused, "delete tracking server churn-3-0" in message) == (3, True)
    # Every recipe has the same command behind its own source of the plan, so one of them shows the other answers.
    if command == COMMANDS[0]:
        assert status(plan_that("delete"), "churn-3-0")[0] == 0
        assert status(plan_that("no-op"))[0] == 0
        assert status("")[0] == 2
