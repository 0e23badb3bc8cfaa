"""One tracking server: its configuration, status and process."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from localaws.credentials import Credentials
from localaws.processes import Child
from localaws.settings import Settings
from localaws.state.files import RESET, StateError
from localaws.tracking.releases import RELEASES, Release

# Statuses in which the process accepts requests.
SERVING = frozenset({"Created", "Started", "Updated", "UpdateFailed", "StopFailed", "DeleteFailed"})
# Statuses of a transition in progress. No other transition may start.
BUSY = frozenset({"Creating", "Updating", "Deleting", "Stopping", "Starting", "MaintenanceInProgress"})


UI_PREFIX = "/_ui/"
# The status of a server whose process restarts after `up`. On AWS, it means that the server is in maintenance.
RESUMING = "MaintenanceInProgress"
# The status after localaws was stopped during a transition. The process no longer runs.
INTERRUPTED = {
    "Creating": "CreateFailed",
    "Starting": "StartFailed",
    "Stopping": "Stopped",
    "Updating": "UpdateFailed",
}


@dataclass
class TrackingServer:
    """The state that DescribeMlflowTrackingServer returns, and localaws's own data.

    Attributes:
        host: identifies the server in the URL of its UI, like the first label of the host name on AWS.
        folder: contains the server's database. A stop keeps it and a deletion removes it.
        credentials: credentials of the server's role. The current process and localaws sign requests with them.
        reason: why the last transition failed. AWS's API does not return it; localaws's health does.
        resumes_as: the status after the process has been restarted by `up`; empty if it is not restarted.
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
        """The server's ARN, which is also the tracking URI for clients."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:mlflow-tracking-server/{self.name}"

    @property
    def serving(self) -> bool:
        """Whether the process accepts requests."""
        return self.status in SERVING and self.child is not None

    @property
    def upstream(self) -> str:
        """The URL on which the process listens."""
        return f"http://127.0.0.1:{self.port}"

    def summary(self) -> dict[str, Any]:
        """Return the TrackingServerSummary."""
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
        """Return the DescribeMlflowTrackingServerResponse."""
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
        """Return the server as JSON for `load`. A transition in progress is marked as interrupted."""
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
        """Create a server from the JSON of `saved`. The home folder and the port of localaws may have changed.

        Raises:
            StateError: the MLflow version is no longer supported.
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
    """Return the URL of a server's UI."""
    return f"{settings.url}{UI_PREFIX}{host}"


def server_folder(settings: Settings, host: str) -> Path:
    """Return the folder of a server's database."""
    return settings.data / "tracking" / host
