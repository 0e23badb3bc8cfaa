"""What the removal of an endpoint removes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_platform.endpoints.alarms import alarms_of, backlog_alarms
from mlflow_platform.endpoints.resources import EndpointResources, find_resources
from mlflow_platform.endpoints.scaling import scaled_variants
from mlflow_platform.endpoints.smoke import temporary_endpoints
from mlflow_platform.endpoints.state import find_own

if TYPE_CHECKING:
    from mlflow_platform.endpoints.resources import Clients
    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class Removed:
    """What a removal has removed: the endpoint itself, if it existed, its resources, alarms and scaling.

    `scaled` names the variants that scaled, and `tests` the test endpoints that killed deployments left.
    """

    endpoint: bool
    resources: EndpointResources
    alarms: frozenset[str] = frozenset()
    scaled: frozenset[str] = frozenset()
    tests: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.endpoint or self.resources or self.alarms or self.scaled or self.tests)


def preview_removal(clients: Clients, environment: Environment, endpoint: str) -> Removed:
    """Say what a removal would remove now, without removing anything.

    Raises:
        PreconditionError: the endpoint belongs to another environment.
    """
    state, _ = find_own(clients.sagemaker, environment, endpoint)
    scaled = frozenset(scaled_variants(clients.autoscaling, endpoint))
    return Removed(
        state is not None,
        find_resources(clients, environment, endpoint),
        alarms_of(clients.cloudwatch, endpoint) | backlog_alarms(clients.cloudwatch, endpoint),
        scaled,
        frozenset(found["EndpointName"] for found in temporary_endpoints(clients.sagemaker, endpoint)),
    )
