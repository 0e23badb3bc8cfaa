"""Checks every request of the services below against botocore's model and AWS's quotas, before moto handles it."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model

from localaws.constraints import check as check_model
from localaws.errors import AwsError
from localaws.quotas import (
    budgets,
    cloudwatch,
    ecr,
    events,
    held_tags,
    iam,
    kms,
    logs,
    resource_policies,
    s3,
    sns,
    sqs,
    ssm,
    sts,
)
from localaws.quotas.tags import check_tags

# Takes moto's response object, the operation and the parsed request. Raises AwsError.
Quota = Callable[[Any, str, dict[str, Any]], None]

QUOTAS: Mapping[str, Quota] = {
    "budgets": budgets.check,
    "cloudwatch": cloudwatch.check,
    "ecr": ecr.check,
    "events": events.check,
    "iam": iam.check,
    "kms": kms.check,
    "logs": logs.check,
    "sns": sns.check,
    "sqs": sqs.check,
    "ssm": ssm.check,
    "sts": sts.check,
}
# Services whose operations are checked. SageMaker's own operations are checked in `localaws.services.sagemaker` too.
SERVICES = frozenset(
    {"budgets", "cloudwatch", "codebuild", "ecr", "events", "iam", "kms", "logs", "sagemaker", "scheduler"}
    | {"application-autoscaling", "codepipeline", "sns", "sqs", "ssm", "sts"}
)
# Services of which every operation is checked: localaws implements them, or a use depends on the resource's state.
_WHOLE = frozenset({"application-autoscaling", "codepipeline", "kms"})
# Services of which only the tags are checked.
TAGGED = frozenset({"cloudtrail", "codecommit", "stepfunctions"})
# The code of a request that breaks the service's model, where it is not ValidationException.
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
MODEL_ERRORS: Mapping[str, str] = {
    "iam": "ValidationError",
    "sts": "ValidationError",
    "sns": "InvalidParameter",
    "sqs": "InvalidParameterValue",
    "cloudwatch": "ValidationError",
    "codebuild": "InvalidInputException",
    "ecr": "InvalidParameterException",
    "logs": "InvalidParameterException",
}
# Created, changed or tagged: only such requests are checked. A wrong name in any other request is simply not found.
_WRITES = ("Add", "Attach", "Create", "Put", "Register", "Set", "Tag", "Update")
# Further requests that are checked. In SageMaker's lists, moto ignores unknown orders and statuses, and limits.
_ALSO = {"iam": ("Delete",), "sagemaker": ("List",), "sns": ("Subscribe",), "sts": ("Assume", "Get")}


def install() -> None:
    """Make moto check requests before it handles them. Call it once for each process."""
    call_action = BaseResponse.call_action

    def checked(self: Any) -> Any:
        try:
            _check(self)
        except AwsError as error:
            status, headers, body = self.serialized(ActionResult(_RefusedError(error.code, error.message)))
            # The model gives the status of the errors that it knows.
            return (error.status if status == 400 else status), headers, body
        return call_action(self)

    BaseResponse.call_action = checked
    s3.install()


class _RefusedError(ServiceException):  # type: ignore[misc]
    """moto finds an error's service by the module of its class, so moto's own class cannot be raised here."""


def _check(response: Any) -> None:
    service, operation = response.boto3_service_name, response._get_action()
    if service not in SERVICES | TAGGED or not operation:
        return
    if service not in _WHOLE and not operation.startswith((*_WRITES, *_ALSO.get(service, ()))):
        return
    model = get_service_model(service)
    if operation not in model.operation_names:
        return
    given = _parsed(response, model, operation)
    if service in SERVICES:
        _check_model(service, operation, given)
    check_tags(service, given)
    held_tags.check(response, service, operation, given)
    if service in QUOTAS:
        QUOTAS[service](response, operation, given)
    resource_policies.check(response, service, operation, given)


def _check_model(service: str, operation: str, given: dict[str, Any]) -> None:
    try:
        check_model(service, operation, given)
    except AwsError as error:
        if error.code == "ValidationException":
            error.code = MODEL_ERRORS.get(service, error.code)
        raise


def _parsed(response: Any, model: Any, operation: str) -> dict[str, Any]:
    """The request as botocore's model shapes it; moto keeps it only for some services."""
    request = response.normalized_request
    protocol = determine_request_protocol(model, request.content_type)
    parser = PROTOCOL_PARSERS[protocol](model.operation_model(operation), map_type=dict)
    found: dict[str, Any] = parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": response.uri_match,
        }
    )
    return found
