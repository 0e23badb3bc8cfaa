"""Changes the capacity of variants in service: starts and stops instances, and suspends idle serverless variants."""

import logging
import threading
from datetime import UTC, datetime
from functools import partial

from localaws.endpoints.container import Container
from localaws.endpoints.deployment import Variant
from localaws.endpoints.endpoints import Endpoint, Endpoints
from localaws.endpoints.launcher import Launcher, processes_of
from localaws.endpoints.reasons import DeploymentError, ping_failed
from localaws.endpoints.serverless import IDLE_SECONDS
from localaws.processes import StoppingError

log = logging.getLogger(__name__)


class Scaling:
    """Adapts the processes of endpoints to their desired capacity.

    Args:
        speed: divides idle times.
    """

    def __init__(self, endpoints: Endpoints, launcher: Launcher, speed: float) -> None:
        self._endpoints = endpoints
        self._launcher = launcher
        self._speed = speed

    def apply(self, endpoint: Endpoint) -> None:
        """Apply the desired capacity of the variants in service. The endpoint is Updating while instances start."""
        changed = []
        for variant in _variants(endpoint):
            if variant.serverless:
                endpoint.fleet.members[variant.name].limit = variant.serverless["MaxConcurrency"]
            elif variant.state["CurrentInstanceCount"] != variant.instances:
                changed.append(variant)
        if changed:
            endpoint.record.endpoint_status = "Updating"
            endpoint.record.failure_reason = None
            work = partial(self._resize, endpoint, changed)
            threading.Thread(target=work, name=f"scaling {endpoint.name}", daemon=True).start()

    def suspend_idle(self) -> None:
        """Stop the processes of serverless endpoints that have had no requests for some time."""
        for endpoint in self._endpoints.all():
            configs = [one.serverless for one in _variants(endpoint)]
            if any(config and not config.get("ProvisionedConcurrency") for config in configs):
                endpoint.fleet.suspend_idle(IDLE_SECONDS / self._speed)

    def _resize(self, endpoint: Endpoint, variants: list[Variant]) -> None:
        record = endpoint.record
        try:
            for variant in variants:
                self._resize_variant(endpoint, variant)
        except (DeploymentError, StoppingError) as error:
            # "RollingBack: Endpoint fails to scale up or down or change its variant weight and is in the process of
            # rolling back to its previous configuration": API_DescribeEndpoint.
            record.endpoint_status = "RollingBack"
            record.failure_reason = str(error)
            for variant in variants:
                variant.state["DesiredInstanceCount"] = variant.state["CurrentInstanceCount"]
        except Exception:
            log.exception("%s cannot be scaled.", endpoint.name)
            record.failure_reason = "Request to scale the endpoint failed. See the log of localaws."
        record.last_modified_time = datetime.now(UTC).replace(tzinfo=None)
        record.endpoint_status = "InService"

    def _resize_variant(self, endpoint: Endpoint, variant: Variant) -> None:
        fleet, wanted = endpoint.fleet, processes_of(variant)
        surplus = len(fleet.members[variant.name].instances) - wanted
        if surplus > 0:
            fleet.remove(variant.name, surplus)
        started: list[Container] = []
        try:
            started.extend(self._launcher.start(endpoint.name, endpoint.region, variant) for _ in range(-surplus))
            for container in started:
                if not container.wait(variant.startup_seconds):
                    raise ping_failed(variant.name)
        except Exception:
            for container in started:
                container.stop()
            raise
        for container in started:
            fleet.add(variant.name, container)
        variant.state["CurrentInstanceCount"] = variant.instances


def _variants(endpoint: Endpoint) -> list[Variant]:
    return [*endpoint.live.variants, *endpoint.live.shadows] if endpoint.live else []
