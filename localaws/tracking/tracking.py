"""Constructs the objects that implement tracking servers."""

import secrets
from typing import Any

from localaws.front.application import Route
from localaws.front.entrance import Entrance
from localaws.front.faults import Faults
from localaws.principals import Principals
from localaws.processes import Processes
from localaws.services.sagemaker import keep_tags_of
from localaws.settings import Settings
from localaws.tracking.data_plane import DataPlane
from localaws.tracking.gateway import Gateway
from localaws.tracking.launch import Launcher
from localaws.tracking.mlflow_api import MlflowApi
from localaws.tracking.operations import TrackingOperations
from localaws.tracking.presigned_upload import PresignedUpload
from localaws.tracking.proxy import Proxy
from localaws.tracking.registration import Registration
from localaws.tracking.releases import Releases
from localaws.tracking.role import RoleClients
from localaws.tracking.server import RESUMING
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
        sessions = Sessions()
        ui = Ui(self._servers, sessions, data_plane)
        self.entrance: Entrance = ui
        self.routes = [
            Route(lambda call: bool(call.ui), ui),
            Route(Gateway.takes, Gateway(settings.account, self._servers, data_plane)),
        ]
        self.operations = TrackingOperations(self._servers, sessions).operations()
        keep_tags_of("mlflow-tracking-server", self._servers.by_arn)

    def health(self) -> list[dict[str, Any]]:
        """Return all servers, with data that AWS's API does not return: the failure reason, the process and its log."""
        return [
            {"name": s.name, "status": s.status, "version": s.release.version}
            | ({"reason": s.reason} if s.reason else {})
            | ({"log": str(s.child.log), "pid": s.child.process.pid, "upstream": s.upstream} if s.child else {})
            for s in self._servers.all()
        ]

    def resuming(self) -> int:
        """Return how many loaded servers are not running yet."""
        return sum(server.status == RESUMING for server in self._servers.all())

    def saved(self) -> list[dict[str, Any]]:
        """Return the servers as JSON."""
        return self._servers.saved()

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Load saved servers."""
        self._servers.load(saved)

    def resume(self) -> None:
        """Start the processes of loaded servers. Call it once localaws accepts requests."""
        self._servers.resume()

    async def close(self) -> None:
        """Finish background work. Call it before stopping the processes."""
        await self._registration.close()
        self._upstreams.close()
