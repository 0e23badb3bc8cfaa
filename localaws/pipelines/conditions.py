"""Evaluates the conditions of a condition step.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html. The JSON schema of
definitions (see expressions.py) and SageMaker's SDK (workflow/conditions.py) name some members differently: both forms
are accepted.
"""

import operator
from collections.abc import Callable
from typing import Any

from localaws.pipelines.expressions import ExpressionError, Values, resolve

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "NotEquals": operator.ne,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


# The members of each type: for each member the names that it can have.
_MEMBERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Not": (("Condition",),),  # Not `Expression`: aws/sagemaker-python-sdk #4351.
    "Or": (("Conditions",),),
    "In": (("QueryValue", "Value"), ("Values", "In")),
    "NotIn": (("QueryValue", "Value"), ("Values", "In")),
    **dict.fromkeys(_COMPARISONS, (("LeftValue",), ("RightValue",))),
}


def problem(condition: Any) -> str:
    """Why a condition cannot be evaluated; empty if it can."""
    kind = condition.get("Type") if isinstance(condition, dict) else None
    if not isinstance(kind, str) or kind not in _MEMBERS:
        return f"Unknown condition type '{kind}'"
    known = {"Type", *(name for names in _MEMBERS[kind] for name in names)}
    unknown = next((name for name in condition if name not in known), None)
    if unknown is not None:
        return f"Cannot parse object, unknown property '{unknown}'"
    missing = [names[0] for names in _MEMBERS[kind] if not any(name in condition for name in names)]
    if missing:
        return f"A condition of type {kind} must have {' and '.join(missing)}"
    members = _members(condition)
    inner: list[Any] = {"Not": members, "Or": members[0] or []}.get(kind, [])
    return next((found for found in map(problem, inner) if found), "")


def _members(condition: dict[str, Any]) -> list[Any]:
    """The values of a condition's members, whichever names they have."""
    found = _MEMBERS[condition["Type"]]
    return [next(condition[name] for name in names if name in condition) for names in found]


def holds(condition: dict[str, Any], values: Values) -> bool:
    """Whether a condition is true. `problem` has found none in it, when its definition was read.

    Raises:
        ExpressionError: a value is missing or of the wrong type.
    """
    kind, members = condition["Type"], _members(condition)
    if kind == "Not":
        return not holds(members[0], values)
    if kind == "Or":
        return any(holds(one, values) for one in members[0])
    left, right = (resolve(one, values) for one in members)
    if kind in ("In", "NotIn"):
        return (left in right) is (kind == "In")
    try:
        return bool(_COMPARISONS[kind](left, right))
    except TypeError:
        raise ExpressionError(f"Cannot compare {left!r} with {right!r}") from None
