"""The workflows of GitHub and GitLab: pinned, with the least permissions, and called with the inputs that they have."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlflow_platform.environment import REPOSITORY

FOLDER = REPOSITORY / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
OWN = re.compile(r"\$/\.github/workflows/(\w+\.yml)")
# The first major version of each action that runs on Node 24. GitHub announced the end of Node 20 on its runners for
# September 2026:
# https://github.blog/changelog/2025-09-19-deprecation-of-node-20-on-github-actions-runners/
NODE_24 = {
    "actions/checkout": 5,
    "actions/setup-python": 6,
    "actions/upload-artifact": 6,
    "actions/download-artifact": 7,
    "aws-actions/configure-aws-credentials": 6,
    "hashicorp/setup-terraform": 4,
}
ENVIRONMENTS = {file.parent.name for file in (REPOSITORY / "mlflow/terraform").glob("*/main.tf")}
# The roles of terraform/module/github that a job may assume, by the workflow's job.
ROLE = re.compile(
    r"role/\$\{\{ inputs\.role-prefix \}\}\$\{\{ inputs\.project \}\}-\$\{\{ inputs\.environment \}\}-ci-(\w+)"
)


@cache
def workflow(file: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(file.read_text())
    return found


def jobs() -> list[Any]:
    return [
        pytest.param(job, id=f"{file.stem}: {name}") for file in FILES for name, job in workflow(file)["jobs"].items()
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_has_no_permissions_but_those_of_its_jobs(file: Path) -> None:
    found = workflow(file)
    assert found["permissions"] == {}
    assert all("permissions" in job for job in found["jobs"].values())


@pytest.mark.parametrize("job", jobs())
def test_every_action_is_pinned_and_every_call_has_the_inputs_of_its_workflow(job: dict[str, Any]) -> None:
    assert [
        step["uses"] for step in job.get("steps", []) if "uses" in step and not PINNED.fullmatch(step["uses"])
    ] == []
    if "uses" not in job:
        assert job["timeout-minutes"] <= 180
        return
    called = OWN.fullmatch(job["uses"])
    assert called, job["uses"]
    # YAML reads the key `on` as true.
    inputs = (workflow(FOLDER / called[1])[True]["workflow_call"] or {}).get("inputs", {})
    given = job.get("with", {})
    assert set(given) <= set(inputs)
    assert {name for name, one in inputs.items() if one.get("required")} <= set(given)
    for inner in workflow(FOLDER / called[1])["jobs"].values():
        # A called job cannot have more than the caller gives.
        assert inner["permissions"].items() <= job["permissions"].items()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_action_runs_on_a_node_that_the_runners_have(file: Path) -> None:
    text = file.read_text()
    used = re.findall(r"uses: ([\w./-]+)@[0-9a-f]{40} # v(\d+)\.", text)
    assert len(used) == len(re.findall(r"uses: [\w.-]+/", text))
    assert [(name, major) for name, major in used if int(major) < NODE_24[name]] == []


@pytest.mark.parametrize("job", jobs())
def test_only_a_job_with_an_environment_assumes_the_apply_role(job: dict[str, Any]) -> None:
    roles = [
        "".join(ROLE.findall(step["with"]["role-to-assume"]))
        for step in job.get("steps", [])
        if "role-to-assume" in step.get("with", {})
    ]
    assert len(roles) == (job["permissions"].get("id-token") == "write" and "steps" in job)
    assert ("apply" in roles) == ("environment" in job)


@pytest.mark.parametrize("job", jobs())
def test_no_expression_is_in_a_shell_command_and_every_script_exists(job: dict[str, Any]) -> None:
    commands = [step["run"] for step in job.get("steps", []) if "run" in step]
    assert [command for command in commands if "${{" in command] == []
    for script in re.findall(r"\b(scripts/\w+\.(?:sh|py))", "\n".join(commands)):
        assert (REPOSITORY / script).is_file(), script


@pytest.mark.parametrize("job", jobs())
def test_a_job_that_sets_the_project_up_has_terraform(job: dict[str, Any]) -> None:
    steps = job.get("steps", [])
    if any(step.get("run", "").startswith(("make ", "bash .ci/run")) for step in steps):
        assert any(step.get("uses", "").startswith("hashicorp/setup-terraform@") for step in steps)


def test_every_environment_is_planned_applied_and_checked_for_drift() -> None:
    used: dict[str, set[str]] = {}
    for name in ("platform", "nightly"):
        for job in workflow(FOLDER / f"{name}.yml")["jobs"].values():
            if "environment" not in job.get("with", {}):
                continue
            used.setdefault(job["uses"].rpartition("/")[2], set()).add(job["with"]["environment"])
    assert used == dict.fromkeys(("plan.yml", "apply.yml", "drift.yml"), ENVIRONMENTS)


def test_gitlabs_jobs_extend_jobs_that_exist_and_run_in_known_stages() -> None:
    found = yaml.safe_load((REPOSITORY / ".gitlab-ci.example.yml").read_text())
    stages = found["stages"]
    named = {name: job for name, job in found.items() if name not in ("stages", "variables", "default")}
    for name, job in named.items():
        extended = job
        while "extends" in extended:
            extended = {**named[extended["extends"]], **{k: v for k, v in extended.items() if k != "extends"}} | (
                {"extends": named[extended["extends"]]["extends"]} if "extends" in named[extended["extends"]] else {}
            )
        if not name.startswith("."):
            assert extended["stage"] in stages, name
            assert extended["script"], name
            assert set(job.get("needs", [])) <= set(named), name
            for script in re.findall(r"\b(scripts/\w+\.(?:sh|py))", "\n".join(extended["script"])):
                assert (REPOSITORY / script).is_file(), script
