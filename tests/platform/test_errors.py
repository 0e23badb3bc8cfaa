"""Errors of AWS, MLflow and the operating system become one line with the right exit status."""

import pytest
import requests
from boto3.exceptions import S3UploadFailedError
from botocore import exceptions as botocore
from mlflow.exceptions import MlflowException, RestException

from mlflow_common.errors import InputError, explain


def client_error(code: str, message: str = "a message.") -> botocore.ClientError:
    return botocore.ClientError({"Error": {"Code": code, "Message": message}}, "DescribeEndpoint")


def failed_upload() -> Exception:
    try:
        try:
            raise client_error("AccessDenied")
        except botocore.ClientError as error:
            raise S3UploadFailedError(f"Failed to upload x: {error}")  # noqa: B904 as boto3 does
    except S3UploadFailedError as error:
        return error


@pytest.mark.parametrize(
    ("error", "status", "part"),
    [
        (client_error("ExpiredToken"), 3, "AWS refuses these credentials (ExpiredToken). Log in"),
        (client_error("InvalidClientTokenId"), 3, "AWS refuses these credentials"),
        (client_error("AccessDeniedException", "no permission."), 3, "AWS denies DescribeEndpoint: no permission"),
        (client_error("403", ""), 3, "AWS denies DescribeEndpoint: these credentials may not do this"),
        (client_error("ThrottlingException"), 1, "AWS throttles DescribeEndpoint"),
        (client_error("NoSuchBucket"), 3, "Create it with `make apply`."),
        (client_error("ResourceLimitExceeded"), 1, "an AWS quota is exhausted: a message"),
        (client_error("InternalFailure"), 1, "DescribeEndpoint failed (InternalFailure): a message"),
        (botocore.NoCredentialsError(), 3, "there are no AWS credentials. Log in"),
        (botocore.PartialCredentialsError(provider="env", cred_var="x"), 3, "there are no AWS credentials"),
        (botocore.ProfileNotFound(profile="work"), 3, "Set AWS_PROFILE to one of"),
        (botocore.EndpointConnectionError(endpoint_url="http://x"), 3, "Check the network"),
        (botocore.ReadTimeoutError(endpoint_url="http://x"), 3, "Check the network"),
        (
            ValueError("Invalid endpoint: localhost"),
            3,
            "Invalid endpoint: localhost. Correct or unset AWS_ENDPOINT_URL",
        ),
        (botocore.ParamValidationError(report="Invalid length"), 1, "Parameter validation failed"),
        (MlflowException("no such run", error_code=7), 1, "the tracking server says: no such run"),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No run"}), 2, "says: No run"),
        (RestException({"error_code": "PERMISSION_DENIED", "message": "no"}), 3, "refuses these credentials: no"),
        (MlflowException("API request to http://x failed: Max retries exceeded"), 3, "cannot be reached"),
        (
            MlflowException("Max retries exceeded: too many 500 error responses"),
            1,
            "answered every request with HTTP 500",
        ),
        (RestException({"__type": "AccessDeniedException", "message": "not you"}), 3, "AWS denies the tracking"),
        (RestException({"__type": "a.b#ThrottlingException", "message": ""}), 1, "AWS throttles the tracking"),
        (failed_upload(), 3, "AWS denies DescribeEndpoint: a message"),
        (S3UploadFailedError("Failed to upload x"), 1, "Failed to upload x"),
        (requests.exceptions.ConnectionError("refused"), 3, "the tracking server cannot be reached: refused"),
        (InputError("as it is"), 2, "as it is"),
        (PermissionError(13, "Permission denied", "reports"), 3, "reports cannot be used (Permission denied). Check"),
        (NotADirectoryError(20, "Not a directory", "file/x"), 3, "file/x cannot be used (Not a directory)"),
        (OSError(28, "No space left on device", "/tmp/x"), 3, "the disk is full (/tmp/x). Free some space"),
        (OSError(24, "Too many open files"), 1, "Too many open files."),
    ],
)
def test_every_known_error_becomes_one_line_with_its_status(error: Exception, status: int, part: str) -> None:
    explained = explain(error)
    assert explained is not None
    assert part in explained.message
    assert "\n" not in explained.message
    assert explained.status == status


def test_an_unknown_error_is_not_explained() -> None:
    assert explain(KeyError("x")) is None
