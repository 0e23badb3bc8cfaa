"""Checks every request against botocore's model, and those of the services below against AWS's quotas, before moto.

Requests in XML (S3, Route 53) and EC2's are not checked: see `localaws.quotas.s3_requests`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import UnknownServiceError
from moto.core.exceptions import ServiceException
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model

from localaws.constraints import CHECKED_PROTOCOLS
from localaws.constraints import check as check_model
from localaws.errors import AwsError
from localaws.quotas import (
    budgets,
    cloudwatch,
    ecr,
    events,
    function_targets,
    functions,
    held_tags,
    iam,
    kms,
    logs,
    resource_policies,
    s3,
    scaling_policies,
    sns,
    sqs,
    ssm,
    sts,
)
from localaws.quotas.tags import check_tags

# Takes moto's response object, the operation and the parsed request. Raises AwsError.
Quota = Callable[[Any, str, dict[str, Any]], None]

QUOTAS: Mapping[str, Quota] = {
    "application-autoscaling": scaling_policies.check,
    "budgets": budgets.check,
    "cloudwatch": cloudwatch.check,
    "ecr": ecr.check,
    "events": events.check,
    "iam": iam.check,
    "kms": kms.check,
    "lambda": functions.check,
    "logs": logs.check,
    "sns": sns.check,
    "sqs": sqs.check,
    "ssm": ssm.check,
    "sts": sts.check,
}
# The code of a request that breaks the service's model, where it is not ValidationException (query: ValidationError).
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
MODEL_ERRORS: Mapping[str, str] = {
    "sns": "InvalidParameter",
    "sqs": "InvalidParameterValue",
    "cloudwatch": "ValidationError",  # Its newer protocols have this code too.
    "codebuild": "InvalidInputException",
    "ecr": "InvalidParameterException",
    "logs": "InvalidParameterException",
}
# Requests that give no resource any tags.
_UNTAGGED = ("BatchGet", "Delete", "Describe", "Get", "List", "Remove", "Search", "Untag")


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
    if not operation:
        return
    try:
        model = get_service_model(service)
    except UnknownServiceError:
        return
    if operation not in model.operation_names or model.resolved_protocol not in CHECKED_PROTOCOLS:
        return
    if model.operation_model(operation).input_shape is None:
        return
    given = _parsed(response, model, operation)
    _check_model(service, model.resolved_protocol, operation, given)
    if not operation.startswith(_UNTAGGED):
        check_tags(service, given)
    held_tags.check(response, service, operation, given)
    function_targets.check(service, operation, given)
    if service in QUOTAS:
        QUOTAS[service](response, operation, given)
    resource_policies.check(response, service, operation, given)


def _check_model(service: str, protocol: str, operation: str, given: dict[str, Any]) -> None:
    try:
        check_model(service, operation, given)
    except AwsError as error:
        if error.code == "ValidationException":
            if service == "sqs" and "'attributes'" in error.message:
                # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
                raise AwsError("InvalidAttributeName", error.message) from None
            error.code = MODEL_ERRORS.get(service) or ("ValidationError" if protocol == "query" else error.code)
        raise


def _parsed(response: Any, model: Any, operation: str) -> dict[str, Any]:
    """The request as botocore's model shapes it; moto keeps it only for some services."""
    request = response.normalized_request
    protocol = determine_request_protocol(model, request.content_type)
    parser = PROTOCOL_PARSERS[protocol](model.operation_model(operation), map_type=dict)
    sent = {
        "method": request.method,
        "values": request.values,
        "headers": request.headers,
        "body": request.data,
        "url_path": request.path,
        "url_params": response.uri_match,
    }
    try:
        found: dict[str, Any] = parser.parse(sent)
    except ValueError as error:
        if protocol != "query":
            raise
        # Such as a text where the model has a number.
        code = MODEL_ERRORS.get(response.boto3_service_name, "ValidationError")
        raise AwsError(code, f"A parameter of the request has the wrong type: {error}") from None
    return found
