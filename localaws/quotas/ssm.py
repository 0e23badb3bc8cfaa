"""Quotas of Systems Manager: https://docs.aws.amazon.com/general/latest/gr/ssm.html."""

import re
from typing import Any

from localaws.errors import AwsError
from localaws.references import check_key

# Bytes of a parameter's value, by tier.
VALUE_BYTES = {"Standard": 4096, "Advanced": 8192}


# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html (Name, Value, Tier)
_NAME = re.compile(r"[\w./-]+", re.ASCII)
LEVELS = 15
_NESTED = re.compile(r"\{\{[^{}]*\}\}")


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a parameter whose name, value or tier AWS does not take.

    Raises:
        AwsError: with the code of Systems Manager.
    """
    if operation == "GetParametersByPath" and not given["Path"].startswith("/"):
        raise _refusal('The parameter doesn\'t meet the parameter name requirements. It must begin with "/".')
    if operation != "PutParameter":
        return
    key = given.get("KeyId") if given.get("Type") == "SecureString" else None
    check_key(response.current_account, response.region, key, "InvalidKeyId")
    _check_name(given["Name"].strip())
    # moto's dictionary finds `/a` as `a`, but not with `get`.
    parameters, name = response.ssm_backend._parameters, given["Name"]
    held = parameters[name] if name in parameters else None  # noqa: SIM401
    former = held[-1].tier if held else None
    tier = given.get("Tier") or former or "Standard"
    limit = VALUE_BYTES.get(tier, VALUE_BYTES["Advanced"])
    value = given.get("Value") or ""
    if len(value.encode()) > limit:
        raise _refusal(f"{tier} tier parameters support a maximum parameter value of {limit} characters.")
    if former == "Advanced" and tier == "Standard":
        raise _refusal("An advanced parameter cannot become a standard parameter. Delete it and create it again.")
    if given.get("Policies") and tier == "Standard":
        raise _refusal("Standard parameters cannot have parameter policies.")
    if _NESTED.search(value):
        raise _refusal("A value cannot contain text in double brackets {{}}, because parameters cannot be nested.")
    _check_pattern(given.get("AllowedPattern"), value)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or ("/" in name and not name.startswith("/")) or "//" in name or name.endswith("/"):
        raise _refusal(
            f"The parameter name {name} is not valid. Use a-z, A-Z, 0-9 and _.-; "
            "a name with / must begin with / and not end with it."
        )
    if name.count("/") > LEVELS:
        message = f"A hierarchy has at most {LEVELS} levels."
        raise AwsError("HierarchyLevelLimitExceededException", message)


def _check_pattern(pattern: str | None, value: str) -> None:
    if not pattern or r"\p" in pattern.lower():  # AWS takes Java's expressions. Python does not read their \p{Alpha}.
        return
    try:
        matches = re.search(pattern, value)
    except re.error:
        raise AwsError("InvalidAllowedPatternException", "AllowedPattern is not a regular expression.") from None
    if not matches:
        message = f"Parameter value, cannot be validated against allowedPattern: {pattern}"
        raise AwsError("ParameterPatternMismatchException", message)


def _refusal(message: str) -> AwsError:
    return AwsError("ValidationException", message)
