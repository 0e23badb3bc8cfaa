"""The endpoints' part of localaws, put together."""

from typing import Any

from localaws.endpoints.endpoints import RESUMING, Endpoints
from localaws.endpoints.operations import EndpointOperations
from localaws.endpoints.records import Records
from localaws.endpoints.runtime import Runtime
from localaws.front.application import Route
from localaws.principals import Principals
from localaws.processes import Processes
from localaws.settings import Settings
from localaws.venvs import Venvs


class Hosting:
    """What `LocalAws` needs of this package."""

    def __init__(self, settings: Settings, principals: Principals, processes: Processes, venvs: Venvs) -> None:
        self._account = settings.account
        self._endpoints = Endpoints(settings, principals, processes, venvs)
        self._runtime = Runtime(self._endpoints, settings.account)
        self.runtime = Route(Runtime.takes, self._runtime)
        self.operations = EndpointOperations(self._endpoints, principals, settings.account).operations()

    def health(self) -> list[dict[str, str]]:
        """Every endpoint's name and status."""
        return self._endpoints.health()

    def resuming(self) -> int:
        """How many endpoints of a saved state do not serve yet."""
        return sum(endpoint["status"] == RESUMING for endpoint in self._endpoints.health())

    def saved(self) -> list[dict[str, Any]]:
        """The endpoints as JSON. Call it before moto's resources are saved: it settles their records."""
        return self._endpoints.saved()

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Takes up saved endpoints, once moto's resources are loaded."""
        records = Records(self._account)
        records.forget_deleted()
        self._endpoints.load(saved, records.by_arn)

    def resume(self) -> None:
        """Starts the containers of loaded endpoints. Call it when localaws answers requests."""
        self._endpoints.resume()

    async def open(self) -> None:
        """Call it before the first request."""
        await self._runtime.open()

    async def close(self) -> None:
        """Call it before the processes are ended: no container is restarted afterwards."""
        self._endpoints.close()
        await self._runtime.close()
