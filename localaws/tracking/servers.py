"""All tracking servers of the account, and the transitions between their statuses."""

import logging
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.faults import Faults
from localaws.iam.trust import sagemaker_source
from localaws.principals import Principals, random_id
from localaws.processes import Child
from localaws.settings import Settings
from localaws.tracking.artifact_store import check_bucket
from localaws.tracking.launch import Launcher, StartError
from localaws.tracking.releases import DEFAULT, RELEASES, release_of
from localaws.tracking.role import SAGEMAKER
from localaws.tracking.server import BUSY, RESUMING, SERVING, TrackingServer, server_folder, server_url
from localaws.venvs import BuildError

log = logging.getLogger(__name__)
STARTABLE = frozenset({"Stopped", "StartFailed"})
Work = Callable[[TrackingServer], None]
UPDATABLE = {
    "ArtifactStoreUri": "artifact_store",
    "TrackingServerSize": "size",
    "AutomaticModelRegistration": "registers_models",
    "WeeklyMaintenanceWindowStart": "window",
    "S3BucketOwnerAccountId": "bucket_owner",
    "S3BucketOwnerVerification": "verifies_owner",
}


class TrackingServers:
    """Creates, updates and deletes tracking servers. As on AWS, calls return before the work is done."""

    def __init__(self, settings: Settings, principals: Principals, launcher: Launcher, faults: Faults) -> None:
        self._settings = settings
        self._principals = principals
        self._launcher = launcher
        self._faults = faults
        self._servers: dict[str, TrackingServer] = {}
        self._lock = threading.RLock()

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
            url=server_url(self._settings, host),
            folder=server_folder(self._settings, host),
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
        with self._lock:
            if server.arn in self._servers:
                raise AwsError("ResourceInUse", f"Tracking Server with ARN {server.arn} already exists.")
            self._servers[server.arn] = server
            self._transition(server, "Creating", "Created", "CreateFailed", "Start", self._start)
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

    def by_arn(self, arn: str) -> TrackingServer | None:
        """Return the server with an ARN, if any."""
        return self._servers.get(arn)

    def by_host(self, label: str) -> TrackingServer | None:
        """Return the server that a UI URL identifies, if any."""
        return next((server for server in self.all() if server.host == label), None)

    def all(self) -> list[TrackingServer]:
        """Return the servers of all regions."""
        return list(self._servers.values())

    def saved(self) -> list[dict[str, Any]]:
        """Return all servers as JSON for `load`."""
        return [server.saved() for server in self.all() if server.status != "Deleting"]

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Load the servers of a saved state, without starting their processes; see `resume`."""
        for one in saved:
            server = TrackingServer.load(one, self._settings)
            self._servers[server.arn] = server

    def resume(self) -> None:
        """Start the processes of the servers that were running when the state was saved."""
        for server in self.all():
            if server.resumes_as:
                with self._lock:
                    self._transition(server, RESUMING, server.resumes_as, "StartFailed", "Resume", self._start)

    def start(self, server: TrackingServer) -> None:
        """StartMlflowTrackingServer.

        Raises:
            AwsError: ValidationException, because the server is not stopped.
        """
        with self._lock:
            if server.status not in STARTABLE:
                raise _refused(server, "started")
            self._transition(server, "Starting", "Started", "StartFailed", "Start", self._start)

    def stop(self, server: TrackingServer) -> None:
        """StopMlflowTrackingServer: stops the process and keeps the data.

        Raises:
            AwsError: ValidationException, because the server is not running.
        """
        with self._lock:
            if not server.serving:
                raise _refused(server, "stopped")
            self._transition(server, "Stopping", "Stopped", "StopFailed", "Stop", self._launcher.stop)

    def delete(self, server: TrackingServer) -> None:
        """DeleteMlflowTrackingServer: stops the process and deletes its database. Artifacts stay in the bucket.

        Raises:
            AwsError: ValidationException, because another transition is in progress.
        """
        with self._lock:
            if server.status in BUSY:
                # The wording of https://github.com/aws/amazon-sagemaker-feedback/issues/104
                raise AwsError(
                    "ValidationException",
                    f"Tracking Server is in un-deletable state ({_upper(server.status)}), so it cannot be deleted.",
                )
            self._transition(server, "Deleting", "", "DeleteFailed", "Delete", self._remove)

    def update(self, server: TrackingServer, given: dict[str, Any]) -> None:
        """UpdateMlflowTrackingServer. Only a new artifact store requires a restart of the process.

        An update without changes does not change the status. Source, AWS's resource handler:
        https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-sagemaker (UpdateHandler.java)

        Raises:
            AwsError: ValidationException, because the server is not running.
        """
        with self._lock:
            if not server.serving:
                raise _refused(server, "updated")
            changes = {
                attribute: given[name]
                for name, attribute in UPDATABLE.items()
                if name in given and given[name] != getattr(server, attribute)
            }
            if changes:
                work = partial(self._apply, changes=changes)
                self._transition(server, "Updating", "Updated", "UpdateFailed", "Update", work)

    def _transition(self, server: TrackingServer, status: str, done: str, failed: str, verb: str, work: Work) -> None:
        server.status, server.reason, server.modified = status, "", datetime.now(UTC)
        threading.Thread(target=self._run, args=(server, done, failed, verb, work), daemon=True).start()

    def _run(self, server: TrackingServer, done: str, failed: str, verb: str, work: Work) -> None:
        try:
            self._strike(f"{verb}TrackingServer", server)
            work(server)
        except (AwsError, BuildError, StartError, OSError) as error:
            log.error("Tracking server %s: %s: %s", server.name, failed, error)
            server.reason, server.status = str(error), failed
        else:
            log.info("Tracking server %s: %s", server.name, done or "Deleted")
            server.status = done
        server.resumes_as = ""
        server.modified = datetime.now(UTC)

    def _strike(self, operation: str, server: TrackingServer) -> None:
        """Apply faults such as `localaws:StartTrackingServer`, which affect the work in the background."""
        call = Call("", "", "", "", {}, None, service="localaws", operation=operation, resource=server.name)
        fault = self._faults.take(call)
        if fault is None:
            return
        time.sleep(fault.delay)
        if fault.error:
            raise AwsError(fault.error, fault.message)

    def _start(self, server: TrackingServer) -> None:
        _check_bucket(server)
        child = self._launcher.start(server)
        threading.Thread(target=self._watch, args=(server, child), daemon=True).start()

    def _remove(self, server: TrackingServer) -> None:
        self._launcher.stop(server)
        shutil.rmtree(server.folder, ignore_errors=True)
        del self._servers[server.arn]

    def _apply(self, server: TrackingServer, changes: dict[str, Any]) -> None:
        changed = replace(server, **changes)
        if changed.artifact_store != server.artifact_store:
            _check_bucket(changed)
        for attribute, value in changes.items():
            setattr(server, attribute, value)
        if "artifact_store" in changes:
            self._launcher.stop(server)
            self._start(server)

    def _watch(self, server: TrackingServer, child: Child) -> None:
        """Set StartFailed when the process exits unexpectedly, so that the server can be restarted."""
        child.process.wait()
        with self._lock:
            if server.child is child and server.status in SERVING:
                server.status, server.reason = "StartFailed", f"its process exited unexpectedly; see {child.log}"
                log.error("Tracking server %s: %s", server.name, server.reason)


def _check_bucket(server: TrackingServer) -> None:
    check_bucket(server.artifact_store, server.region, server.bucket_owner if server.verifies_owner else None)


def _refused(server: TrackingServer, verb: str) -> AwsError:
    # The wording of https://github.com/aws/amazon-sagemaker-feedback/issues/104
    message = f"Tracking Server with ARN {server.arn} is currently in status {_upper(server.status)}, can't be {verb}."
    return AwsError("ValidationException", message)


def _upper(status: str) -> str:
    """Return a status as AWS's messages write it: CREATE_FAILED for `CreateFailed`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()
