"""Evaluates a stack policy, which protects a stack's resources from updates.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
"""

import json
from fnmatch import fnmatchcase
from typing import Any

from localaws.iam.policy import texts


def refusal(policy: str, action: str, resource: str, kind: str) -> str | None:
    """Return why a policy does not allow an update of a resource; None if it does, or if there is no policy.

    Args:
        policy: the policy's JSON; empty for none, which allows everything.
        action: `Update:Modify`, `Update:Replace` or `Update:Delete`.
        resource: the resource's logical id.
        kind: its type, such as `AWS::SageMaker::MlflowApp`.
    """
    if not policy:
        return None
    statements = json.loads(policy).get("Statement", [])
    matching = [
        (number, statement["Effect"])
        for number, statement in enumerate(statements, 1)
        if _matches(statement, action, f"LogicalResourceId/{resource}", kind)
    ]
    denying = [number for number, effect in matching if effect == "Deny"]
    if denying:
        return f"Action denied by stack policy: Statement [#{denying[0]}] denies [{action}] for resource [{resource}]"
    if not matching:
        return f"Action not allowed by stack policy: [{action}] for resource [{resource}]"
    return None


def _matches(statement: dict[str, Any], action: str, resource: str, kind: str) -> bool:
    condition = statement.get("Condition", {})
    # The only condition key is the type.
    compared = [condition.get(operator) or {} for operator in ("StringEquals", "StringLike")]
    kinds = [one for keys in compared for one in texts(keys.get("ResourceType"))]
    return (
        _applies(statement, "Action", action)
        and _applies(statement, "Resource", resource)
        and (not condition or any(fnmatchcase(kind, one) for one in kinds))
    )


def _applies(statement: dict[str, Any], name: str, value: str) -> bool:
    """Whether an element, or its `Not…` form, covers a value."""
    if name in statement:
        return any(fnmatchcase(value, pattern) for pattern in texts(statement[name]))
    return not any(fnmatchcase(value, pattern) for pattern in texts(statement[f"Not{name}"]))
