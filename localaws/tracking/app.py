"""One MLflow App, the serverless kind of MLflow that SageMaker offers: no size, no stop, no choice of a version."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from localaws.settings import Settings
from localaws.state.files import RESET, StateError
from localaws.tracking.hosted import HostedMlflow, loaded
from localaws.tracking.releases import APP_RELEASE

REGISTERS = {True: "AutoModelRegistrationEnabled", False: "AutoModelRegistrationDisabled"}
RESUMING = "Updating"


@dataclass(kw_only=True)
class MlflowApp(HostedMlflow):
    """The state that DescribeMlflowApp returns.

    The header and the signing name are those of sagemaker-mlflow 0.5.0, whose integration tests expect workspaces:
    https://github.com/aws/sagemaker-mlflow (test/integration/tests/test_workspace.py)

    Attributes:
        id: the last part of the ARN, which AWS assigns. The name is not part of the ARN.
        key: the customer key of the metadata, as given.
        account_default: whether Studio uses this App where a domain has no App of its own.
        domains: the domains whose default this App is.
    """

    title: ClassVar[str] = "MLflow App"
    fault: ClassVar[str] = "MlflowApp"
    header: ClassVar[str] = "x-sm-mlflow-app-arn"
    signing_name: ClassVar[str] = "sagemaker"
    workspaces: ClassVar[bool] = True

    id: str
    key: str | None = None
    account_default: bool = False
    domains: list[str] = field(default_factory=list)

    @property
    def arn(self) -> str:
        """The App's ARN, which is also the tracking URI for clients."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:mlflow-app/{self.id}"

    @property
    def link_command(self) -> str:
        """The command that creates a presigned URL."""
        return f"aws sagemaker create-presigned-mlflow-app-url --arn {self.arn}"

    def summary(self) -> dict[str, Any]:
        """Return the MlflowAppSummary."""
        return {
            "Arn": self.arn,
            "Name": self.name,
            "Status": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "MlflowVersion": self.release.mlflow,
        }

    def description(self) -> dict[str, Any]:
        """Return the DescribeMlflowAppResponse. There is no URL in it: presigned links are the only way to the UI."""
        return {
            **self.summary(),
            "ArtifactStoreUri": self.artifact_store,
            "RoleArn": self.role_arn,
            "KmsKeyId": self.key,
            "ModelRegistrationMode": REGISTERS[self.registers_models],
            "AccountDefaultStatus": "ENABLED" if self.account_default else "DISABLED",
            "DefaultDomainIdList": self.domains,
            "WeeklyMaintenanceWindowStart": self.window,
            "CreatedBy": {},
            "LastModifiedBy": {},
        }

    def saved(self) -> dict[str, Any]:
        """Return the App as JSON for `load`. A transition in progress is marked as interrupted."""
        own = {"id": self.id, "key": self.key, "account_default": self.account_default, "domains": self.domains}
        return {**super().saved(), **own}

    @classmethod
    def load(cls, saved: dict[str, Any], settings: Settings) -> Self:
        """Create an App from the JSON of `saved`.

        Raises:
            StateError: another MLflow version made its database.
        """
        if saved["version"] != APP_RELEASE.version:
            raise StateError(f"The saved MLflow App {saved['name']} has MLflow {saved['version']}. {RESET}")
        return cls(**loaded(saved, settings, RESUMING), release=APP_RELEASE)
