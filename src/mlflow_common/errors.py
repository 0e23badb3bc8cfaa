"""Errors as one line: what is wrong and what to do, with an exit status for programs.

`explain` turns the errors of boto3, MLflow, requests and the operating system into such lines. It recognises them by
class names, so that it imports none of these libraries.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from typing import Any

FAILED = 1
WRONG_INPUT = 2
NOT_READY = 3


class PlatformError(Exception):
    """The work failed. `details` are further lines, such as the end of a log."""

    status = FAILED

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class InputError(PlatformError):
    """The input is invalid, or names something that does not exist."""

    status = WRONG_INPUT


class PreconditionError(PlatformError):
    """A precondition is not met: something must be deployed, started or logged in first."""

    status = NOT_READY


_CREDENTIALS_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
_THROTTLED = {
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_LOG_IN = "Log in (`aws sso login`) or set AWS_PROFILE, then try again."
_STATUS = "`.venv/bin/python scripts/server.py status` shows its state."
_SAME_ANSWER = re.compile(r"too many (\d+) error responses")
_UNREACHABLE = {
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "EndpointConnectionError",
    "ProxyConnectionError",
    "ReadTimeoutError",
}


def explain(error: BaseException) -> PlatformError | None:
    """Return the error as a PlatformError, or None for an unknown kind of error."""
    if isinstance(error, PlatformError):
        return error
    names = {cls.__name__ for cls in type(error).__mro__}
    if "ClientError" in names:
        return _explain_client_error(error)
    if names & {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}:
        return PreconditionError(f"there are no AWS credentials. {_LOG_IN}")
    if names & {"SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError"}:
        return PreconditionError(f"the AWS login has expired. {_LOG_IN}")
    if "ProfileNotFound" in names:
        return PreconditionError(f"{first_line(error)}. Set AWS_PROFILE to one of `aws configure list-profiles`.")
    if names & _UNREACHABLE:
        return PreconditionError(f"{first_line(error)}. Check the network, the region and AWS_ENDPOINT_URL.")
    if "MlflowException" in names:
        return _explain_mlflow_error(error)
    if "Boto3Error" in names and error.__context__:
        # boto3 wraps S3's answer to a transfer.
        return explain(error.__context__)
    if "BotoCoreError" in names or "Boto3Error" in names:
        return PlatformError(first_line(error))
    if isinstance(error, ValueError) and str(error).startswith("Invalid endpoint: "):  # of botocore's create_client
        return PreconditionError(f"{first_line(error)}. Correct or unset AWS_ENDPOINT_URL.")
    if "RequestException" in names:
        return PreconditionError(f"the tracking server cannot be reached: {first_line(error)}")
    if isinstance(error, OSError) and (error.errno is not None or error.filename is not None):
        return _explain_os_error(error)
    return None


def error_code(error: BaseException) -> str:
    """The code of a botocore ClientError (`ValidationException`, …); empty for any other error."""
    return str(_response(error).get("Code", ""))


def is_not_found(error: BaseException) -> bool:
    """Whether it is the ClientError for a resource that does not exist. Services write the code in one of two ways."""
    return error_code(error) in {"ResourceNotFound", "ResourceNotFoundException"}


def is_denied(error: BaseException) -> bool:
    """Whether it is the ClientError for a call that the caller may not make."""
    return error_code(error) in _DENIED


def error_message(error: BaseException) -> str:
    """The message of a botocore ClientError; empty for any other error."""
    return str(_response(error).get("Message", ""))


def reason(error: BaseException) -> str:
    """Why something failed, in one line, for unknown kinds of errors too."""
    known = explain(error)
    return known.message if known else f"{type(error).__name__}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """The first line of the error's message, without a full stop at its end.

    A line that ends with a colon is a heading ("Parameter validation failed:"): the next line follows it.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1]).rstrip(".")


def _response(error: BaseException) -> dict[str, Any]:
    response = getattr(error, "response", None)
    found: dict[str, Any] = response.get("Error", {}) if isinstance(response, dict) else {}
    return found


def _explain_os_error(error: OSError) -> PlatformError:
    """A file or folder that cannot be used; the error of a network connection stays as it is."""
    reason = error.strerror or first_line(error)
    if error.errno == errno.ENOSPC:
        return PreconditionError(f"the disk is full ({error.filename or reason}). Free some space and try again.")
    if error.filename is None:
        return PlatformError(f"{reason}.")
    return PreconditionError(f"{error.filename} cannot be used ({reason}). Check the path and its permissions.")


def _explain_client_error(error: BaseException) -> PlatformError:
    operation = getattr(error, "operation_name", "the request")
    return _explain_aws(error_code(error), error_message(error), operation)


def _explain_aws(code: str, message: str, operation: str) -> PlatformError:
    message = message.strip().rstrip(".")
    if code in _CREDENTIALS_REFUSED:
        return PreconditionError(f"AWS refuses these credentials ({code}). {_LOG_IN}")
    if code in _DENIED:
        return PreconditionError(f"AWS denies {operation}: {message or 'these credentials may not do this'}.")
    if code in _THROTTLED:
        return PlatformError(f"AWS throttles {operation} ({code}). Wait a minute and try again.")
    if code == "NoSuchBucket":
        return PreconditionError("the artifact bucket does not exist. Create it with `make apply`.")
    if code == "ResourceLimitExceeded":
        return PlatformError(f"an AWS quota is exhausted: {message}.")
    return PlatformError(f"{operation} failed ({code}): {message}.")


def _explain_mlflow_error(error: BaseException) -> PlatformError:
    code = str(getattr(error, "error_code", ""))
    message = first_line(error)
    # AWS's own answers, in front of the tracking server, are not in MLflow's form.
    answer = getattr(error, "json", None) or {}
    if "__type" in answer:
        aws_code = str(answer["__type"]).rpartition("#")[2]
        return _explain_aws(aws_code, str(answer.get("message", "")), "the tracking server's API")
    if code and message.startswith(f"{code}: "):
        message = message[len(code) + 2 :]
    if code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS"}:
        return InputError(f"the tracking server says: {message}")
    if code in {"PERMISSION_DENIED", "UNAUTHENTICATED"}:
        return PreconditionError(f"the tracking server refuses these credentials: {message}")
    if again := _SAME_ANSWER.search(str(error)):
        return PlatformError(f"the tracking server answered every request with HTTP {again[1]}. {_STATUS}")
    if "Max retries exceeded" in message or "Connection refused" in message:
        return PreconditionError(f"the tracking server cannot be reached. {_STATUS}")
    return PlatformError(f"the tracking server says: {message}")
