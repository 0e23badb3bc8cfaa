"""Constructs the objects that implement endpoints."""

import asyncio
import logging
import threading
from functools import partial
from typing import Any

from localaws.alarms import Alarms
from localaws.alarms import install as install_alarms
from localaws.endpoints.async_queue import AsyncQueues
from localaws.endpoints.autoscaling import Autoscaler
from localaws.endpoints.endpoints import RESUMING, Endpoints
from localaws.endpoints.instance_quotas import InstanceQuotas
from localaws.endpoints.launcher import Launcher
from localaws.endpoints.operations import EndpointOperations
from localaws.endpoints.records import Records
from localaws.endpoints.runtime import Runtime
from localaws.endpoints.scaling import Scaling
from localaws.front.application import Route
from localaws.principals import Principals
from localaws.processes import Processes
from localaws.settings import Settings
from localaws.venvs import Venvs

# AWS evaluates alarms once a minute. The periods are shorter here, see Settings.speed.
EVALUATION_SECONDS = 0.25
MINUTE = 60
log = logging.getLogger(__name__)


class Hosting:
    """The interface of this package to `LocalAws`."""

    def __init__(self, settings: Settings, principals: Principals, processes: Processes, venvs: Venvs) -> None:
        self._account = settings.account
        alarms = self._alarms = Alarms(settings.account, settings.speed)
        install_alarms(settings.account)
        self._stopping = threading.Event()
        launcher = Launcher(settings, principals, processes, venvs)
        self._endpoints = Endpoints(settings, launcher, alarms)
        self.quotas = InstanceQuotas(self._endpoints)
        self._scaling = Scaling(self._endpoints, launcher, settings.speed)
        self.autoscaler = Autoscaler(
            settings.account, self._endpoints, self._scaling, alarms, settings.speed, check_quota=self.quotas.check
        )
        assume = launcher.role_clients
        queues = self._queues = AsyncQueues(self._endpoints, alarms, assume, MINUTE / settings.speed)
        self._runtime = Runtime(self._endpoints, settings.account, alarms, queues)
        self.runtime = Route(Runtime.takes, self._runtime)
        operations = EndpointOperations(
            self._endpoints, self._scaling, self.quotas, principals, settings.account, alarms
        )
        self.operations = operations.operations()

    def health(self) -> list[dict[str, str]]:
        """Return every endpoint's name and status."""
        return [{"name": one.name, "status": one.record.endpoint_status} for one in self._endpoints.all()]

    def resuming(self) -> int:
        """Return how many loaded endpoints are not in service yet."""
        return sum(endpoint["status"] == RESUMING for endpoint in self.health())

    def saved(self) -> list[dict[str, Any]]:
        """Return the endpoints as JSON. Call it before saving moto's resources, because it changes their records."""
        return self._endpoints.saved()

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Load saved endpoints. Call it after loading moto's resources."""
        records = Records(self._account)
        records.forget_deleted()
        self._endpoints.load(saved, records.by_arn)

    def saved_requests(self) -> list[dict[str, Any]]:
        """Return the requests in the queues of asynchronous endpoints as JSON. Call it after `close`."""
        return self._queues.saved()

    def load_requests(self, saved: list[dict[str, Any]]) -> None:
        """Load saved requests. They run after `open`."""
        self._queues.load(saved)

    def resume(self) -> None:
        """Start the containers of loaded endpoints. Call it once localaws accepts requests."""
        self._endpoints.resume()

    async def open(self) -> None:
        """Open the HTTP client. Call it before the first request."""
        await self._runtime.open()
        evaluate = partial(self._alarms.keep_evaluating, self._stopping, EVALUATION_SECONDS)
        threading.Thread(target=evaluate, name="alarms", daemon=True).start()
        threading.Thread(target=self._keep_scaling, name="scaling", daemon=True).start()

    async def close(self) -> None:
        """Stop restarting containers. Call it before stopping the processes."""
        self._stopping.set()
        # In a thread: writing captured data needs the event loop.
        await asyncio.to_thread(self._endpoints.close)
        await self._runtime.close()

    def _keep_scaling(self) -> None:
        while not self._stopping.wait(EVALUATION_SECONDS):
            try:
                self._scaling.suspend_idle()
                self.autoscaler.evaluate()
            except Exception:  # One endpoint's mistake must not stop the scaling of the others.
                log.exception("The scaling of endpoints failed.")
