"""What tracking servers and MLflow Apps have in common: an MLflow process with a database, a role and a bucket."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from localaws.credentials import Credentials
from localaws.processes import Child
from localaws.settings import Settings
from localaws.tracking.releases import Release

# Statuses in which the process accepts requests.
SERVING = frozenset({"Created", "Started", "Updated", "UpdateFailed", "StopFailed", "DeleteFailed"})
# Statuses of a transition in progress. No other transition may start.
BUSY = frozenset({"Creating", "Updating", "Deleting", "Stopping", "Starting", "MaintenanceInProgress"})

UI_PREFIX = "/_ui/"
# The status after localaws was stopped during a transition. The process no longer runs.
INTERRUPTED = {
    "Creating": "CreateFailed",
    "Starting": "StartFailed",
    "Stopping": "Stopped",
    "Updating": "UpdateFailed",
}


@dataclass(kw_only=True)
class HostedMlflow:
    """The state of a tracking server or an App, and localaws's own data.

    Attributes:
        host: identifies it in the URL of its UI, like the first label of the host name on AWS.
        folder: contains its database. A stop keeps it and a deletion removes it.
        credentials: credentials of its role. The current process and localaws sign requests with them.
        reason: why the last transition failed. AWS's API does not return it; localaws's health does.
        resumes_as: the status after the process has been restarted by `up`; empty if it is not restarted.
    """

    # What AWS's messages call it, and its name in faults such as `localaws:StartTrackingServer`.
    title: ClassVar[str]
    fault: ClassVar[str]
    # The header of a tracking call that names it, and the service that signs such a call.
    header: ClassVar[str]
    signing_name: ClassVar[str]
    # Whether its MLflow has workspaces.
    workspaces: ClassVar[bool]

    name: str
    region: str
    account: str
    host: str
    url: str
    folder: Path
    release: Release
    artifact_store: str
    role_arn: str
    registers_models: bool
    window: str | None
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
        """The ARN, which is also the tracking URI for clients."""
        raise NotImplementedError

    @property
    def link_command(self) -> str:
        """The command that creates a presigned URL."""
        raise NotImplementedError

    @property
    def verified_owner(self) -> str | None:
        """The account that must own the bucket; None allows any account."""
        return None

    @property
    def serving(self) -> bool:
        """Whether the process accepts requests."""
        return self.status in SERVING and self.child is not None

    @property
    def upstream(self) -> str:
        """The URL on which the process listens."""
        return f"http://127.0.0.1:{self.port}"

    def saved(self) -> dict[str, Any]:
        """Return it as JSON for `loaded`. A transition in progress is marked as interrupted."""
        status = INTERRUPTED.get(self.status, self.status)
        return {
            "name": self.name,
            "region": self.region,
            "host": self.host,
            "version": self.release.version,
            "artifact_store": self.artifact_store,
            "role_arn": self.role_arn,
            "registers_models": self.registers_models,
            "window": self.window,
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


def loaded(saved: dict[str, Any], settings: Settings, resuming: str) -> dict[str, Any]:
    """Return the constructor's arguments from the JSON of `saved`, but for the release.

    The home folder and the port of localaws may have changed.

    Args:
        saved: the JSON.
        settings: those of this localaws.
        resuming: the status of one whose process is restarted.
    """
    given = {key: value for key, value in saved.items() if key != "version"}
    for moment in ("created", "modified"):
        given[moment] = datetime.fromisoformat(given[moment])
    if given["resumes_as"]:
        given["status"] = resuming
    return {
        **given,
        "account": settings.account,
        "url": ui_url(settings, saved["host"]),
        "folder": database_folder(settings, saved["host"]),
    }


def ui_url(settings: Settings, host: str) -> str:
    """Return the URL of a UI."""
    return f"{settings.url}{UI_PREFIX}{host}"


def database_folder(settings: Settings, host: str) -> Path:
    """Return the folder of a database."""
    return settings.data / "tracking" / host
