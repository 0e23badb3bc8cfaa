"""One tracking server: what was asked for, the state it is in, the process behind it."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from localaws.credentials import Credentials
from localaws.processes import Child
from localaws.settings import Settings
from localaws.state.files import RESET, StateError
from localaws.tracking.releases import RELEASES, Release

# States in which the process is there to be asked. The others are on the way to it, or away from it.
SERVING = frozenset({"Created", "Started", "Updated", "UpdateFailed", "StopFailed", "DeleteFailed"})
# States in which the service is at work, so that nothing else may begin.
BUSY = frozenset({"Creating", "Updating", "Deleting", "Stopping", "Starting", "MaintenanceInProgress"})


UI_PREFIX = "/_ui/"
# The state of a server whose process starts again after `up`. AWS shows it when it maintains a server.
RESUMING = "MaintenanceInProgress"
# What a transition that was under way when localaws stopped has become: its process has ended.
INTERRUPTED = {
    "Creating": "CreateFailed",
    "Starting": "StartFailed",
    "Stopping": "Stopped",
    "Updating": "UpdateFailed",
}


@dataclass
class TrackingServer:
    """The state that DescribeMlflowTrackingServer shows, and what localaws needs beside it.

    Attributes:
        host: names the server in the UI's address, as the first label of the host name does on AWS.
        folder: holds the server's database; it outlives a stop and goes at a delete.
        credentials: those of its role, which its present process and what goes on beside it sign with.
        reason: why the last transition failed; AWS's API has no member for it, localaws's health shows it.
        resumes_as: the status to return to, for a server whose process is to be started after `up`.
    """

    name: str
    region: str
    account: str
    host: str
    url: str
    folder: Path
    release: Release
    artifact_store: str
    size: str
    role_arn: str
    registers_models: bool
    window: str | None
    bucket_owner: str
    verifies_owner: bool
    created: datetime
    modified: datetime
    tags: list[dict[str, str]] = field(default_factory=list)
    status: str = "Creating"
    reason: str = ""
    resumes_as: str = ""
    child: Child | None = None
    port: int = 0
    credentials: Credentials = field(default=Credentials("", ""), repr=False)

    @property
    def arn(self) -> str:
        """The tracking URI that clients are given."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:mlflow-tracking-server/{self.name}"

    @property
    def serving(self) -> bool:
        """Whether requests may go to the process."""
        return self.status in SERVING and self.child is not None

    @property
    def upstream(self) -> str:
        """Where the process listens."""
        return f"http://127.0.0.1:{self.port}"

    def summary(self) -> dict[str, Any]:
        """TrackingServerSummary."""
        return {
            "TrackingServerArn": self.arn,
            "TrackingServerName": self.name,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "TrackingServerStatus": self.status,
            "IsActive": "Active" if self.serving else "Inactive",
            "MlflowVersion": self.release.version,
        }

    def description(self) -> dict[str, Any]:
        """DescribeMlflowTrackingServerResponse."""
        return {
            **self.summary(),
            "ArtifactStoreUri": self.artifact_store,
            "TrackingServerSize": self.size,
            "RoleArn": self.role_arn,
            "TrackingServerUrl": self.url,
            "WeeklyMaintenanceWindowStart": self.window,
            "AutomaticModelRegistration": self.registers_models,
            "S3BucketOwnerAccountId": self.bucket_owner,
            "S3BucketOwnerVerification": self.verifies_owner,
            "CreatedBy": {},
            "LastModifiedBy": {},
        }

    def saved(self) -> dict[str, Any]:
        """The server as JSON; `load` reads it. A transition that is under way counts as interrupted."""
        status = INTERRUPTED.get(self.status, self.status)
        return {
            "name": self.name,
            "region": self.region,
            "host": self.host,
            "version": self.release.version,
            "artifact_store": self.artifact_store,
            "size": self.size,
            "role_arn": self.role_arn,
            "registers_models": self.registers_models,
            "window": self.window,
            "bucket_owner": self.bucket_owner,
            "verifies_owner": self.verifies_owner,
            "created": self.created.isoformat(),
            "modified": self.modified.isoformat(),
            "tags": self.tags,
            "status": status,
            "reason": "localaws was stopped" if status != self.status else self.reason,
            "resumes_as": self._resumes_as(),
        }

    def _resumes_as(self) -> str:
        if self.resumes_as:
            return self.resumes_as
        if self.status == "Updating":
            return INTERRUPTED[self.status]
        return self.status if self.serving else ""

    @classmethod
    def load(cls, saved: dict[str, Any], settings: Settings) -> Self:
        """A server from `saved`'s JSON, for a localaws that may have another home and port.

        Raises:
            StateError: the MLflow version is not offered any more.
        """
        release = RELEASES.get(saved["version"])
        if release is None:
            raise StateError(f"The saved tracking server {saved['name']} has MLflow {saved['version']}. {RESET}")
        given = {key: value for key, value in saved.items() if key != "version"}
        for moment in ("created", "modified"):
            given[moment] = datetime.fromisoformat(given[moment])
        if given["resumes_as"]:
            given["status"] = RESUMING
        return cls(
            **given,
            account=settings.account,
            url=server_url(settings, saved["host"]),
            folder=server_folder(settings, saved["host"]),
            release=release,
        )


def server_url(settings: Settings, host: str) -> str:
    """The address of a server's UI."""
    return f"{settings.url}{UI_PREFIX}{host}"


def server_folder(settings: Settings, host: str) -> Path:
    """Where a server's database is."""
    return settings.data / "tracking" / host
