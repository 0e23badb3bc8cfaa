"""Quotas of KMS: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html."""

from typing import Any

from localaws.errors import AwsError

KEY_POLICY_BYTES = 32768


def check(_response: Any, _operation: str, given: dict[str, Any]) -> None:
    """Refuse a key policy that is too long.

    Raises:
        AwsError: LimitExceededException.
    """
    if len((given.get("Policy") or "").encode()) > KEY_POLICY_BYTES:
        raise AwsError("LimitExceededException", f"The key policy exceeds {KEY_POLICY_BYTES} bytes.")
