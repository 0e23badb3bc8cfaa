"""SageMaker's operations for MLflow Apps."""

from typing import Any

from localaws.services.context import Caller, Operations
from localaws.tracking.app import MlflowApp
from localaws.tracking.apps import MlflowApps
from localaws.tracking.paging import created_within, page
from localaws.tracking.presigned_link import presigned_link
from localaws.tracking.sessions import Sessions


class AppOperations:
    """CreateMlflowApp and the other operations: handlers for SageMaker's dispatcher."""

    def __init__(self, apps: MlflowApps, sessions: Sessions) -> None:
        self._apps = apps
        self._sessions = sessions

    def operations(self) -> Operations:
        """Return the operations for SageMaker's dispatcher."""
        return Operations(
            handlers={
                "CreateMlflowApp": self.create,
                "DescribeMlflowApp": self.describe,
                "ListMlflowApps": self.list,
                "UpdateMlflowApp": self.update,
                "DeleteMlflowApp": self.delete,
                "CreatePresignedMlflowAppUrl": self.presign,
            }
        )

    def create(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreateMlflowApp."""
        return {"Arn": self._apps.create(caller.region, given).arn}

    def describe(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DescribeMlflowApp."""
        return self._apps.get(caller.region, given["Arn"]).description()

    def update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """UpdateMlflowApp."""
        app = self._apps.get(caller.region, given["Arn"])
        self._apps.update(app, given)
        return {"Arn": app.arn}

    def delete(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """DeleteMlflowApp."""
        app = self._apps.get(caller.region, given["Arn"])
        self._apps.delete(app)
        return {"Arn": app.arn}

    def presign(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """CreatePresignedMlflowAppUrl."""
        app = self._apps.get(caller.region, given["Arn"])
        return {"AuthorizedUrl": presigned_link(self._sessions, app, caller, given)}

    def list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        """ListMlflowApps: newest first by default."""
        found = [app for app in self._apps.all() if app.region == caller.region and _matches(app, given)]
        shown, rest = page(found, given)
        return {"Summaries": [app.summary() for app in shown], **rest}


def _matches(app: MlflowApp, given: dict[str, Any]) -> bool:
    return (
        created_within(app, given)
        and given.get("Status") in (None, app.status)
        and given.get("MlflowVersion") in (None, app.release.mlflow)
        and given.get("DefaultForDomainId") in (None, *app.domains)
        and given.get("AccountDefaultStatus") in (None, "ENABLED" if app.account_default else "DISABLED")
    )
