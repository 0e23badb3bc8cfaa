"""One tracking server: what was asked for, the state it is in, the process behind it."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from localaws.credentials import Credentials
from localaws.processes import Child
from localaws.tracking.releases import Release

# States in which the process is there to be asked. The others are on the way to it, or away from it.
SERVING = frozenset({"Created", "Started", "Updated", "UpdateFailed", "StopFailed", "DeleteFailed"})
# States in which the service is at work, so that nothing else may begin.
BUSY = frozenset({"Creating", "Updating", "Deleting", "Stopping", "Starting", "MaintenanceInProgress"})


@dataclass
class TrackingServer:
    """The state that DescribeMlflowTrackingServer shows, and what localaws needs beside it.

    Attributes:
        host: the first label of the UI's host name.
        folder: holds the server's database; it outlives a stop and goes at a delete.
        credentials: those of its role, which its present process and what goes on beside it sign with.
        reason: why the last transition failed; AWS's API has no member for it, localaws's health shows it.
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
