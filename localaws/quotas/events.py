"""Rules and targets that EventBridge refuses.

Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html (expressions),
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html (operators) and
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html (input, roles, number of targets).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from localaws import schedule_expressions
from localaws.errors import AwsError

TARGETS = 5
INPUTS = ("Input", "InputPath", "InputTransformer")
# https://github.com/awsdocs/aws-codepipeline-user-guide/pull/18, https://github.com/hashicorp/terraform-provider-aws/pull/19913
# and https://github.com/awsdocs/aws-cloudformation-user-guide/pull/1178 (CodeBuild), with the message.
NEEDS_ROLE = frozenset({"codebuild", "codepipeline", "states"})
OPERATORS = frozenset(
    {"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"}
)
# "For a value equal to 1, the unit must be singular."
_RATE = re.compile(r"rate\((1 (minute|hour|day)|(?!1 )[1-9]\d* (minutes|hours|days))\)", re.ASCII)


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a rule whose expression or pattern is invalid, and targets without what they need.

    Raises:
        AwsError: ValidationException, InvalidEventPatternException or LimitExceededException.
    """
    if operation == "PutRule":
        _check_expression(given.get("ScheduleExpression") or "")
        _check_pattern(given.get("EventPattern") or "{}")
    elif operation == "PutTargets":
        for target in given["Targets"]:
            for problem in _problems(target):
                raise AwsError("ValidationException", problem)
        bus = response.events_backend.event_buses.get(given.get("EventBusName") or "default")
        rule = bus.rules.get(given["Rule"]) if bus else None
        held = {target["Id"] for target in [*(rule.targets if rule else ()), *given["Targets"]]}
        if len(held) > TARGETS:
            raise AwsError("LimitExceededException", f"A rule has at most {TARGETS} targets.")


def _check_expression(expression: str) -> None:
    is_cron = expression.startswith("cron(") and schedule_expressions.is_valid(expression)
    if expression and not is_cron and not _RATE.fullmatch(expression):
        raise AwsError("ValidationException", "Parameter ScheduleExpression is not valid.")


def _check_pattern(text: str) -> None:
    try:
        unknown = next(_unknown_operators(json.loads(text)), None)
    except ValueError:
        return  # moto returns the error.
    if unknown:
        raise AwsError("InvalidEventPatternException", f"Event pattern is not valid. Unrecognized match type {unknown}")


def _unknown_operators(part: Any) -> Iterator[str]:
    """Match types of a pattern that EventBridge does not have."""
    for name, value in part.items() if isinstance(part, dict) else ():
        if isinstance(value, dict) or name == "$or":
            for one in value if isinstance(value, list) else [value]:
                yield from _unknown_operators(one)
        elif isinstance(value, list):
            yield from (key for one in value if isinstance(one, dict) for key in one if key not in OPERATORS)


def _problems(target: dict[str, Any]) -> Iterator[str]:
    if sum(bool(target.get(name)) for name in INPUTS) > 1:
        yield f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
    if target.get("Input") and not _is_json(target["Input"]):
        yield f"JSON syntax error in input for target {target['Id']}"
    if NEEDS_ROLE & set(target["Arn"].split(":")[2:3]) and not target.get("RoleArn"):
        yield f"RoleArn is required for target {target['Arn']}."


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
