"""Quotas of KMS: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html."""

from typing import Any

from localaws.errors import AwsError
from localaws.quotas import key_states

# moto looks for the key of all other operations.
_GRANTS = frozenset({"CreateGrant", "ListGrants", "RevokeGrant"})
KEY_POLICY_BYTES = 32768
# https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html (PendingWindowInDays)
PENDING_DAYS = range(7, 31)


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse what the key's state does not allow, and values beyond a limit.

    "The alias name cannot begin with alias/aws/": https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html

    Raises:
        AwsError: with KMS's code.
    """
    key_states.check(response.kms_backend, operation, given)
    if operation == "CreateAlias" and given["AliasName"].startswith("alias/aws/"):
        raise AwsError("NotAuthorizedException", "The prefix alias/aws/ is reserved for AWS.")
    if operation in _GRANTS and response.kms_backend.get_key_id(given["KeyId"]) not in response.kms_backend.keys:
        raise AwsError("NotFoundException", f"Key '{given['KeyId']}' does not exist")
    spec = given.get("KeySpec") or "SYMMETRIC_DEFAULT"
    if operation == "CreateKey" and spec != "SYMMETRIC_DEFAULT" and not given.get("KeyUsage"):
        # API_CreateKey (KeyUsage): "This parameter is optional when you are creating a symmetric encryption KMS key;
        # otherwise, it is required."
        raise AwsError("ValidationException", f"You must specify a KeyUsage value for the KeySpec {spec}.")
    if operation == "EnableKeyRotation":
        _check_rotation(response.kms_backend, given["KeyId"])
    days = given.get("PendingWindowInDays")
    if operation == "ScheduleKeyDeletion" and days is not None and days not in PENDING_DAYS:
        raise AwsError("ValidationException", "PendingWindowInDays must be between 7 and 30.")
    if len((given.get("Policy") or "").encode()) > KEY_POLICY_BYTES:
        raise AwsError("LimitExceededException", f"The key policy exceeds {KEY_POLICY_BYTES} bytes.")


def _check_rotation(backend: Any, name: str) -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html: symmetric encryption keys only."""
    key = backend.keys.get(backend.get_key_id(name))
    if key is not None and key.key_spec != "SYMMETRIC_DEFAULT":
        raise AwsError("UnsupportedOperationException", f"{key.arn} is not a symmetric encryption key.")
