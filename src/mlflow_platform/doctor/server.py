"""Checks of the tracking server: its state, its settings, its API and the link to its UI."""

from __future__ import annotations

import logging
import os
from typing import Any

from mlflow_platform import tracking, tracking_server
from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.finding import Verdict, failed, passed, skipped, warned
from mlflow_platform.plan_guard import app_stacks

# A server that does not answer must not hold up the other findings.
_IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "8"}
_TYPE = "aws_sagemaker_mlflow_tracking_server"


def state(context: Context) -> Verdict:
    """The active tracking server runs."""
    server = context.environment.server
    found = tracking_server.look_up(context.client("sagemaker"), server)
    if found is None:
        kind = tracking_server.APP if server.is_app else "tracking server"
        return failed(f"The {kind} {server.name} does not exist.", context.apply)
    shown = f"{found.name} is {found.status} (MLflow {found.version}, {found.size or found.kind})"
    if found.running and found.status not in tracking_server.FAILED:
        return passed(shown)
    command = f"`.venv/bin/python scripts/server.py start {server.environment.options}`"
    if found.status in tracking_server.STOPPED:
        return failed(f"{shown}. Nothing can be logged.", f"Start it with {command}.")
    if found.status in tracking_server.CHANGING:
        look = f"`.venv/bin/python scripts/server.py status {server.environment.options}`"
        return warned(f"{shown}.", f"Wait; {look} shows it.")
    if server.is_app:
        return failed(f"{shown}.", "See the reason in the SageMaker console. An MLflow App cannot be restarted.")
    return failed(f"{shown}.", f"See the reason in the SageMaker console, then try {command}.")


def settings(context: Context) -> Verdict:
    """Every server or App has the version, size, role, artifact store and registration that Terraform set."""
    sagemaker = context.client("sagemaker")
    differences = _app_differences(context)
    for resource in context.deployed.of_type(_TYPE):
        name = resource["tracking_server_name"]
        if tracking_server.find(sagemaker, name) is None:
            differences.append(f"{name} does not exist")
            continue
        seen: dict[str, Any] = dict(sagemaker.describe_mlflow_tracking_server(TrackingServerName=name))
        for attribute, member in (
            ("mlflow_version", "MlflowVersion"),
            ("tracking_server_size", "TrackingServerSize"),
            ("role_arn", "RoleArn"),
            ("artifact_store_uri", "ArtifactStoreUri"),
            ("automatic_model_registration", "AutomaticModelRegistration"),
        ):
            wanted, got = resource[attribute], seen.get(member)
            # AWS answers with major.minor or with a patch version.
            same = f"{got}.".startswith(f"{wanted}.") if attribute == "mlflow_version" else got == wanted
            if not same:
                differences.append(f"{name}: {member} is {got}, Terraform set {wanted}")
    if differences:
        # The provider never sends a change of the registration from true to false.
        return failed("; ".join(differences) + ".", context.apply)
    return passed("as Terraform set them")


def _app_differences(context: Context) -> list[str]:
    """Where an MLflow App differs from the template of its stack. AWS chooses the version, and an App has no size."""
    server = context.environment.server
    stacks = [one.values for one in context.deployed.of_type(app_stacks.STACK)]
    values = next((one for one in stacks if app_stacks.arn_of(one) == server.arn), None)
    if values is None:
        return []
    seen = dict(context.client("sagemaker").describe_mlflow_app(Arn=server.arn))
    members = ("Name", "RoleArn", app_stacks.STORE, "ModelRegistrationMode")
    wanted = {member: app_stacks.property_of(values, member) for member in members}
    return [
        f"{server.name}: {member} is {seen.get(member)}, Terraform set {value}"
        for member, value in wanted.items()
        if value is not None and seen.get(member) != value
    ]


def api(context: Context) -> Verdict:
    """The tracking server answers an MLflow client through the plugin."""
    server = context.environment.server
    found = tracking_server.look_up(context.client("sagemaker"), server)
    if found is None or not found.running:
        return skipped("The tracking server does not run.")
    os.environ.update(_IMPATIENT)
    tracking.prepare(os.environ)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    client = tracking.connect(server, context.session, ["experiments"])
    experiments = client.search_experiments(max_results=1)
    return passed(f"answers ({'has' if experiments else 'no'} experiments)")


def ui_link(context: Context) -> Verdict:
    """A presigned link to the UI can be created."""
    server = context.environment.server
    found = tracking_server.look_up(context.client("sagemaker"), server)
    if found is None or not found.running:
        return skipped("The tracking server does not run.")
    tracking_server.ui_link(context.client("sagemaker"), server)
    return passed("a presigned link can be created")
