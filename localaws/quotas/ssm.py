"""Quotas of Systems Manager: https://docs.aws.amazon.com/general/latest/gr/ssm.html."""

from typing import Any

from localaws.errors import AwsError

# Bytes of a parameter's value, by tier.
VALUE_BYTES = {"Standard": 4096, "Advanced": 8192}


def check(_response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a parameter whose value is too long for its tier.

    Raises:
        AwsError: ValidationException.
    """
    if operation != "PutParameter":
        return
    tier = given.get("Tier") or "Standard"
    limit = VALUE_BYTES.get(tier, VALUE_BYTES["Advanced"])
    if len((given.get("Value") or "").encode()) > limit:
        raise AwsError(
            "ValidationException", f"{tier} tier parameters support a maximum parameter value of {limit} characters."
        )
