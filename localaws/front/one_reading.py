"""Refuses requests that could be read in two ways.

localaws derives the permissions of a call, and moto reads the request again to carry it out. Where moto would find
another operation or another resource, such as in a second parameter of the same name, the call would do what no policy
allows. No AWS client sends such requests, and AWS documents no answer to them; the codes are those for malformed
requests in https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from moto.core.utils import get_service_model

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.members import located

FORM = "application/x-www-form-urlencoded"
# Parameters of a signature in the URL, and the one with which SDKs name the operation of a URL.
_SIGNATURE, _NAME = "X-Amz-", "x-id"
# By service, the error's code and the parameters of which a request has one. Sources:
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html and
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_ALTERNATIVES = {
    "logs": ("InvalidParameterException", "logGroupName", "logGroupIdentifier"),
    "sns": ("InvalidParameter", "TopicArn", "TargetArn", "PhoneNumber"),
}


def check(call: Call) -> None:
    """Checks an identified request.

    Raises:
        AwsError: its operation or its parameters are ambiguous.
    """
    given = [name for name, _ in parse_qsl(call.query, keep_blank_values=True)]
    asked = [name for name in given if not name.startswith(_SIGNATURE) and name != _NAME]
    if call.service == "s3":
        _check_s3(call, asked)
    elif call.protocol in ("query", "ec2"):
        _check_form(call, asked)
    elif call.model is not None:
        _check_json(call, asked)
    _check_alternatives(call)


def _check_alternatives(call: Call) -> None:
    """The resource is named once."""
    code, *names = _ALTERNATIVES.get(call.service, ("",))
    given = [name for name in names if call.parameters.get(name)]
    if len(given) > 1:
        raise _refused(code, f"Specify only one of {', '.join(given)}.")
    queue = str(call.parameters.get("QueueUrl") or "")
    if call.service == "sqs" and queue and call.path.strip("/") and urlsplit(queue).path != call.path:
        raise _refused("InvalidParameterValue", "The address of the request is of another queue than QueueUrl.")


def _check_form(call: Call, asked: list[str]) -> None:
    """Parameters are in the URL or in a form in the body, and each has one value."""
    if call.body and not call.headers.get("content-type", "").lower().startswith(FORM):
        raise _refused("InvalidQueryParameter", f"Send the parameters as {FORM}.")
    names = [name for name, _ in parse_qsl((call.body or b"").decode(errors="replace"), keep_blank_values=True)]
    if names and asked:
        raise _refused("InvalidQueryParameter", "The request has parameters in the URL and in the body.")
    _check_repeated(names or asked, "InvalidQueryParameter")


def _check_json(call: Call, asked: list[str]) -> None:
    """The URL has only parameters that belong there, and each but lists has one value."""
    known = located(call.model)
    constants = {name for name, _ in _constants(call.model)}
    unknown = [name for name in asked if name not in known and name not in constants]
    if unknown and not any(shape.type_name == "map" for shape in known.values()):
        raise _refused("ValidationException", f"{call.operation} takes no parameter {unknown[0]} in the URL.")
    single = [name for name in asked if name not in known or known[name].type_name not in ("list", "map")]
    _check_repeated(single, "ValidationException")


def _check_s3(call: Call, asked: list[str]) -> None:
    """The path has one bucket. Each parameter has one value, and at most one of them selects the operation."""
    if call.raw_path.startswith("//") or "/" in call.parameters.get("Bucket", ""):
        raise _refused("InvalidBucketName", "The specified bucket is not valid.")
    _check_repeated(asked, "InvalidArgument")
    selecting = sorted(set(asked) & _selectors())
    if len(selecting) > 1:
        raise _refused("InvalidArgument", f"The request names several operations: {', '.join(selecting)}.")


def _check_repeated(names: Iterable[str], code: str) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise _refused(code, f"The request has {times} values of {name}.")


def _constants(model: Any) -> list[tuple[str, str]]:
    """The fixed parameters in the URL of an operation, such as `acl` of `/{Bucket}?acl`."""
    return parse_qsl(model.http["requestUri"].partition("?")[2], keep_blank_values=True)


@cache
def _selectors() -> frozenset[str]:
    """The parameters by which S3 knows the operation."""
    service = get_service_model("s3")
    models = [service.operation_model(name) for name in service.operation_names]
    fixed = {name for model in models for name, value in _constants(model) if not value}
    return frozenset(fixed | {"uploadId"}) - {_NAME}


def _refused(code: str, message: str) -> AwsError:
    return AwsError(code, message, 400)
