"""All MLflow Apps of the account, and AWS's rules for them."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from localaws import references
from localaws.errors import AwsError
from localaws.front.faults import Faults
from localaws.iam.trust import sagemaker_source
from localaws.principals import Principals, random_id
from localaws.settings import Settings
from localaws.tracking.app import REGISTERS, RESUMING, MlflowApp
from localaws.tracking.collection import Collection
from localaws.tracking.hosted import database_folder, ui_url
from localaws.tracking.launch import Launcher
from localaws.tracking.releases import APP_RELEASE
from localaws.tracking.role import SAGEMAKER
from localaws.tracking.transitions import Transitions, check_store, refused


class MlflowApps(Collection[MlflowApp]):
    """Creates, updates and deletes Apps. As on AWS, calls return before the work is done."""

    def __init__(self, settings: Settings, principals: Principals, launcher: Launcher, faults: Faults) -> None:
        super().__init__(Transitions(launcher, faults, self._exited))
        self._settings = settings
        self._principals = principals

    def create(self, region: str, given: dict[str, Any]) -> MlflowApp:
        """CreateMlflowApp.

        AWS does not document that names are unique, but UpdateMlflowApp has a ConflictException and a new name.

        Raises:
            AwsError: ConflictException for a name in use, ValidationException for a role that SageMaker cannot
                assume, or for a key that does not exist.
        """
        self._principals.check_trust(given["RoleArn"], SAGEMAKER, sagemaker_source(region, self._settings.account))
        if given.get("KmsKeyId"):
            references.check_keys(self._settings.account, region, {"KmsKeyId": given["KmsKeyId"]})
        now, host = datetime.now(UTC), f"a-{random_id()}"
        app = MlflowApp(
            id=f"app-{random_id(16).upper()}",
            name=given["Name"],
            region=region,
            account=self._settings.account,
            host=host,
            url=ui_url(self._settings, host),
            folder=database_folder(self._settings, host),
            release=APP_RELEASE,
            artifact_store=given["ArtifactStoreUri"],
            role_arn=given["RoleArn"],
            registers_models=given.get("ModelRegistrationMode") == REGISTERS[True],
            window=given.get("WeeklyMaintenanceWindowStart"),
            key=given.get("KmsKeyId"),
            account_default=given.get("AccountDefaultStatus") == "ENABLED",
            domains=list(given.get("DefaultDomainIdList") or []),
            created=now,
            modified=now,
            tags=list(given.get("Tags") or []),
        )
        with self._transitions.lock:
            self._check_name(app.name, region)
            self._by_arn[app.arn] = app
            self._make_only_default(app)
            self._transitions.begin(app, "Creating", "Created", "CreateFailed", "Start", self._transitions.start)
        return app

    def get(self, region: str, arn: str) -> MlflowApp:
        """Return the App with an ARN.

        Raises:
            AwsError: ResourceNotFound. An App is found only in its own region.
        """
        app = self.by_arn(arn)
        if app is None or app.region != region:
            raise AwsError("ResourceNotFound", f"MLflow App with ARN {arn} does not exist.")
        return app

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Load the Apps of a saved state, without starting their processes; see `resume`.

        Raises:
            StateError: an App cannot be loaded.
        """
        for one in saved:
            app = MlflowApp.load(one, self._settings)
            self._by_arn[app.arn] = app

    def resume(self) -> None:
        """Start the processes of the Apps that were running when the state was saved."""
        for app in self.all():
            if app.resumes_as:
                self._restart(app, app.resumes_as)

    def update(self, app: MlflowApp, given: dict[str, Any]) -> None:
        """UpdateMlflowApp. Neither the role nor the key can be changed. Without a change, the status stays.

        Raises:
            AwsError: ConflictException for a name in use, or ValidationException, because the App does not run.
        """
        with self._transitions.lock:
            if not app.serving:
                raise refused(app, "updated")
            changes = {name: value for name, value in _wanted(given).items() if value != getattr(app, name)}
            if "name" in changes:
                self._check_name(changes["name"], app.region)
            if changes:
                self._transitions.begin(
                    app, "Updating", "Updated", "UpdateFailed", "Update", partial(self._apply, changes=changes)
                )

    def _check_name(self, name: str, region: str) -> None:
        if any(app.name == name and app.region == region for app in self.all()):
            # "HTTP Status Code: 400": https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateMlflowApp.html
            raise AwsError("ConflictException", f"An MLflow App with the name {name} already exists.")

    def _make_only_default(self, app: MlflowApp) -> None:
        """An account has one default in a region: that of another App ends."""
        for other in self.all():
            if app.account_default and other is not app and other.region == app.region:
                other.account_default = False

    def _apply(self, app: MlflowApp, changes: dict[str, Any]) -> None:
        if "artifact_store" in changes:
            check_store(replace(app, **changes))
        self._transitions.apply(app, changes)
        self._make_only_default(app)

    def _exited(self, app: MlflowApp) -> None:
        """Start the process again: an App cannot be started by its user."""
        app.child = None
        self._restart(app, "Updated")

    def _restart(self, app: MlflowApp, done: str) -> None:
        with self._transitions.lock:
            self._transitions.begin(app, RESUMING, done, "UpdateFailed", "Resume", self._transitions.start)


def _wanted(given: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that a request sets."""
    found: dict[str, Any] = {
        "name": given.get("Name"),
        "artifact_store": given.get("ArtifactStoreUri"),
        "window": given.get("WeeklyMaintenanceWindowStart"),
        "domains": given.get("DefaultDomainIdList"),
    }
    if mode := given.get("ModelRegistrationMode"):
        found["registers_models"] = mode == REGISTERS[True]
    if status := given.get("AccountDefaultStatus"):
        found["account_default"] = status == "ENABLED"
    return {name: value for name, value in found.items() if value is not None}
