"""Parameters and capabilities that CloudFormation requires before it creates or updates a stack.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html and
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html (Capabilities). The messages:
https://github.com/ministackorg/ministack/pull/1648 (constraints) and
https://github.com/hashicorp/terraform/pull/14349 (capabilities). moto finds parameters without a value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from localaws.errors import AwsError

Parameters = Mapping[str, str | None]
_NAMED = {"GroupName", "InstanceProfileName", "ManagedPolicyName", "PolicyName", "RoleName", "UserName"}
# API_CreateStack lists the resources that need a capability.
_IAM = {
    "AWS::IAM::AccessKey",
    "AWS::IAM::Group",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::IAM::User",
    "AWS::IAM::UserToGroupAddition",
}
# UserName and GroupName refer to other resources here, and PolicyName is the name of an inline policy.
_UNNAMED = {"AWS::IAM::AccessKey", "AWS::IAM::Policy", "AWS::IAM::UserToGroupAddition"}


def check_parameters(template: dict[str, Any], given: Parameters) -> None:
    """Refuse parameters that the template does not have, and values that it does not allow.

    Raises:
        AwsError: ValidationError.
    """
    declared = _mapping(template.get("Parameters"))
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise AwsError("ValidationError", f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    defaults = {name: rule["Default"] for name, rule in declared.items() if _mapping(rule).get("Default") is not None}
    for name, value in {**defaults, **given}.items():
        if value is None:  # The previous value is used.
            continue
        rule = _mapping(declared[name])
        for problem in _problems(rule, str(value)):
            described = rule.get("ConstraintDescription")
            raise AwsError("ValidationError", f"Parameter '{name}' {described or problem}")


def check_capabilities(template: dict[str, Any], capabilities: Iterable[str]) -> None:
    """Refuse a template with IAM's resources unless the request acknowledges them.

    Raises:
        AwsError: InsufficientCapabilitiesException.
    """
    resources = map(_mapping, _mapping(template.get("Resources")).values())  # Fn::ForEach is a list.
    used = [one for one in resources if one.get("Type") in _IAM]
    named = any(one["Type"] not in _UNNAMED and _NAMED & set(_mapping(one.get("Properties"))) for one in used)
    enough = {"CAPABILITY_NAMED_IAM"} if named else {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}
    if used and not enough & set(capabilities):
        needed = "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")


def _problems(rule: dict[str, Any], value: str) -> Iterator[str]:
    kind = rule.get("Type")
    # YAML reads true and false as booleans.
    allowed = [str(one).lower() if isinstance(one, bool) else str(one) for one in rule.get("AllowedValues") or ()]
    parts = [part.strip() for part in value.split(",")] if kind in ("CommaDelimitedList", "List<Number>") else [value]
    if allowed and not set(parts) <= set(allowed):
        yield f"must be one of AllowedValues [{', '.join(allowed)}]"
    pattern = rule.get("AllowedPattern")
    if pattern and not all(_matches(pattern, part) for part in parts):
        yield f"must match pattern {pattern}"
    if kind == "String":
        yield from _bounds(rule, len(value), "Length", "contain", " characters")
    elif kind in ("Number", "List<Number>"):
        for part in parts:
            try:
                yield from _bounds(rule, float(part), "Value", "be", "")
            except ValueError:
                yield "must be a number"


def _matches(pattern: str, value: str) -> bool:
    try:
        return bool(re.fullmatch(pattern, value))
    except re.error:
        return True  # AWS takes Java's expressions, such as \p{Alpha}, which Python does not read.


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _bounds(rule: dict[str, Any], size: float, what: str, verb: str, unit: str) -> Iterator[str]:
    least, most = rule.get(f"Min{what}"), rule.get(f"Max{what}")
    if least is not None and size < float(least):
        yield f"must {verb} at least {least}{unit}"
    if most is not None and size > float(most):
        yield f"must {verb} at most {most}{unit}"
