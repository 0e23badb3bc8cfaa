"""The tracking server: its state, starting and stopping it, and the link to its UI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_common.errors import PlatformError, PreconditionError, error_code
from mlflow_common.waiting import Clock, Progress, wait_for

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

# The states of a tracking server (SageMaker API, DescribeMlflowTrackingServer).
RUNNING = {"Created", "Started", "Updated", "MaintenanceComplete"}
STOPPED = {"Stopped"}
BUSY = {"Creating", "Starting", "Stopping", "Updating", "Deleting", "MaintenanceInProgress"}
# Starting and stopping take minutes; creating, up to 25.
_TIMEOUT = 45 * 60.0
_LINK_SECONDS = 300


@dataclass(frozen=True)
class Server:
    """A tracking server as AWS describes it."""

    name: str
    status: str
    active: bool
    version: str
    size: str
    artifact_store: str

    @property
    def running(self) -> bool:
        """Whether it answers. One whose update, stop or maintenance failed may well go on running."""
        return self.status in RUNNING or (self.active and self.status not in BUSY)


def describe(sagemaker: SageMakerClient, environment: Environment) -> Server:
    """Look at the environment's tracking server.

    Raises:
        PreconditionError: it does not exist.
    """
    try:
        found = sagemaker.describe_mlflow_tracking_server(TrackingServerName=environment.server_name)
    except sagemaker.exceptions.ClientError as error:
        if error_code(error) not in {"ResourceNotFound", "ResourceNotFoundException"}:
            raise
        raise PreconditionError(
            f"the tracking server {environment.server_name} does not exist any more: run `{environment.apply_command}`"
        ) from None
    return Server(
        name=environment.server_name,
        status=found["TrackingServerStatus"],
        active=found.get("IsActive") == "Active",
        version=found.get("MlflowVersion", environment.mlflow_version),
        size=found.get("TrackingServerSize", ""),
        artifact_store=found.get("ArtifactStoreUri", environment.artifact_store),
    )


def require_running(sagemaker: SageMakerClient, environment: Environment) -> Server:
    """Look at the server and insist that it answers.

    Raises:
        PreconditionError: it does not exist, is stopped, or is on its way somewhere.
    """
    server = describe(sagemaker, environment)
    if server.running:
        return server
    command = "python scripts/server.py"
    if server.status in STOPPED:
        advice = f"start it with `{command} start {environment.options}`"
    elif server.status == "Starting":
        advice = f"wait for it with `{command} start {environment.options}`"
    elif server.status in BUSY:
        advice = f"wait a little; `{command} status {environment.options}` shows when it is done"
    else:
        advice = "see the SageMaker console for the reason"
    raise PreconditionError(f"the tracking server {server.name} is {server.status}: {advice}")


def start(
    sagemaker: SageMakerClient, environment: Environment, *, progress: Progress, clock: Clock
) -> tuple[Server, bool]:
    """Start a stopped server and wait until it answers. Returns it, and whether anything had to be done.

    Raises:
        PreconditionError: it is neither stopped, starting nor running.
        PlatformError: it did not come up.
    """
    server = describe(sagemaker, environment)
    if server.running:
        return server, False
    if server.status in STOPPED | {"StartFailed"}:
        sagemaker.start_mlflow_tracking_server(TrackingServerName=server.name)
    elif server.status != "Starting":
        raise _not_now(server, "started")
    return _settle(sagemaker, environment, {"Starting", "Stopped"}, RUNNING, progress, clock), True


def stop(
    sagemaker: SageMakerClient, environment: Environment, *, progress: Progress, clock: Clock
) -> tuple[Server, bool]:
    """Stop a running server and wait until it is. Returns it, and whether anything had to be done.

    Raises:
        PreconditionError: it is neither running, stopping nor stopped.
        PlatformError: it did not stop.
    """
    server = describe(sagemaker, environment)
    if server.status in STOPPED:
        return server, False
    if server.running:
        sagemaker.stop_mlflow_tracking_server(TrackingServerName=server.name)
    elif server.status != "Stopping":
        raise _not_now(server, "stopped")
    return _settle(sagemaker, environment, {"Stopping", server.status}, STOPPED, progress, clock), True


def ui_link(sagemaker: SageMakerClient, environment: Environment, fragment: str = "") -> str:
    """A link that opens the UI, once and within five minutes, at a place such as `/experiments/1/runs/…`.

    A browser carries the part after `#` over the redirect that the link answers with.
    """
    answer = sagemaker.create_presigned_mlflow_tracking_server_url(
        TrackingServerName=environment.server_name, ExpiresInSeconds=_LINK_SECONDS
    )
    return answer["AuthorizedUrl"] + (f"#{fragment}" if fragment else "")


def _settle(
    sagemaker: SageMakerClient,
    environment: Environment,
    pending: set[str],
    wanted: set[str],
    progress: Progress,
    clock: Clock,
) -> Server:
    server = wait_for(
        lambda: describe(sagemaker, environment),
        settled=lambda seen: seen.status in wanted or seen.status not in pending,
        say=lambda seen: f"tracking server {seen.name}: {seen.status}",
        progress=progress,
        clock=clock,
        timeout=_TIMEOUT,
    )
    if server.status not in wanted:
        raise PlatformError(
            f"the tracking server {server.name} ended up {server.status}: see the SageMaker console for the reason"
        )
    return server


def _not_now(server: Server, done: str) -> PreconditionError:
    return PreconditionError(
        f"the tracking server {server.name} is {server.status} and cannot be {done} now: wait and try again"
    )
