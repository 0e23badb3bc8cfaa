"""Checks that the AWS credentials of this process belong to the expected account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_common.errors import PreconditionError, error_code

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

    from mlflow_platform.environment import EnvironmentRef

_UNKNOWN_SESSION = {"ExpiredToken", "InvalidClientTokenId", "UnrecognizedClientException"}


def check_account(environment: EnvironmentRef, expected: str, sts: STSClient) -> None:
    """Check that the credentials belong to the account of the environment.

    Raises:
        PreconditionError: they belong to another account, or to a localaws that no longer runs.
    """
    try:
        account = sts.get_caller_identity()["Account"]
    except sts.exceptions.ClientError as error:
        if not environment.local or error_code(error) not in _UNKNOWN_SESSION:
            raise
        # The administrator's keys were read a moment ago, so only a role's session can be unknown.
        raise PreconditionError(
            "localaws does not know the role session in AWS_SESSION_TOKEN. Assume the role again, or unset "
            "AWS_SESSION_TOKEN to continue as the administrator."
        ) from None
    if account != expected:
        raise PreconditionError(
            f"the AWS credentials are for account {account}, but {environment.name} is in account {expected}. "
            f"Set AWS_PROFILE to a profile of account {expected}."
        )
