"""Evaluates the conditions of a condition step.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html
"""

import operator
from collections.abc import Callable
from typing import Any

from localaws.pipelines.expressions import ExpressionError, Values, resolve

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


# The members of each type, from the JSON schema of definitions (see expressions.py). AWS refuses a definition that
# does not fit it.
_MEMBERS = {"Not": ("Expression",), "Or": ("Conditions",), "In": ("QueryValue", "Values")}


def problem(condition: Any) -> str:
    """Why a condition cannot be evaluated; empty if it can."""
    kind = condition.get("Type") if isinstance(condition, dict) else None
    if kind not in _MEMBERS and kind not in _COMPARISONS:
        return f"Unknown condition type '{kind}'"
    missing = [name for name in _MEMBERS.get(kind, ("LeftValue", "RightValue")) if name not in condition]
    if missing:
        return f"A condition of type {kind} must have {' and '.join(missing)}"
    inner = {"Not": [condition.get("Expression")], "Or": condition.get("Conditions") or []}.get(kind, [])
    return next((found for found in map(problem, inner) if found), "")


def holds(condition: dict[str, Any], values: Values) -> bool:
    """Whether a condition is true.

    Raises:
        ExpressionError: a value is missing, of the wrong type, or the type of condition is unknown.
    """
    kind = condition.get("Type", "")
    if kind == "Not":
        return not holds(condition["Expression"], values)
    if kind == "Or":
        return any(holds(one, values) for one in condition["Conditions"])
    if kind == "In":
        return bool(resolve(condition["QueryValue"], values) in resolve(condition["Values"], values))
    if kind not in _COMPARISONS:
        raise ExpressionError(f"Unknown condition type '{kind}'")
    left, right = (resolve(condition[side], values) for side in ("LeftValue", "RightValue"))
    try:
        return bool(_COMPARISONS[kind](left, right))
    except TypeError:
        raise ExpressionError(f"Cannot compare {left!r} with {right!r}") from None
