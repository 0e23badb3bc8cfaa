"""Constructs the objects that implement tracking servers and Apps."""

import secrets
from typing import Any

from localaws.front.application import Route
from localaws.front.entrance import Entrance
from localaws.front.faults import Faults
from localaws.principals import Principals
from localaws.processes import Processes
from localaws.services.sagemaker import keep_tags_of
from localaws.settings import Settings
from localaws.tracking.app_operations import AppOperations
from localaws.tracking.apps import MlflowApps
from localaws.tracking.catalog import Catalog
from localaws.tracking.data_plane import DataPlane
from localaws.tracking.gateway import Gateway
from localaws.tracking.hosted import HostedMlflow
from localaws.tracking.launch import Launcher
from localaws.tracking.mlflow_api import MlflowApi
from localaws.tracking.operations import TrackingOperations
from localaws.tracking.presigned_upload import PresignedUpload
from localaws.tracking.proxy import Proxy
from localaws.tracking.registration import Registration
from localaws.tracking.releases import Releases
from localaws.tracking.role import RoleClients
from localaws.tracking.servers import TrackingServers
from localaws.tracking.sessions import Sessions
from localaws.tracking.ui import Ui
from localaws.tracking.upstream import Upstreams
from localaws.venvs import Venvs


class Tracking:
    """The interface of this package to `LocalAws`."""

    def __init__(
        self, settings: Settings, principals: Principals, processes: Processes, venvs: Venvs, faults: Faults
    ) -> None:
        token = secrets.token_urlsafe(32)
        settings.token_file.parent.mkdir(parents=True, exist_ok=True)
        settings.token_file.touch(mode=0o600)
        settings.token_file.write_text(token)
        self._upstreams = Upstreams(token)
        mlflow, clients = MlflowApi(self._upstreams), RoleClients(settings)
        self._registration = Registration(mlflow, clients)
        data_plane = DataPlane(Proxy(self._upstreams), self._registration, PresignedUpload(mlflow, clients))
        launcher = Launcher(settings, principals, processes, Releases(venvs, settings.cache / "servers"), token)
        self._servers = TrackingServers(settings, principals, launcher, faults)
        self.apps = MlflowApps(settings, principals, launcher, faults)
        self._catalog = Catalog(self._servers, self.apps)
        sessions = Sessions()
        ui = Ui(self._catalog, sessions, data_plane)
        self.entrance: Entrance = ui
        self.routes = [
            Route(lambda call: bool(call.ui), ui),
            Route(Gateway.takes, Gateway(settings.account, self._catalog, data_plane)),
        ]
        self.operations = [
            TrackingOperations(self._servers, sessions).operations(),
            AppOperations(self.apps, sessions).operations(),
        ]
        keep_tags_of("mlflow-tracking-server", self._servers.by_arn)
        keep_tags_of("mlflow-app", self.apps.by_arn)

    def health(self) -> dict[str, list[dict[str, Any]]]:
        """Return all servers and Apps, with data that AWS's API does not return: the failure reason, the process."""
        return {
            "tracking_servers": [_health(server) for server in self._servers.all()],
            "mlflow_apps": [_health(app) for app in self.apps.all()],
        }

    def resuming(self) -> int:
        """Return how many loaded servers and Apps are not running yet."""
        return sum(bool(hosted.resumes_as) for hosted in self._catalog.all())

    def saved(self) -> dict[str, list[dict[str, Any]]]:
        """Return the servers and Apps as JSON."""
        return {"tracking_servers": self._servers.saved(), "mlflow_apps": self.apps.saved()}

    def load(self, saved: dict[str, Any]) -> None:
        """Load saved servers and Apps."""
        self._servers.load(saved["tracking_servers"])
        self.apps.load(saved.get("mlflow_apps", []))

    def resume(self) -> None:
        """Start the processes of loaded servers and Apps. Call it once localaws accepts requests."""
        self._servers.resume()
        self.apps.resume()

    async def close(self) -> None:
        """Finish background work. Call it before stopping the processes."""
        await self._registration.close()
        self._servers.close()
        self.apps.close()
        self._upstreams.close()


def _health(hosted: HostedMlflow) -> dict[str, Any]:
    child = hosted.child
    return (
        {"name": hosted.name, "status": hosted.status, "version": hosted.release.version}
        | ({"reason": hosted.reason} if hosted.reason else {})
        | ({"log": str(child.log), "pid": child.process.pid, "upstream": hosted.upstream} if child else {})
    )
