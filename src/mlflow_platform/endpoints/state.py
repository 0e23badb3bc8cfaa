"""An endpoint's state on AWS: describing it, its tags, and which environment and model it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PreconditionError, error_code, error_message, is_denied, is_not_found
from mlflow_platform.endpoints.tags import decode, encode

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

# In these states AWS accepts no change (SageMaker API, DescribeEndpoint, EndpointStatus).
CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
CHANGE_TIMEOUT = 60 * 60.0  # Seconds that a creation or an update may take.


@dataclass(frozen=True)
class EndpointState:
    """An endpoint as AWS describes it.

    `config` is the configuration that serves now. `pending_config` is the one that an update in progress moves to.
    `reason` is AWS's reason for a failure, which is often empty.
    """

    status: str
    config: str
    reason: str
    modified: datetime
    arn: str
    pending_config: str = ""

    @property
    def configs_in_use(self) -> frozenset[str]:
        """The configurations that must not be deleted."""
        return frozenset(filter(None, (self.config, self.pending_config)))

    def is_moved_elsewhere(self, config: str, before: EndpointState | None) -> bool:
        """Whether something else than a deployment of `config` has moved the endpoint since `before`, or moves it."""
        if config in self.configs_in_use:
            return False
        return before is None or self.config != before.config or self.status in CHANGING


@dataclass(frozen=True)
class ServedModel:
    """What an endpoint's tags say about the model that it serves; None where a tag is missing."""

    uri: str | None
    name: str | None
    version: str | None
    run_id: str | None

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> ServedModel:
        """Read an endpoint's tags."""
        uri, name, version, run_id = (
            decode(tags[key]) if key in tags else None for key in ("model-uri", "model-name", "model-version", "run-id")
        )
        return cls(uri, name, version, run_id)


def find(sagemaker: SageMakerClient, name: str) -> EndpointState | None:
    """Describe an endpoint; None if it does not exist."""
    try:
        found = sagemaker.describe_endpoint(EndpointName=name)
    except sagemaker.exceptions.ClientError as error:
        if is_missing(error):
            return None
        raise
    return EndpointState(
        status=found["EndpointStatus"],
        config=found.get("EndpointConfigName", ""),
        reason=found.get("FailureReason", "").strip().rstrip("."),
        modified=found["LastModifiedTime"],
        arn=found["EndpointArn"],
        pending_config=found.get("PendingDeploymentSummary", {}).get("EndpointConfigName", ""),
    )


def find_config(sagemaker: SageMakerClient, name: str) -> Mapping[str, Any]:
    """Describe an endpoint configuration; empty if it does not exist."""
    try:
        return dict(sagemaker.describe_endpoint_config(EndpointConfigName=name)) if name else {}
    except sagemaker.exceptions.ClientError as error:
        if is_missing(error):
            return {}
        raise


def is_serverless(config: Mapping[str, Any]) -> bool:
    """Whether a configuration, as AWS describes it, has serverless capacity."""
    return any("ServerlessConfig" in variant for variant in config.get("ProductionVariants", []))


def has_instances(sagemaker: SageMakerClient, state: EndpointState) -> bool:
    """Whether an endpoint runs on instances, so that AWS cannot make it serverless.

    "You cannot convert your instance-based, real-time endpoint to a serverless endpoint"
    (docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html). The opposite is possible.
    """
    config = find_config(sagemaker, state.config)
    return bool(config) and not is_serverless(config)


def read_tags(sagemaker: SageMakerClient, arn: str) -> dict[str, str]:
    """The tags of a SageMaker resource, as AWS stores them."""
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def tags_of(sagemaker: SageMakerClient, state: EndpointState) -> dict[str, str]:
    """An endpoint's tags, as AWS stores them; empty if the endpoint has just been deleted."""
    try:
        return read_tags(sagemaker, state.arn)
    except sagemaker.exceptions.ClientError as error:
        if is_missing(error):
            return {}
        raise


def has_tags(sagemaker: SageMakerClient, arn: str, wanted: Mapping[str, str]) -> bool:
    """Whether a resource has these tags. One that does not exist any more, or whose tags may not be read, has not."""
    return wanted.items() <= (readable_tags(sagemaker, arn) or {}).items()


def is_own(sagemaker: SageMakerClient, environment: Environment, arn: str) -> bool | None:
    """Whether a resource has the environment's tags; None if these credentials may not read its tags."""
    tags = readable_tags(sagemaker, arn)
    return None if tags is None else environment.tags.items() <= tags.items()


def readable_tags(sagemaker: SageMakerClient, arn: str) -> dict[str, str] | None:
    """A resource's tags; empty if it does not exist any more, and None if these credentials may not read them."""
    try:
        return read_tags(sagemaker, arn)
    except sagemaker.exceptions.ClientError as error:
        if is_missing(error):
            return {}
        if is_denied(error):
            return None
        raise


def find_own(
    sagemaker: SageMakerClient, environment: Environment, name: str
) -> tuple[EndpointState | None, ServedModel | None]:
    """Describe an endpoint that must belong to this environment, and the model that it serves.

    Both are None if there is no such endpoint.

    Raises:
        PreconditionError: the endpoint belongs to another environment or was created by something else.
    """
    state = find(sagemaker, name)
    if state is None:
        return None, None
    tags = tags_of(sagemaker, state)
    if any(tags.get(key) != value for key, value in environment.tags.items()):
        raise PreconditionError(
            f"the endpoint {name} does not belong to {environment.name} (see its tags project and environment). "
            "Choose another name with --endpoint."
        )
    return state, ServedModel.from_tags(tags)


def check_same_model(endpoint: str, served: ServedModel | None, name: str | None, *, advice: str) -> None:
    """Check that an endpoint serves the registered model `name`, or none that is registered.

    Different registered models can have the same default endpoint name: `a_b` and `a-b`, for example.

    Args:
        name: the registered model's name; None for a model that is not registered.
        advice: a sentence that says what to do instead.

    Raises:
        PreconditionError: the endpoint serves another registered model.
    """
    if served is None or served.name is None or (name and served.name == decode(encode(name))):
        return
    other = f"not {name}" if name else "and the model given is not registered under that name"
    raise PreconditionError(f"the endpoint {endpoint} serves the registered model {served.name}, {other}. {advice}")


def is_missing(error: Exception) -> bool:
    """Whether AWS refuses a call because the resource does not exist."""
    message = error_message(error).lower()
    return is_not_found(error) or (
        error_code(error) == "ValidationException" and ("could not find" in message or "does not exist" in message)
    )
