"""The outputs of Lambda and Callback steps, and what AWS refuses in the definition of such a step.

Source: the JSON schema of definitions, see expressions.py.
"""

from collections.abc import Iterator
from typing import Any

from localaws.pipelines.expressions import ExpressionError, as_text

# The member without which a step of the type cannot run.
REQUIRED = {"Callback": "SqsQueueUrl", "Lambda": "FunctionArn"}
_TYPES: dict[str, Any] = {"String": as_text, "Integer": int, "Float": float}
# JSON and as_text write Booleans differently.
_BOOLEANS = {"true": True, "false": False}


def problems(step: dict[str, Any]) -> Iterator[str]:
    """Why a Lambda or a Callback step cannot run; nothing for steps of other types."""
    member = REQUIRED.get(step["Type"])
    if member is None:
        return
    if not isinstance(step.get(member), str) or not step[member]:
        yield f"a step of the type {step['Type']} must have {member}"
    for one in step.get("OutputParameters") or []:
        if not isinstance(one, dict) or not one.get("OutputName"):
            yield "each of OutputParameters must have an OutputName"
        elif one.get("OutputType", "String") not in (*_TYPES, "Boolean"):
            yield f"OutputType of {one['OutputName']} must be one of String, Integer, Boolean, Float"


def typed(name: str, value: Any, kind: str) -> Any:
    """An output in its declared type.

    Raises:
        ExpressionError: it has another type.
    """
    try:
        return _BOOLEANS[as_text(value).lower()] if kind == "Boolean" else _TYPES[kind](value)
    except (KeyError, TypeError, ValueError):
        raise ExpressionError(f"The output {name} is not of type {kind}: {value!r}") from None
