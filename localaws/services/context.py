"""The argument of each service's `install`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from localaws.builds.builds import Builds
from localaws.call import Call
from localaws.delivery.delivery import Delivery
from localaws.endpoints.autoscaling import Autoscaler
from localaws.endpoints.instance_quotas import InstanceQuotas
from localaws.functions.functions import Functions
from localaws.principals import Principals
from localaws.registry.blobs import Blobs
from localaws.registry.tokens import Tokens
from localaws.settings import Settings
from localaws.state_machines import StateMachines
from localaws.tracking.apps import MlflowApps


@dataclass(frozen=True)
class Caller:
    """The caller of an operation and the region. `principal` is an ARN."""

    principal: str
    region: str


# Takes the request and returns the response, both as botocore's model shapes them.
Handler = Callable[[Caller, dict[str, Any]], dict[str, Any]]
# Raises AwsError for a request that moto would accept and AWS refuses.
Check = Callable[[Caller, dict[str, Any]], None]
# Takes the request and moto's response; returns the response to send.
Extension = Callable[[Caller, dict[str, Any], dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Operations:
    """Operations that one part of localaws implements, by their names in AWS's API.

    Attributes:
        handlers: replace moto's implementation, or add one.
        checks: run before moto's implementation.
        extensions: run after moto's implementation.
        lock: held while one of them runs.
    """

    handlers: Mapping[str, Handler] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    extensions: Mapping[str, Extension] = field(default_factory=dict)
    lock: AbstractContextManager[Any] = field(default_factory=nullcontext)


@dataclass(frozen=True)
class ServiceContext:
    """The parts of localaws that services use."""

    settings: Settings
    principals: Principals
    builds: Builds
    state_machines: StateMachines
    registry_tokens: Tokens
    blobs: Blobs
    autoscaler: Autoscaler
    instance_quotas: InstanceQuotas
    mlflow_apps: MlflowApps
    guard: Callable[[Call], None]
    delivery: Delivery
    functions: Functions
    sagemaker: Sequence[Operations] = ()
