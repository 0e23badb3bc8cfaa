"""One tracking server: what it has in addition to every hosted MLflow."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from localaws.settings import Settings
from localaws.state.files import RESET, StateError
from localaws.tracking.hosted import HostedMlflow, loaded
from localaws.tracking.releases import RELEASES

# The status of a server whose process restarts after `up`. On AWS, it means that the server is in maintenance.
RESUMING = "MaintenanceInProgress"


@dataclass(kw_only=True)
class TrackingServer(HostedMlflow):
    """The state that DescribeMlflowTrackingServer returns."""

    title: ClassVar[str] = "Tracking Server"
    fault: ClassVar[str] = "TrackingServer"
    header: ClassVar[str] = "x-mlflow-sm-tracking-server-arn"
    signing_name: ClassVar[str] = "sagemaker-mlflow"
    workspaces: ClassVar[bool] = False

    size: str
    bucket_owner: str
    verifies_owner: bool

    @property
    def arn(self) -> str:
        """The server's ARN, which is also the tracking URI for clients."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:mlflow-tracking-server/{self.name}"

    @property
    def link_command(self) -> str:
        """The command that creates a presigned URL."""
        return f"aws sagemaker create-presigned-mlflow-tracking-server-url --tracking-server-name {self.name}"

    @property
    def verified_owner(self) -> str | None:
        """The account that must own the bucket; None allows any account."""
        return self.bucket_owner if self.verifies_owner else None

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
        own = {"size": self.size, "bucket_owner": self.bucket_owner, "verifies_owner": self.verifies_owner}
        return {**super().saved(), **own}

    @classmethod
    def load(cls, saved: dict[str, Any], settings: Settings) -> Self:
        """Create a server from the JSON of `saved`.

        Raises:
            StateError: the MLflow version is no longer supported.
        """
        release = RELEASES.get(saved["version"])
        if release is None:
            raise StateError(f"The saved tracking server {saved['name']} has MLflow {saved['version']}. {RESET}")
        return cls(**loaded(saved, settings, RESUMING), release=release)
