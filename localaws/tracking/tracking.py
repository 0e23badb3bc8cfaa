"""The tracking servers' part of localaws, put together."""

from typing import Any

from localaws.application import Route
from localaws.faults import Faults
from localaws.principals import Principals
from localaws.processes import Processes
from localaws.settings import Settings
from localaws.tracking.gateway import Gateway
from localaws.tracking.launch import Launcher
from localaws.tracking.operations import install
from localaws.tracking.proxy import Proxy
from localaws.tracking.releases import Releases
from localaws.tracking.servers import TrackingServers
from localaws.venvs import Venvs


class Tracking:
    """What World needs of this package."""

    def __init__(
        self, settings: Settings, principals: Principals, processes: Processes, venvs: Venvs, faults: Faults
    ) -> None:
        self._proxy = Proxy()
        launcher = Launcher(settings, principals, processes, Releases(venvs, settings.cache / "servers"))
        self._servers = TrackingServers(settings, launcher, faults)
        self.gateway = Route(Gateway.takes, Gateway(self._servers, self._proxy))
        install(self._servers)

    def health(self) -> list[dict[str, Any]]:
        """Every server, with the reason of a failed state, which AWS's API has no member for."""
        return [
            {"name": s.name, "status": s.status, "version": s.release.version}
            | ({"reason": s.reason} if s.reason else {})
            | ({"log": str(s.child.log)} if s.child else {})
            for s in self._servers.all()
        ]

    async def open(self) -> None:
        """Before the first request."""
        await self._proxy.open()

    async def close(self) -> None:
        """Nothing starts any more; whoever calls ends the processes next."""
        self._servers.close()
        await self._proxy.close()
