"""SageMaker: gives moto the operations that localaws's own parts implement (tracking servers, endpoints, packages).

Each of them is checked against botocore's service model first; handlers receive the caller.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.sagemaker.exceptions import SagemakerClientError
from moto.sagemaker.models import FakeEndpointConfig, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from localaws.call import current_call
from localaws.constraints import check
from localaws.errors import AwsError
from localaws.jobs.listing import DEFAULT, matching
from localaws.moto_methods import original
from localaws.pages import page, paged_operations
from localaws.quotas.tags import MOST
from localaws.services.context import Caller, Check, Extension, Handler, Operations, ServiceContext

# ListTags has no smaller page: "Valid Range: Minimum value of 50." The others default to 10 (API_ListModels,
# API_ListEndpoints and others: "This value defaults to 10").
MOST_TAGS = 50
# moto says that these jobs have ended, and they have made nothing.
_NOT_RUN = ("CreateAutoMLJobV2", "CreateCompilationJob")
# A method of moto's response class.
Method = Callable[[Any], Any]


def install(context: ServiceContext) -> None:
    """Adds and replaces operations of moto's SageMaker."""
    for operations in context.sagemaker:
        for name, handler in operations.handlers.items():
            _set(name, _handled(name, handler, operations))
        for name, checking in operations.checks.items():
            _set(name, _checked(name, checking, _moto(name), operations))
        for name, extension in operations.extensions.items():
            _set(name, _extended(extension, _moto(name), operations))
    _list_by_filters()
    for name in _NOT_RUN:
        _set(name, _refused)
    for name in paged_operations("sagemaker"):
        if hasattr(SageMakerResponse, camelcase_to_underscores(name)):
            page(SageMakerResponse, "sagemaker", name, MOST_TAGS if name == "ListTags" else DEFAULT)
    SageMakerModelBackend.add_tags = _add_tags
    SageMakerModelBackend._get_resource_from_arn = _found(SageMakerModelBackend._get_resource_from_arn)
    # moto's list of instance types is years old; the service model's enum is checked instead.
    FakeEndpointConfig.validate_instance_type = lambda _self, _type: None


def _moto(operation: str) -> Method:
    method: Method = getattr(SageMakerResponse, camelcase_to_underscores(operation))
    return method


def _set(operation: str, method: Method) -> None:
    setattr(SageMakerResponse, camelcase_to_underscores(operation), method)


def _handled(operation: str, handler: Handler, operations: Operations) -> Method:
    def respond(self: Any) -> ActionResult:
        check("sagemaker", operation, json.loads(self.body or "{}"))
        with operations.lock:
            return ActionResult(handler(_caller(self), dict(self.params)))

    return respond


def _checked(operation: str, checking: Check, moto: Method, operations: Operations) -> Method:
    def respond(self: Any) -> Any:
        check("sagemaker", operation, json.loads(self.body or "{}"))
        with operations.lock:
            checking(_caller(self), dict(self.params))
            return moto(self)

    return respond


def _extended(extension: Extension, moto: Method, operations: Operations) -> Method:
    def respond(self: Any) -> ActionResult:
        with operations.lock:
            response: ActionResult = moto(self)
            return ActionResult(extension(_caller(self), dict(self.params), response.result))

    return respond


def _caller(response: Any) -> Caller:
    return Caller(current_call.get().principal, response.region)


def _list_by_filters() -> None:
    """These lists have the filters and the order of the request, and `page` their pages.

    moto returns all models, and by default the oldest endpoints and configurations first. "The default is Descending":
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListEndpoints.html, API_ListEndpointConfigs.html
    """
    lists: dict[str, tuple[str, str, Callable[[Any], list[dict[str, Any]]]]] = {
        "ListModels": ("Models", "Model", lambda backend: [one.response_object for one in backend.list_models()]),
        "ListEndpoints": (
            "Endpoints",
            "Endpoint",
            lambda backend: [one.summary() for one in list(backend.endpoints.values())],
        ),
        "ListEndpointConfigs": (
            "EndpointConfigs",
            "EndpointConfig",
            lambda backend: [one.summary() for one in list(backend.endpoint_configs.values())],
        ),
    }
    for operation, (member, noun, items) in lists.items():
        _set(operation, _listed(member, noun, items))


def _refused(_response: Any) -> Any:
    raise NotImplementedError("moto would say that the job has ended, without running it")


def _listed(member: str, noun: str, items: Callable[[Any], list[dict[str, Any]]]) -> Method:
    def respond(self: Any) -> ActionResult:
        if self._get_param("NextToken"):  # `page` takes its own tokens out of the request.
            raise AwsError("ValidationException", "The NextToken is not valid.")
        return ActionResult({member: matching(items(self.sagemaker_backend), dict(self.params), noun)})

    return respond


def _found(moto: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """The resource of an ARN; an ARN that moto cannot look up is an error of the caller."""
    find = original(moto)

    @wraps(find)
    def find_or_refuse(self: Any, arn: str) -> Any:
        resource = None
        with suppress(ValueError, AttributeError, KeyError):
            resource = find(self, arn)
        if resource is None:
            raise SagemakerClientError("ValidationException", f"Could not find {arn.rpartition(':')[2]}.")
        return resource

    return find_or_refuse


def _add_tags(self: Any, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
    """Replaces a tag that has the same key, as AWS does; moto appends a second one. A resource has at most 50."""
    resource = self._get_resource_from_arn(arn)
    merged = list({tag["Key"]: tag for tag in [*resource.tags, *tags]}.values())
    if len(merged) > MOST:
        message = f"The resource would have {len(merged)} tags. At most {MOST} are allowed."
        raise SagemakerClientError("ValidationException", message)
    resource.tags = merged
    return merged


def keep_tags_of(kind: str, find: Callable[[str], Any]) -> None:
    """Lets SageMaker's tag operations find resources that moto does not hold.

    Args:
        kind: the resource type in the ARN, such as `mlflow-tracking-server`.
        find: the resource of an ARN; it has a list `tags`. None if there is no such resource.
    """
    moto = SageMakerModelBackend._get_resource_from_arn

    def find_any(self: Any, arn: str) -> Any:
        if f":{kind}/" not in arn:
            return moto(self, arn)
        resource = find(arn)
        if resource is None:
            raise SagemakerClientError("ResourceNotFound", f"Resource with ARN {arn} does not exist.")
        return resource

    SageMakerModelBackend._get_resource_from_arn = find_any
