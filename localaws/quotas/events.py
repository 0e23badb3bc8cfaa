"""Rules and targets that EventBridge refuses.

Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html (expressions),
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html (input, roles, number of targets) and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html (input transformers).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from localaws import event_patterns, schedule_expressions
from localaws.errors import AwsError

TARGETS = 5
INPUTS = ("Input", "InputPath", "InputTransformer")
# https://github.com/awsdocs/aws-codepipeline-user-guide/pull/18, https://github.com/hashicorp/terraform-provider-aws/pull/19913
# and https://github.com/awsdocs/aws-cloudformation-user-guide/pull/1178 (CodeBuild), with the message.
NEEDS_ROLE = frozenset({"codebuild", "codepipeline", "states"})
VARIABLES = 100
# An event's own variables, which every template may use.
PREDEFINED = frozenset(
    {"aws.events.event", "aws.events.event.ingestion-time", "aws.events.event.json"}
    | {"aws.events.rule-arn", "aws.events.rule-name"}
)
_PLACE = re.compile(r"<([A-Za-z0-9_.-]+)>")
# API_InputTransformer: "You must use JSON dot notation, not bracket notation"; the page above lists the characters.
_PATH = re.compile(r"\$(\.[\w*/-]+(\[(\d+|\*)\])*)*", re.ASCII)
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html: a standard queue.
_QUEUE = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[\w-]+", re.ASCII)
# "For a value equal to 1, the unit must be singular."
_RATE = re.compile(r"rate\((1 (minute|hour|day)|(?!1 )[1-9]\d* (minutes|hours|days))\)", re.ASCII)


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a rule whose expression or pattern is invalid, and targets without what they need.

    Raises:
        AwsError: ValidationException, InvalidEventPatternException or LimitExceededException.
    """
    if operation == "PutRule":
        _check_expression(given.get("ScheduleExpression") or "")
        _check_pattern(given.get("EventPattern"))
    elif operation == "TestEventPattern":
        _check_pattern(given["EventPattern"])
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


def _check_pattern(text: str | None) -> None:
    if not text:
        return
    try:
        problem = next(event_patterns.problems(json.loads(text)), None)
    except ValueError:
        return  # moto returns the error.
    if problem:
        raise AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {problem}")


def _problems(target: dict[str, Any]) -> Iterator[str]:
    if sum(bool(target.get(name)) for name in INPUTS) > 1:
        yield f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
    if target.get("Input") and not _is_json(target["Input"]):
        yield f"JSON syntax error in input for target {target['Id']}"
    if NEEDS_ROLE & set(target["Arn"].split(":")[2:3]) and not target.get("RoleArn"):
        yield f"RoleArn is required for target {target['Arn']}."
    if target.get("InputPath") and not _PATH.fullmatch(target["InputPath"]):
        yield f"Invalid InputPath for target {target['Id']}."
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue and not _QUEUE.fullmatch(queue):
        yield f"The dead-letter queue of target {target['Id']} is not a standard SQS queue."
    if target.get("InputTransformer"):
        yield from _of_transformer(target["Id"], target["InputTransformer"])


def _of_transformer(target: str, transformer: dict[str, Any]) -> Iterator[str]:
    """The message for an unknown variable: https://github.com/localstack/localstack (services/events/target.py)."""
    paths = transformer.get("InputPathsMap") or {}
    if len(paths) > VARIABLES:
        yield f"InputPathsMap of target {target} has more than {VARIABLES} variables."
    for name, path in paths.items():
        if name.upper().startswith("AWS."):
            yield f"The variable {name} of target {target} begins with AWS, which is reserved."
        if not _PATH.fullmatch(path):
            yield f"Invalid InputPath for target {target}: {path}."
    for name in _PLACE.findall(transformer["InputTemplate"]):
        if name not in paths and name not in PREDEFINED:
            yield f"InputTemplate for target {target} contains invalid placeholder {name}."


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
