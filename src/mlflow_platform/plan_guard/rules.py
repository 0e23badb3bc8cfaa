"""Refuses plans that lose data without confirmation, and warns about problems of the AWS provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_platform.environment import EnvironmentRef
from mlflow_platform.plan_guard import app_stacks
from mlflow_platform.plan_guard.changes import BUCKET, DOMAIN, KEY, SERVER, Action, Change, TerraformPlan
from mlflow_platform.tracking_server import APP, CHANGING, STOPPED

# Resources whose contents cannot be recovered: runs in a server, objects in a bucket, what a key encrypts, and files of
# Studio's users.
PRECIOUS = {SERVER: "tracking server", BUCKET: "bucket", KEY: "key", DOMAIN: "Studio domain"}
# The same as resources of CloudFormation, and of the provider awscc, which names its resources after them:
# https://registry.terraform.io/providers/hashicorp/awscc/latest/docs
_STACKED = {
    "AWS::SageMaker::MlflowTrackingServer": "tracking server",
    "AWS::S3::Bucket": "bucket",
    "AWS::KMS::Key": "key",
    "AWS::SageMaker::Domain": "Studio domain",
}
_CLOUD_CONTROL = {
    "awscc_sagemaker_mlflow_tracking_server": "tracking server",
    "awscc_s3_bucket": "bucket",
    "awscc_kms_key": "key",
    "awscc_sagemaker_domain": "Studio domain",
    "awscc_sagemaker_mlflow_app": APP,
}
_STORE = "artifact_store_uri"
# The attributes that the AWS provider sends with UpdateMlflowTrackingServer.
_SENT = {_STORE, "tracking_server_size", "weekly_maintenance_window_start"}
_PATCH = re.compile(r"(\d+\.\d+)\..+")
# As terraform/module/mlflow/schedule.tf describes it.
_STARTS = re.compile(r"Starts MLflow tracking server (\S+)")

# Returns a tracking server's status by its name; the empty string if it does not exist.
FindStatus = Callable[[str], str]


def lost(plan: TerraformPlan) -> list[Change]:
    """The tracking servers, MLflow Apps, buckets, keys and Studio domains that the plan deletes or replaces."""
    return [
        change
        for change in plan.changes
        if (change.loses_it and (change.is_app or _precious(change))) or change.replaces_app
    ]


def uncounted(plan: TerraformPlan) -> list[tuple[str, str]]:
    """The names and kinds of what the plan loses in stacks and through the provider awscc, where nothing is counted."""
    return [
        (plan.name_of(change), _precious(change))
        for change in lost(plan)
        if not change.is_app and change.type not in PRECIOUS
    ]


def cut_off(plan: TerraformPlan) -> list[Change]:
    """The servers and Apps that get another artifact store. Their existing runs keep the old artifact URIs."""
    return [
        change
        for change in plan.changes
        if change.action is Action.UPDATE
        and not change.replaces_app
        and (change.is_app or (change.type == SERVER and _STORE in change.attributes))
        and _store(change, change.before) != _store(change, change.after)
    ]


def updated_servers(plan: TerraformPlan) -> list[Change]:
    """The tracking servers that the plan updates in place through AWS's API."""
    return [
        change
        for change in plan.changes
        if change.type == SERVER and change.action is Action.UPDATE and _SENT & set(change.attributes)
    ]


def named(text: str) -> set[str]:
    """The names in CONFIRM, which are separated by commas."""
    return {name.strip() for name in text.split(",") if name.strip()}


def check(plan: TerraformPlan, confirmed: Collection[str]) -> None:
    """Check that every loss in the plan is confirmed by name.

    Raises:
        PreconditionError: a loss is not confirmed.
    """
    risky = [*lost(plan), *cut_off(plan)]
    missing = [change for change in risky if plan.name_of(change) not in confirmed]
    if not missing:
        return
    would = ", ".join(_consequence(plan, change) for change in missing)
    names = ",".join(dict.fromkeys(plan.name_of(change) for change in risky))
    advice = f"To do it anyway, confirm it with CONFIRM={names}"
    if cut_off(plan):
        advice = (
            "Runs keep the artifact URIs that they were logged with, so copy the artifacts and keep the old store "
            f"readable (former_artifact_store_uris). {advice}"
        )
    raise PreconditionError(
        f"nothing was changed, because the plan would {would}, and what is in there cannot be recovered. {advice}"
    )


def warnings(plan: TerraformPlan) -> Iterator[str]:
    """What will go wrong although the plan itself does not show it, and what to do instead."""
    for change in plan.changes:
        if change.type == SERVER:
            yield from _server_warnings(change)
        if change.is_app:
            yield from _app_warnings(plan, change)
        if change.reason == "replace_because_tainted":
            yield (
                f"{change.address} is tainted because its creation was interrupted. If AWS shows it as Created, keep "
                f"it with `terraform untaint '{change.address}'`, and plan again."
            )
    for name in _no_longer_started(plan):
        yield (
            f"tracking server {name} loses its schedule. If it is stopped now, it stays stopped: start it with "
            "`make server ARGS=start` and its ENV."
        )


def stopped_server_warnings(plan: TerraformPlan, environment: EnvironmentRef, find_status: FindStatus) -> Iterator[str]:
    """Warn about updates of tracking servers that do not run. AWS refuses them only during the apply."""
    for change in updated_servers(plan):
        try:
            status = find_status(change.name)
        except PlatformError as error:
            yield f"the state of {change.name} could not be checked ({error.message}) AWS updates only running servers."
            continue
        if status in STOPPED:
            yield (
                f"tracking server {change.name} is {status}, and AWS updates only running servers. Start it with "
                f"`.venv/bin/python scripts/server.py start {environment.options}`, then apply."
            )
        elif status in CHANGING:
            yield f"tracking server {change.name} is {status}, and AWS will refuse the update. Apply again later."


def _no_longer_started(plan: TerraformPlan) -> Iterator[str]:
    """The servers that stay, and whose schedule to start them is deleted."""
    deleted = {change.name for change in plan.changes if change.type == SERVER and change.loses_it}
    for change in plan.changes:
        starts = _STARTS.fullmatch(str(change.before.get("description")))
        if change.type == "aws_scheduler_schedule" and change.action is Action.DELETE and starts:
            yield from {starts[1]} - deleted


def _precious(change: Change) -> str:
    """What a resource is whose contents cannot be recovered; empty for any other."""
    if change.type == app_stacks.STACK:
        held = sorted(_STACKED[kind] for kind in app_stacks.deleted_with(change.before) & _STACKED.keys())
        return f"stack (with {', '.join(held)})" if held else ""
    return PRECIOUS.get(change.type) or _CLOUD_CONTROL.get(change.type, "")


def _consequence(plan: TerraformPlan, change: Change) -> str:
    name = f"{APP if change.is_app else _precious(change)} {plan.name_of(change)}"
    if change.replaces_app:
        return f"replace or remove {name} through its stack's template"
    if change.loses_it:
        return f"{change.action.value} {name}"
    stores = f"{_store(change, change.before)} to {_store(change, change.after)}"
    return f"change the artifact store of {name} from {stores}"


def _store(change: Change, values: Mapping[str, Any]) -> str:
    """A server's or an App's artifact store before or after the change."""
    store = app_stacks.property_of(values, app_stacks.STORE) if change.is_app else values.get(_STORE)
    return str(store or "").rstrip("/")


def _app_warnings(plan: TerraformPlan, change: Change) -> Iterator[str]:
    name = plan.name_of(change)
    if change.replaces_app and "Update:Replace" in str(change.after.get("policy_body")):
        yield (
            f"the stack policy of {change.name} refuses to replace or remove {APP} {name}, so the apply will fail. "
            "Create another environment, and copy the runs with `.venv/bin/python scripts/transfer.py copy`."
        )
    if change.loses_it and app_stacks.stays(change.before):
        arn = app_stacks.arn_of(change.before) or "ARN"
        yield (
            f"{APP} {name} stays when its stack is deleted. To delete it with its runs, also run "
            f"`aws sagemaker delete-mlflow-app --arn {arn}`."
        )


def _server_warnings(change: Change) -> Iterator[str]:
    version = change.after.get("mlflow_version") or ""
    patch = _PATCH.fullmatch(version)
    if patch and change.action is not Action.NOTHING:
        yield (
            f'mlflow_version = "{version}": AWS stores "{patch[1]}", so every plan from now on replaces '
            f'{change.name} and loses its runs. Write mlflow_version = "{patch[1]}".'
        )
    switched_off = (
        change.before.get("automatic_model_registration") and change.after.get("automatic_model_registration") is False
    )
    if change.action is Action.UPDATE and switched_off:
        yield (
            "automatic_model_registration changes from true to false: the AWS provider never sends that, and every "
            "plan shows it again. Turn it off with `aws sagemaker update-mlflow-tracking-server "
            f"--tracking-server-name {change.name} --no-automatic-model-registration`."
        )
