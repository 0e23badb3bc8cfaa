"""The state of a tracking server or an MLflow App: describing, starting and stopping it, and the link to its UI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_common.errors import PlatformError, PreconditionError, is_not_found
from mlflow_common.waiting import Clock, Progress, wait_for

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import TrackingServer

# All states of a tracking server (SageMaker API, DescribeMlflowTrackingServer, TrackingServerStatus).
RUNNING = frozenset({"Created", "Started", "Updated", "MaintenanceComplete"})
STOPPED = frozenset({"Stopped"})
CHANGING = frozenset({"Creating", "Starting", "Stopping", "Updating", "Deleting", "MaintenanceInProgress"})
# In these states IsActive says whether the server answers.
FAILED = frozenset({"CreateFailed", "StartFailed", "StopFailed", "UpdateFailed", "DeleteFailed", "MaintenanceFailed"})
# Starting and stopping take minutes; creating takes up to 25.
_TIMEOUT = 45 * 60.0
_LINK_SECONDS = 300
APP = "MLflow App"
_APP_ANSWERS = frozenset({"Created", "Updated", "UpdateFailed", "DeleteFailed"})


@dataclass(frozen=True)
class ServerDescription:
    """A tracking server or an MLflow App as AWS describes it. An App has no size."""

    name: str
    status: str
    active: bool
    version: str
    size: str
    artifact_store: str
    kind: str = "tracking server"

    @property
    def running(self) -> bool:
        """Whether the server answers. It can still run after a failed update, stop or maintenance."""
        return self.status in RUNNING or (self.status in FAILED and self.active)


def find(sagemaker: SageMakerClient, name: str) -> ServerDescription | None:
    """Describe a tracking server by name; None if it does not exist."""
    try:
        found = sagemaker.describe_mlflow_tracking_server(TrackingServerName=name)
    except sagemaker.exceptions.ClientError as error:
        if not is_not_found(error):
            raise
        return None
    return ServerDescription(
        name=name,
        status=found["TrackingServerStatus"],
        active=found.get("IsActive") == "Active",
        version=found.get("MlflowVersion", ""),
        size=found.get("TrackingServerSize", ""),
        artifact_store=found.get("ArtifactStoreUri", ""),
    )


def find_app(sagemaker: SageMakerClient, arn: str) -> ServerDescription | None:
    """Describe an MLflow App by its ARN; None if it does not exist."""
    try:
        found = sagemaker.describe_mlflow_app(Arn=arn)
    except sagemaker.exceptions.ClientError as error:
        if not is_not_found(error):
            raise
        return None
    return ServerDescription(
        name=found.get("Name", arn),
        status=found.get("Status", ""),
        # AWS reports no activity of an App. One whose update or deletion failed still has its data and answers.
        active=found.get("Status") in _APP_ANSWERS,
        version=found.get("MlflowVersion", ""),
        size="",
        artifact_store=found.get("ArtifactStoreUri", ""),
        kind=APP,
    )


def look_up(sagemaker: SageMakerClient, server: TrackingServer) -> ServerDescription | None:
    """Describe an environment's tracking server or App; None if it does not exist."""
    return find_app(sagemaker, server.arn) if server.is_app else find(sagemaker, server.name)


def describe(sagemaker: SageMakerClient, server: TrackingServer) -> ServerDescription:
    """Describe an environment's tracking server or App.

    Raises:
        PreconditionError: it does not exist.
    """
    found = look_up(sagemaker, server)
    if found is None:
        kind = APP if server.is_app else "tracking server"
        raise PreconditionError(f"the {kind} {server.name} no longer exists. Run `{server.environment.apply_command}`.")
    return found


def require_running(sagemaker: SageMakerClient, server: TrackingServer) -> ServerDescription:
    """Describe a tracking server or an App that must answer requests.

    Raises:
        PreconditionError: it does not exist or does not run.
    """
    found = describe(sagemaker, server)
    if found.running:
        return found
    command, options = ".venv/bin/python scripts/server.py", server.environment.options
    if found.status in STOPPED:
        advice = f"Start it with `{command} start {options}`."
    elif found.status == "Starting":
        advice = f"Wait for it with `{command} start {options}`."
    elif found.status in CHANGING:
        advice = f"Try again later; `{command} status {options}` shows its state."
    else:
        advice = "See the SageMaker console for the reason."
    raise PreconditionError(f"the {found.kind} {found.name} is {found.status}. {advice}")


def start(
    sagemaker: SageMakerClient, server: TrackingServer, *, progress: Progress, clock: Clock
) -> tuple[ServerDescription, bool]:
    """Start a stopped server and wait until it runs. Returns its description, and whether anything had to be done.

    Raises:
        PreconditionError: its state does not allow that.
        PlatformError: it did not start.
    """
    found = _startable(sagemaker, server, "started")
    if found.running:
        return found, False
    if found.status in STOPPED | {"StartFailed"}:
        sagemaker.start_mlflow_tracking_server(TrackingServerName=found.name)
    elif found.status != "Starting":
        raise _not_now(found, "started")
    return _wait(sagemaker, server, {"Starting", found.status}, RUNNING, progress, clock), True


def stop(
    sagemaker: SageMakerClient, server: TrackingServer, *, progress: Progress, clock: Clock
) -> tuple[ServerDescription, bool]:
    """Stop a running server and wait until it is stopped. Returns its description, and whether anything had to be done.

    Raises:
        PreconditionError: its state does not allow that.
        PlatformError: it did not stop.
    """
    found = _startable(sagemaker, server, "stopped")
    if found.status in STOPPED:
        return found, False
    if found.running:
        sagemaker.stop_mlflow_tracking_server(TrackingServerName=found.name)
    elif found.status != "Stopping":
        raise _not_now(found, "stopped")
    return _wait(sagemaker, server, {"Stopping", found.status}, STOPPED, progress, clock), True


def ui_link(sagemaker: SageMakerClient, server: TrackingServer, fragment: str = "") -> str:
    """A link that opens the UI once, within five minutes, at a page such as `/experiments/1/runs/…`.

    Browsers keep the part after `#` when they follow the link's redirect.
    """
    if server.is_app:
        link = sagemaker.create_presigned_mlflow_app_url(Arn=server.arn, ExpiresInSeconds=_LINK_SECONDS)[
            "AuthorizedUrl"
        ]
    else:
        link = sagemaker.create_presigned_mlflow_tracking_server_url(
            TrackingServerName=server.name, ExpiresInSeconds=_LINK_SECONDS
        )["AuthorizedUrl"]
    return link + (f"#{fragment}" if fragment else "")


def _startable(sagemaker: SageMakerClient, server: TrackingServer, done: str) -> ServerDescription:
    if server.is_app:
        raise PreconditionError(
            f"{server.name} is an MLflow App, which cannot be {done}: it has no instance and costs nothing while "
            "it is idle."
        )
    return describe(sagemaker, server)


def _wait(
    sagemaker: SageMakerClient,
    server: TrackingServer,
    pending: set[str],
    expected: frozenset[str],
    progress: Progress,
    clock: Clock,
) -> ServerDescription:
    found = wait_for(
        lambda: describe(sagemaker, server),
        settled=lambda seen: seen.status in expected or seen.status not in pending,
        describe=lambda seen: f"tracking server {seen.name}: {seen.status}",
        progress=progress,
        clock=clock,
        timeout=_TIMEOUT,
    )
    if found.status not in expected:
        raise PlatformError(
            f"the tracking server {found.name} is now {found.status}. See the SageMaker console for the reason."
        )
    return found


def _not_now(found: ServerDescription, done: str) -> PreconditionError:
    return PreconditionError(
        f"the tracking server {found.name} is {found.status} and cannot be {done} in this state. Wait and try again."
    )
