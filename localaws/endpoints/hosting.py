"""The endpoints' part of localaws, put together."""

from localaws.endpoints.endpoints import Endpoints
from localaws.endpoints.operations import EndpointOperations
from localaws.endpoints.runtime import Runtime
from localaws.front.application import Route
from localaws.principals import Principals
from localaws.processes import Processes
from localaws.settings import Settings
from localaws.venvs import Venvs


class Hosting:
    """What `LocalAws` needs of this package."""

    def __init__(self, settings: Settings, principals: Principals, processes: Processes, venvs: Venvs) -> None:
        self._endpoints = Endpoints(settings, principals, processes, venvs)
        self._runtime = Runtime(self._endpoints, settings.account)
        self.runtime = Route(Runtime.takes, self._runtime)
        self.operations = EndpointOperations(self._endpoints, principals, settings.account).operations()

    def health(self) -> list[dict[str, str]]:
        """Every endpoint's name and status."""
        return self._endpoints.health()

    async def open(self) -> None:
        """Call it before the first request."""
        await self._runtime.open()

    async def close(self) -> None:
        """Call it before the processes are ended: no container is restarted afterwards."""
        self._endpoints.close()
        await self._runtime.close()
