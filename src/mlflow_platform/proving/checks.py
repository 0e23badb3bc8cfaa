"""The checks of a proof: each returns what it saw, or raises an error that says which assumption does not hold."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import wait_for
from mlflow_platform.proving.app import prove_app
from mlflow_platform.proving.leftovers import packages_of, registered_groups
from mlflow_platform.proving.links import opened
from mlflow_platform.proving.target import Target

EXPERIMENT = MODEL = "prove-iris"
# Minutes after which a command or a wait is given up. Their sum bounds the cost.
MINUTES = {
    "apply": 45,
    "output": 5,
    "plan": 10,
    "train": 5,
    "registry": 5,
    "build": 30,
    "smoke": 40,
    "doctor": 5,
    "app": 15,
    "schedule": 30,
}


def apply(target: Target) -> str:
    """Apply, and read the outputs."""
    target.terraform("apply", minutes=MINUTES["apply"])
    text = target.terraform("output", "-json", minutes=MINUTES["output"])
    target.outputs.update({name: output["value"] for name, output in json.loads(text).items()})
    again = target.terraform("plan", minutes=MINUTES["plan"])
    if "No changes." not in again and "The plan changes nothing." not in again:
        raise PlatformError("a second plan is not empty. See the output of terraform-plan")
    return f"{target.outputs['tracking_server_name']} is applied, and a second plan is empty"


def server(target: Target) -> str:
    """The tracking server runs with the role that trusts SageMaker under conditions."""
    found = target.client("sagemaker").describe_mlflow_tracking_server(
        TrackingServerName=target.outputs["tracking_server_name"]
    )
    if found.get("IsActive") != "Active":
        raise PlatformError(f"the server is {found['TrackingServerStatus']} and {found.get('IsActive')}")
    role = target.client("iam").get_role(RoleName=target.outputs["mlflow_role_name"])["Role"]
    conditions = [one.get("Condition", {}) for one in role["AssumeRolePolicyDocument"]["Statement"]]
    return (
        f"{found['TrackingServerStatus']}, MLflow {found['MlflowVersion']}; trust conditions {json.dumps(conditions)}"
    )


def train(target: Target) -> str:
    """A run, its artifacts and a registered model through the plugin."""
    logged = target.script(
        "log_run", "--register", MODEL, "--alias", "champion", "--experiment", EXPERIMENT, minutes=MINUTES["train"]
    )
    return f"run {logged['run_id']}, {logged['model_uri']}"


def registry(target: Target) -> str:
    """The server's own role registers the model version in SageMaker: AWS does that, no client."""
    sagemaker = target.client("sagemaker")

    def packages() -> list[str]:
        # Groups of other environments can have a model of the same name.
        groups = [group for group in registered_groups(sagemaker, target) if group.startswith(MODEL)]
        return [package for group in groups for package in packages_of(sagemaker, group)]

    found = wait_for(
        packages,
        settled=bool,
        describe=lambda seen: f"{len(seen)} model packages",
        progress=target.progress,
        clock=target.clock,
        timeout=MINUTES["registry"] * 60.0,
    )
    return f"{found[0]} was made by automatic registration"


def ui(target: Target) -> str:
    """A presigned link opens the UI once."""
    link = target.client("sagemaker").create_presigned_mlflow_tracking_server_url(
        TrackingServerName=target.outputs["tracking_server_name"], ExpiresInSeconds=300
    )["AuthorizedUrl"]
    return opened(link)


def build(target: Target) -> str:
    """CodeBuild builds and pushes the serving image."""
    found = target.script("build_image", f"models:/{MODEL}@champion", minutes=MINUTES["build"])
    if not found["changed"]:
        raise PlatformError(f"nothing was built, because {found['image']} exists already")
    return f"{found['image']} was built, {found['digest']}"


def smoke(target: Target) -> str:
    """The repository's smoke tests: run, registry, transform job, endpoint, validation."""
    report = target.runner.logs / "smoke.xml"
    target.runner.run(
        "smoke",
        [sys.executable, "-m", "pytest", "-q", "tests/e2e/smoke", f"--junit-xml={report}", "-p", "no:cacheprovider"],
        minutes=MINUTES["smoke"],
        SMOKE_ENV=target.environment,
        SMOKE_LOCAL="1" if target.local else "",
    )
    try:
        suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 written by the pytest that ran a moment ago
    except (OSError, ET.ParseError) as error:
        raise PlatformError(f"the smoke tests left no report in {report}: {error}") from None
    if suite is None:
        raise PlatformError(f"the smoke tests' report {report} has no results")
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    if counts["tests"] <= counts["skipped"]:
        raise PlatformError(f"no smoke test ran: {counts['tests']} tests, {counts['skipped']} skipped")
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def doctor(target: Target) -> str:
    """No check of the doctor fails."""
    try:
        found = target.script("doctor", minutes=MINUTES["doctor"])
    except PlatformError as error:
        failed = [one for one in _checks(target.runner.logs / "doctor.out") if one["status"] == "fail"]
        if not failed:
            raise
        raise PlatformError("; ".join(f"{one['check']}: {one['detail']}" for one in failed)) from error
    return f"{found['pass']} pass, {found['warn']} warn, {found['fail']} fail, {found['skip']} skip"


def _checks(file: Path) -> list[dict[str, str]]:
    """The doctor's findings, as far as it printed them."""
    try:
        return list(json.loads(file.read_text())["checks"])
    except (OSError, ValueError, KeyError):
        return []


def app(target: Target) -> str:
    """An MLflow App is created with the same kind of role, answers a client, and is deleted."""
    return prove_app(target, MINUTES["app"] * 60.0)


def schedule(target: Target) -> str:
    """Scheduler starts the state machine, and it stops and starts the server."""
    name = target.outputs["tracking_server_name"]
    seconds = {}
    for verb, active in (("stop", "Inactive"), ("start", "Active")):
        start = target.clock.now()
        _fire(target, f"{name}-{verb}")
        wait_for(
            lambda: target.client("sagemaker").describe_mlflow_tracking_server(TrackingServerName=name),
            settled=lambda seen, active=active: (
                seen.get("IsActive") == active and not seen["TrackingServerStatus"].endswith("ing")
            ),  # type: ignore[misc]
            describe=lambda seen: f"tracking server {name}: {seen['TrackingServerStatus']}",
            progress=target.progress,
            clock=target.clock,
            timeout=MINUTES["schedule"] * 30.0,
        )
        seconds[verb] = target.clock.now() - start
    return "; ".join(f"the {verb} took {took:.0f} s" for verb, took in seconds.items())


def _fire(target: Target, name: str) -> None:
    """Let a schedule of the module fire now: on AWS by a one-time copy of it, on localaws on request."""
    group = f"{target.stem}-mlflow"
    if target.local:
        from mlflow_platform.proving.localaws_schedule import run_schedule

        run_schedule(target.runner.environ["AWS_ENDPOINT_URL"], group, name)
        return
    scheduler = target.client("scheduler")
    found: dict[str, Any] = scheduler.get_schedule(GroupName=group, Name=name)
    # A one-time schedule, which is deleted with its group:
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#one-time
    moment = datetime.now(UTC) + timedelta(minutes=1)
    scheduler.create_schedule(
        GroupName=group,
        Name=f"{name}-once",
        ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
        ScheduleExpressionTimezone="UTC",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target=found["Target"],
    )
