"""An endpoint: brought to serve a model, watched until it does, and removed with all that belongs to it.

The configuration that served before stays, and with it its model and archive, so that there is something to go
back to; whatever is older is removed. What AWS says of failures, and what it does not:
- Only DeleteEndpoint works on a `Failed` endpoint (DescribeEndpoint, EndpointStatus).
- After an update that failed, the endpoint is `InService` again with its old configuration, and FailureReason
  may be empty: only the configuration's name tells (hashicorp/terraform-provider-aws issue 48997).
- A configuration must not be deleted while an endpoint runs on it or is updated from it (UpdateEndpoint).
- What was just created may not be found at once (CreateEndpoint): such a call is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlflow_common.errors import (
    InputError,
    PlatformError,
    PreconditionError,
    error_code,
    error_message,
    explain,
)
from mlflow_common.waiting import Clock, Progress, wait_for
from mlflow_platform.endpoints import container_log
from mlflow_platform.endpoints import resources as belongings
from mlflow_platform.endpoints.resources import Belongings, Clients
from mlflow_platform.endpoints.specification import CONTAINER_ENVIRONMENT, STARTUP_SECONDS, Plan

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

Change = Literal["created", "updated", "unchanged"]

VARIANT = "AllTraffic"
_MOVING = {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"}
_TIMEOUT = 60 * 60.0
# How long an update may take to show in DescribeEndpoint before its absence means anything.
_SHOWS_WITHIN = 30.0
_TRIES, _PAUSE = 5, 2.0
_BLUE_GREEN: Mapping[str, Any] = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
        "TerminationWaitInSeconds": 0,
        "MaximumExecutionTimeoutInSeconds": 3600,
    }
}


@dataclass(frozen=True)
class State:
    """An endpoint as AWS describes it. `reason` is why it failed, if it did and AWS says."""

    status: str
    config: str
    reason: str
    modified: datetime
    arn: str


@dataclass(frozen=True)
class Removed:
    """What a removal has removed: the endpoint itself, if there was one, and what belonged to it."""

    endpoint: bool
    belongings: Belongings


def look(sagemaker: SageMakerClient, name: str) -> State | None:
    """The endpoint's state, or None where there is no such endpoint."""
    try:
        found = sagemaker.describe_endpoint(EndpointName=name)
    except sagemaker.exceptions.ClientError as error:
        if _is_missing(error):
            return None
        raise
    return State(
        status=found["EndpointStatus"],
        config=found.get("EndpointConfigName", ""),
        reason=found.get("FailureReason", "").strip().rstrip("."),
        modified=found["LastModifiedTime"],
        arn=found["EndpointArn"],
    )


def tags_of(sagemaker: SageMakerClient, state: State) -> dict[str, str]:
    """An endpoint's tags."""
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=state.arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def look_at_own(sagemaker: SageMakerClient, environment: Environment, name: str) -> State | None:
    """The state of an endpoint that must be this environment's, or None where there is no such endpoint.

    Raises:
        PreconditionError: its tags say that it is somebody else's.
    """
    state = look(sagemaker, name)
    tags = tags_of(sagemaker, state) if state else environment.tags
    if any(tags.get(key) != value for key, value in environment.tags.items()):
        raise PreconditionError(
            f"the endpoint {name} was not made for {environment.name} (its tags project and environment): "
            "choose another name with --endpoint"
        )
    return state


def deploy(clients: Clients, environment: Environment, plan: Plan, *, progress: Progress, clock: Clock) -> Change:
    """Make the endpoint serve what the plan says, and wait until it does. The archive lies in S3 already.

    An endpoint on its way somewhere is waited for first. If the new model does not start, everything made for it
    is removed again, and what served before goes on serving.

    Raises:
        InputError: AWS knows no such instance type.
        PreconditionError: the endpoint is somebody else's, or AWS cannot use the image.
        PlatformError: the model did not start; the details are the end of the container's log.
    """
    sagemaker = clients.sagemaker
    state = look_at_own(sagemaker, environment, plan.endpoint)
    if state and state.status in _MOVING:
        state = _wait(sagemaker, plan.endpoint, progress=progress, clock=clock)
    if state and state.status == "Failed":
        progress(f"deleting the endpoint {plan.endpoint}: it has failed, and AWS allows nothing else")
        _delete(sagemaker, plan.endpoint, progress=progress, clock=clock)
        state = None
    if state and state.status == "InService" and state.config == plan.config_name:
        _retag(sagemaker, plan, state)
        return "unchanged"

    before = belongings.configs(sagemaker, plan.endpoint)
    streams = container_log.streams(clients.logs, plan.endpoint)
    try:
        _create_model(sagemaker, plan)
        _create_config(sagemaker, plan)
        progress(f"{'updating' if state else 'creating'} the endpoint {plan.endpoint}")
        _apply(sagemaker, plan, update=state is not None, clock=clock)
    except sagemaker.exceptions.ClientError as error:
        _tidy(clients, environment, plan, _made_for(plan), progress=progress)
        raise _refused(plan, error) from error
    after = _follow(sagemaker, plan, state, progress=progress, clock=clock)
    if after is None or after.status != "InService" or after.config != plan.config_name:
        failure = _failure(clients, plan, before=state, after=after, old_streams=streams)
        if after and after.status == "Failed" and state is None:
            _delete(sagemaker, plan.endpoint, progress=progress, clock=clock)
        _tidy(clients, environment, plan, _made_for(plan), progress=progress)
        raise failure
    _retag(sagemaker, plan, after)
    # Only what was there before: somebody else may be preparing the next deployment.
    outdated = before - {plan.config_name} - ({state.config} if state else set())
    _tidy(clients, environment, plan, Belongings(configs=frozenset(outdated)), progress=progress)
    return "updated" if state else "created"


def delete(clients: Clients, environment: Environment, name: str, *, progress: Progress, clock: Clock) -> Removed:
    """Remove an endpoint with its configurations, models and archives; what is gone already is no error.

    Raises:
        PreconditionError: it is somebody else's.
    """
    sagemaker = clients.sagemaker
    state = look_at_own(sagemaker, environment, name)
    existed = state is not None
    if state and state.status in _MOVING:
        # AWS refuses to delete an endpoint that is being created or updated.
        state = _wait(sagemaker, name, progress=progress, clock=clock)
    if state:
        _delete(sagemaker, name, progress=progress, clock=clock)
    everything = belongings.find(clients, environment, name)
    return Removed(existed, belongings.remove(clients, environment, name, everything))


def _wait(sagemaker: SageMakerClient, name: str, *, progress: Progress, clock: Clock) -> State | None:
    return _watch(sagemaker, name, lambda state: state is None or state.status not in _MOVING, progress, clock)


def _delete(sagemaker: SageMakerClient, name: str, *, progress: Progress, clock: Clock) -> None:
    sagemaker.delete_endpoint(EndpointName=name)
    _watch(sagemaker, name, lambda state: state is None, progress, clock)


def _follow(
    sagemaker: SageMakerClient, plan: Plan, before: State | None, *, progress: Progress, clock: Clock
) -> State | None:
    """Wait until a creation or an update has ended, one way or the other."""
    began, moved = clock.now(), False

    def ended(state: State | None) -> bool:
        nonlocal moved
        if state and state.status in _MOVING:
            moved = True
            return False
        # Described a moment too early, an endpoint looks as it did before.
        return moved or state != before or clock.now() - began > _SHOWS_WITHIN

    return _watch(sagemaker, plan.endpoint, ended, progress, clock)


def _watch(
    sagemaker: SageMakerClient,
    name: str,
    settled: Callable[[State | None], bool],
    progress: Progress,
    clock: Clock,
) -> State | None:
    return wait_for(
        lambda: look(sagemaker, name),
        settled=settled,
        say=lambda state: f"endpoint {name}: {state.status if state else 'gone'}",
        progress=progress,
        clock=clock,
        timeout=_TIMEOUT,
    )


def _create_model(sagemaker: SageMakerClient, plan: Plan) -> None:
    try:
        sagemaker.describe_model(ModelName=plan.model_name)
    except sagemaker.exceptions.ClientError as error:
        if not _is_missing(error):
            raise
        sagemaker.create_model(
            ModelName=plan.model_name,
            ExecutionRoleArn=plan.role,
            PrimaryContainer={
                "Image": plan.image,
                "ModelDataUrl": plan.archive_uri,
                "Environment": CONTAINER_ENVIRONMENT,
            },
            Tags=_as_list(plan.tags),
        )


def _create_config(sagemaker: SageMakerClient, plan: Plan) -> None:
    variant: Any = {
        "VariantName": VARIANT,
        "ModelName": plan.model_name,
        "InstanceType": plan.instance_type,
        "InitialInstanceCount": plan.instance_count,
        "ContainerStartupHealthCheckTimeoutInSeconds": STARTUP_SECONDS,
    }
    try:
        sagemaker.describe_endpoint_config(EndpointConfigName=plan.config_name)
    except sagemaker.exceptions.ClientError as error:
        if not _is_missing(error):
            raise
        sagemaker.create_endpoint_config(
            EndpointConfigName=plan.config_name, ProductionVariants=[variant], Tags=_as_list(plan.tags)
        )


def _apply(sagemaker: SageMakerClient, plan: Plan, *, update: bool, clock: Clock) -> None:
    """Create or update the endpoint; again, while AWS does not yet find what was made a moment ago."""
    blue_green: Any = _BLUE_GREEN
    for attempt in range(1, _TRIES + 1):
        try:
            if update:
                sagemaker.update_endpoint(
                    EndpointName=plan.endpoint,
                    EndpointConfigName=plan.config_name,
                    DeploymentConfig=blue_green,
                )
            else:
                sagemaker.create_endpoint(
                    EndpointName=plan.endpoint,
                    EndpointConfigName=plan.config_name,
                    Tags=_as_list(plan.tags),
                )
        except sagemaker.exceptions.ClientError as error:
            if attempt == _TRIES or not _is_missing(error):
                raise
            clock.sleep(_PAUSE)
        else:
            return


def _retag(sagemaker: SageMakerClient, plan: Plan, state: State) -> None:
    """Make the endpoint's tags say what it serves now. They are left alone where they do."""
    found = tags_of(sagemaker, state)
    gone = [key for key in ("model-name", "model-version", "run-id") if key in found and key not in plan.tags]
    if gone:
        sagemaker.delete_tags(ResourceArn=state.arn, TagKeys=gone)
    if any(found.get(key) != value for key, value in plan.tags.items()):
        sagemaker.add_tags(ResourceArn=state.arn, Tags=_as_list(plan.tags))


def _made_for(plan: Plan) -> Belongings:
    return Belongings(frozenset({plan.config_name}), frozenset({plan.model_name}), frozenset({plan.archive_uri}))


def _tidy(clients: Clients, environment: Environment, plan: Plan, unwanted: Belongings, *, progress: Progress) -> None:
    """Remove what is not wanted any more; failing to is said, and is no failure of the deployment."""
    try:
        belongings.remove(clients, environment, plan.endpoint, unwanted)
    except clients.sagemaker.exceptions.ClientError as error:
        progress(f"could not tidy up: {error_message(error) or error_code(error)}")


def _failure(
    clients: Clients,
    plan: Plan,
    *,
    before: State | None,
    after: State | None,
    old_streams: Collection[str],
) -> PlatformError:
    lines = container_log.tail(clients.logs, plan.endpoint, except_for=old_streams)
    reason = container_log.cause(lines) or (after.reason if after else "it was deleted meanwhile")
    if before is None:
        what_now = "everything made for it has been removed"
    elif after and after.status == "InService":
        what_now = "what served before goes on serving"
    else:
        what_now = f"the endpoint is {after.status if after else 'gone'}: deploy a model that works"
    return PlatformError(
        f"the model did not start on {plan.endpoint} ({reason or 'AWS gives no reason'}); {what_now}",
        [f"log of {container_log.group(plan.endpoint)}:", *lines] if lines else [],
    )


def _refused(plan: Plan, error: Exception) -> PlatformError:
    """AWS's refusal of the model, the configuration or the endpoint, in words that help."""
    message = error_message(error)
    if error_code(error) == "ValidationException":
        if "instanceType" in message:
            return InputError(f"AWS knows no instance type {plan.instance_type}: see --instance-type")
        if plan.image in message or "image" in message.lower():
            return PreconditionError(
                f"AWS cannot use the image {plan.image} ({message.strip().rstrip('.')}): push one with "
                "`mlflow sagemaker build-and-push-container`, or give --image-uri"
            )
    return explain(error) or PlatformError(message)


def _is_missing(error: Exception) -> bool:
    code, message = error_code(error), error_message(error).lower()
    return code in {"ResourceNotFound", "ResourceNotFoundException"} or (
        code == "ValidationException" and ("could not find" in message or "does not exist" in message)
    )


def _as_list(tags: Mapping[str, str]) -> Any:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
