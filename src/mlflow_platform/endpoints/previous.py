"""The configuration that served before, which a rollback returns to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PreconditionError
from mlflow_platform.endpoints.resources import config_names
from mlflow_platform.endpoints.specification import temporary_name
from mlflow_platform.endpoints.state import (
    CHANGING,
    EndpointState,
    ServedModel,
    find_own,
    has_instances,
    is_serverless,
    read_tags,
    tags_of,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class Configuration:
    """An endpoint configuration: its name, its tags, which name the model, and its variants as AWS describes them.

    `asynchronous` is whether its requests wait in a queue.
    """

    name: str
    tags: Mapping[str, str]
    variants: tuple[Mapping[str, Any], ...]
    asynchronous: bool = False

    @property
    def instance_types(self) -> dict[str, str]:
        """The instance type of each variant by its name; empty for serverless capacity."""
        return {one["VariantName"]: one.get("InstanceType", "") for one in self.variants}


@dataclass(frozen=True)
class RollbackPreview:
    """What a rollback would do: `served` serves now, `target` would serve afterwards."""

    status: str
    config: str
    served: ServedModel
    target: Configuration


def serving_endpoint(state: EndpointState | None, endpoint: str) -> EndpointState:
    """The state of an endpoint that can be rolled back.

    Raises:
        PreconditionError: there is no such endpoint, or it has failed.
    """
    if state is None or state.status == "Failed":
        raise PreconditionError(f"the endpoint {endpoint} serves nothing, so there is nothing to roll back.")
    return state


def previous(
    sagemaker: SageMakerClient, environment: Environment, endpoint: str, state: EndpointState
) -> Configuration:
    """The newest configuration of an endpoint apart from the one that serves.

    A deployment that was killed during its test leaves two configurations that never served: the one that it tested,
    and the test endpoint's.

    Raises:
        PreconditionError: the endpoint has no other configuration, or AWS cannot update it to that configuration.
    """
    names = config_names(sagemaker, environment, endpoint)
    tests = {temporary_name(endpoint, name): name for name in names}
    untested = {one for test, name in tests.items() if test in names for one in (test, name)}
    others = names - {state.config} - untested
    described: list[Any] = [sagemaker.describe_endpoint_config(EndpointConfigName=name) for name in sorted(others)]
    if not described:
        raise PreconditionError(
            f"the endpoint {endpoint} has no previous configuration to roll back to. Deploy the model that it "
            "should serve."
        )
    newest = max(described, key=lambda config: config["CreationTime"])
    if is_serverless(newest) and has_instances(sagemaker, state):
        raise PreconditionError(
            f"the endpoint {endpoint} had serverless capacity before, and AWS cannot update one with instances to "
            "that. Deploy the previous model, or use another --endpoint for serverless capacity."
        )
    tags = read_tags(sagemaker, newest["EndpointConfigArn"])
    variants, queued = tuple(newest["ProductionVariants"]), "AsyncInferenceConfig" in newest
    return Configuration(newest["EndpointConfigName"], tags, variants, queued)


def preview_rollback(sagemaker: SageMakerClient, environment: Environment, endpoint: str) -> RollbackPreview:
    """Say what a rollback would change, and change nothing.

    Raises:
        PreconditionError: the endpoint cannot be rolled back, or is changing, so that its previous configuration will
            be another one.
    """
    found, _ = find_own(sagemaker, environment, endpoint)
    state = serving_endpoint(found, endpoint)
    if state.status in CHANGING:
        raise PreconditionError(
            f"the endpoint {endpoint} is {state.status}. Run the same command again when that has ended."
        )
    served = ServedModel.from_tags(tags_of(sagemaker, state))
    return RollbackPreview(state.status, state.config, served, previous(sagemaker, environment, endpoint, state))
