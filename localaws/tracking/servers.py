"""All tracking servers of the account, and AWS's rules for the transitions between their statuses."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from localaws.errors import AwsError
from localaws.front.faults import Faults
from localaws.iam.trust import sagemaker_source
from localaws.principals import Principals, random_id
from localaws.settings import Settings
from localaws.tracking.collection import Collection
from localaws.tracking.hosted import database_folder, ui_url
from localaws.tracking.launch import Launcher
from localaws.tracking.releases import DEFAULT, RELEASES, release_of
from localaws.tracking.role import SAGEMAKER
from localaws.tracking.server import RESUMING, TrackingServer
from localaws.tracking.transitions import Transitions, check_store, refused

STARTABLE = frozenset({"Stopped", "StartFailed"})
UPDATABLE = {
    "ArtifactStoreUri": "artifact_store",
    "TrackingServerSize": "size",
    "AutomaticModelRegistration": "registers_models",
    "WeeklyMaintenanceWindowStart": "window",
    "S3BucketOwnerAccountId": "bucket_owner",
    "S3BucketOwnerVerification": "verifies_owner",
}


class TrackingServers(Collection[TrackingServer]):
    """Creates, updates and deletes tracking servers. As on AWS, calls return before the work is done."""

    def __init__(self, settings: Settings, principals: Principals, launcher: Launcher, faults: Faults) -> None:
        super().__init__(Transitions(launcher, faults, _exited))
        self._settings = settings
        self._principals = principals

    def create(self, region: str, given: dict[str, Any]) -> TrackingServer:
        """CreateMlflowTrackingServer.

        Raises:
            AwsError: ResourceInUse, or ValidationException for a version that is not supported or a role that
                SageMaker cannot assume.
        """
        wanted = given.get("MlflowVersion") or DEFAULT
        release = release_of(wanted)
        if release is None:
            offered = ", ".join(RELEASES)
            raise AwsError("ValidationException", f"MLflow version {wanted} is not supported. Supported: {offered}.")
        self._principals.check_trust(given["RoleArn"], SAGEMAKER, sagemaker_source(region, self._settings.account))
        now, host = datetime.now(UTC), f"t-{random_id()}"
        server = TrackingServer(
            name=given["TrackingServerName"],
            region=region,
            account=self._settings.account,
            host=host,
            url=ui_url(self._settings, host),
            folder=database_folder(self._settings, host),
            release=release,
            artifact_store=given["ArtifactStoreUri"],
            size=given.get("TrackingServerSize") or "Small",
            role_arn=given["RoleArn"],
            registers_models=bool(given.get("AutomaticModelRegistration")),
            window=given.get("WeeklyMaintenanceWindowStart"),
            bucket_owner=given.get("S3BucketOwnerAccountId") or self._settings.account,
            verifies_owner=given.get("S3BucketOwnerVerification") is not False,
            created=now,
            modified=now,
            tags=list(given.get("Tags") or []),
        )
        with self._transitions.lock:
            if server.arn in self._by_arn:
                raise AwsError("ResourceInUse", f"Tracking Server with ARN {server.arn} already exists.")
            self._by_arn[server.arn] = server
            self._transitions.begin(server, "Creating", "Created", "CreateFailed", "Start", self._transitions.start)
        return server

    def get(self, region: str, name: str) -> TrackingServer:
        """Return the server with a name.

        Raises:
            AwsError: ResourceNotFound.
        """
        arn = f"arn:aws:sagemaker:{region}:{self._settings.account}:mlflow-tracking-server/{name}"
        server = self.by_arn(arn)
        if server is None:
            raise AwsError("ResourceNotFound", f"Tracking Server with ARN {arn} does not exist.")
        return server

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Load the servers of a saved state, without starting their processes; see `resume`."""
        for one in saved:
            server = TrackingServer.load(one, self._settings)
            self._by_arn[server.arn] = server

    def resume(self) -> None:
        """Start the processes of the servers that were running when the state was saved."""
        for server in self.all():
            if server.resumes_as:
                with self._transitions.lock:
                    self._transitions.begin(
                        server, RESUMING, server.resumes_as, "StartFailed", "Resume", self._transitions.start
                    )

    def start(self, server: TrackingServer) -> None:
        """StartMlflowTrackingServer.

        Raises:
            AwsError: ValidationException, because the server is not stopped.
        """
        with self._transitions.lock:
            if server.status not in STARTABLE:
                raise refused(server, "started")
            self._transitions.begin(server, "Starting", "Started", "StartFailed", "Start", self._transitions.start)

    def stop(self, server: TrackingServer) -> None:
        """StopMlflowTrackingServer: stops the process and keeps the data.

        Raises:
            AwsError: ValidationException, because the server is not running.
        """
        with self._transitions.lock:
            if not server.serving:
                raise refused(server, "stopped")
            self._transitions.begin(server, "Stopping", "Stopped", "StopFailed", "Stop", self._transitions.stop)

    def update(self, server: TrackingServer, given: dict[str, Any]) -> None:
        """UpdateMlflowTrackingServer. Only a new artifact store requires a restart of the process.

        An update without changes does not change the status. Source, AWS's resource handler:
        https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-sagemaker (UpdateHandler.java)

        Raises:
            AwsError: ValidationException, because the server is not running.
        """
        with self._transitions.lock:
            if not server.serving:
                raise refused(server, "updated")
            changes = {
                attribute: given[name]
                for name, attribute in UPDATABLE.items()
                if name in given and given[name] != getattr(server, attribute)
            }
            if changes:
                work = partial(self._apply, changes=changes)
                self._transitions.begin(server, "Updating", "Updated", "UpdateFailed", "Update", work)

    def _apply(self, server: TrackingServer, changes: dict[str, Any]) -> None:
        if "artifact_store" in changes:
            check_store(replace(server, **changes))
        self._transitions.apply(server, changes)


def _exited(server: TrackingServer) -> None:
    """Set StartFailed, so that the server can be restarted."""
    log = server.child.log if server.child else ""
    server.status, server.reason = "StartFailed", f"its process exited unexpectedly; see {log}"
