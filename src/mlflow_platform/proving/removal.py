"""Destroys the throw-away environment with Terraform, even after an apply that failed or was interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import wait_for
from mlflow_platform import outputs, tracking_server
from mlflow_platform.doctor.terraform_state import TerraformState, pull_state
from mlflow_platform.plan_guard import app_stacks
from mlflow_platform.plan_guard.changes import BUCKET, SERVER
from mlflow_platform.proving.leftovers import Leftover
from mlflow_platform.proving.target import Target
from mlflow_platform.proving.workspace import Workspace

DESTROY_MINUTES = 45
# A server is created in up to 25 minutes.
SETTLE_MINUTES = 30


def destroy(target: Target, terraform: outputs.Terraform = outputs.run_terraform) -> str:
    """Destroy everything in Terraform's state, with its contents.

    The names to confirm come from the state, because a failed apply has no outputs.

    Raises:
        PlatformError: Terraform did not destroy everything.
    """
    state = _state(target, terraform)
    for name in _servers(state):
        _wait_until_settled(target, name)
    target.terraform("destroy", minutes=DESTROY_MINUTES, confirm=names_to_confirm(state))
    return "Terraform destroyed everything"


def commands(
    target: Target, left: Sequence[Leftover], terraform: outputs.Terraform = outputs.run_terraform
) -> list[str]:
    """The commands that delete what is left, in their order; the last one deletes the folder."""
    try:
        names = ",".join(names_to_confirm(_state(target, terraform)))
    except PlatformError:
        names = "NAMES"
    local = " LOCAL=1" if target.local else ""
    confirm = f" CONFIRM={names}" if names else ""
    created = [each.command for each in left if each.command]
    return [
        # Without it, the AWS CLI sends the commands to AWS.
        *(['eval "$(make -s local-env)"'] if created and target.local else []),
        *created,
        f"make destroy ENV={target.environment}{confirm}{local}",
        f"rm -r {outputs.ROOTS / target.environment}" + (f" {target.root}" if target.local else ""),
    ]


def remove_folders(target: Target, workspace: Workspace) -> None:
    """Delete the environment's Terraform root with its state, and the copy of the root on localaws."""
    if target.local:
        shutil.rmtree(target.root, ignore_errors=True)
    workspace.remove()


def names_to_confirm(state: TerraformState) -> list[str]:
    """The names of the tracking servers, Apps and buckets in a state: the plan guard asks for them."""
    apps = [
        app_stacks.name_of(resource.values)
        for resource in state.resources
        if app_stacks.holds_app(resource.type, resource.values)
    ]
    buckets = [str(bucket["bucket"]) for bucket in state.of_type(BUCKET) if bucket["bucket"]]
    return list(dict.fromkeys([*_servers(state), *apps, *buckets]))


def _servers(state: TerraformState) -> list[str]:
    return [str(server["tracking_server_name"]) for server in state.of_type(SERVER) if server["tracking_server_name"]]


def _state(target: Target, terraform: outputs.Terraform) -> TerraformState:
    return pull_state(target.root, terraform) or TerraformState()


def _wait_until_settled(target: Target, name: str) -> None:
    """Wait until a server can be deleted: AWS refuses that while it is being created or changed."""
    sagemaker = target.client("sagemaker")
    try:
        wait_for(
            lambda: tracking_server.find(sagemaker, name),
            settled=lambda seen: seen is None or seen.status not in tracking_server.CHANGING,
            describe=lambda seen: f"tracking server {name}: {seen.status if seen else 'deleted'}",
            progress=target.progress,
            clock=target.clock,
            timeout=SETTLE_MINUTES * 60.0,
        )
    except PlatformError as error:
        # Terraform can still destroy the rest.
        target.progress(error.message)
