"""References and functions in a pipeline definition: finds the steps that they need, and resolves them.

Source: the JSON schema of definitions, https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_PART = re.compile(r"\.?([^.\[\]]+)|\['([^']+)'\]|\[(\d+)\]")


class ExpressionError(Exception):
    """A reference cannot be resolved; the text is for the step's failure reason."""


@dataclass(frozen=True)
class Values:
    """What references can name.

    Attributes:
        properties: of each step that succeeded: the response of its DescribeX call.
        property_file: takes a step's name and a property file's name, and returns the file's JSON.
        json_file: takes the URI of an object, and returns its JSON.
    """

    parameters: Mapping[str, Any]
    execution: Mapping[str, Any]
    properties: Mapping[str, Any]
    property_file: Callable[[str, str], Any]
    json_file: Callable[[str], Any]


def references(value: Any) -> Iterator[list[str | int]]:
    """The path of each reference in a value: `Steps.Train.TrainingJobName` gives Steps, Train, TrainingJobName."""
    if isinstance(value, dict):
        _check_function(value)
        if set(value) == {"Get"}:
            yield path(value["Get"])
            return
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def _check_function(value: dict[str, Any]) -> None:
    """Check the form of a function: the JSON schema of definitions and SageMaker's SDK (workflow/functions.py).

    Raises:
        ExpressionError: it lacks what it needs.
    """
    if set(value) == {"Get"} and (not isinstance(value["Get"], str) or len(path(value["Get"])) < 2):
        raise ExpressionError(f"Invalid property reference '{value['Get']}'")
    given = value.get("Std:Join")
    if "Std:Join" in value and not (isinstance(given, dict) and isinstance(given.get("Values"), list)):
        raise ExpressionError("Std:Join must have a list of Values")
    given = value.get("Std:JsonGet")
    if "Std:JsonGet" in value and not (
        isinstance(given, dict)
        and "Path" in given
        and ("S3Uri" in given or _is_property_file(given.get("PropertyFile")))
    ):
        raise ExpressionError("Std:JsonGet must have a Path, and a PropertyFile with Get")


def _is_property_file(value: Any) -> bool:
    """Whether a value refers to `Steps.X.PropertyFiles.Y`."""
    if not isinstance(value, dict) or set(value) != {"Get"} or not isinstance(value["Get"], str):
        return False
    parts = path(value["Get"])
    return len(parts) == 4 and (parts[0], parts[2]) == ("Steps", "PropertyFiles")


def path(text: str) -> list[str | int]:
    """The parts of `A.B['c'].D[0]`.

    Raises:
        ExpressionError: it is not a path.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        found = _PART.match(text, position)
        if not found:
            raise ExpressionError(f"Invalid property reference '{text}'")
        parts.append(int(found[3]) if found[3] is not None else found[1] or found[2])
        position = found.end()
    return parts


def resolve(value: Any, values: Values) -> Any:
    """The value with references and functions replaced.

    Raises:
        ExpressionError: a reference has no value.
    """
    if isinstance(value, list):
        return [resolve(one, values) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Get"}:
        return _get(value["Get"], values)
    if set(value) == {"Std:Join"}:
        given = value["Std:Join"]
        return str(given.get("On", "")).join(as_text(resolve(one, values)) for one in given["Values"])
    if set(value) == {"Std:JsonGet"}:
        return _json_get(value["Std:JsonGet"], values)
    return {name: resolve(one, values) for name, one in value.items()}


def _get(text: str, values: Values) -> Any:
    kind, *rest = path(text)
    roots = {"Parameters": values.parameters, "Execution": values.execution, "Steps": values.properties}
    try:
        return follow(roots[str(kind)], rest)
    except (LookupError, TypeError):
        raise ExpressionError(f"Property reference '{text}' has no value") from None


def _json_get(given: dict[str, Any], values: Values) -> Any:
    where = resolve(given["Path"], values)
    if "S3Uri" in given:
        # The other form of JsonGet in SageMaker's SDK (workflow/functions.py).
        uri = str(resolve(given["S3Uri"], values))
        content, file = values.json_file(uri), uri
    else:
        _, step, _, name = path(given["PropertyFile"]["Get"])
        content, file = values.property_file(str(step), str(name)), f"Property file {name} of step {step}"
    try:
        return follow(content, path(where))
    except (LookupError, TypeError):
        raise ExpressionError(f"{file} has no value at the path '{where}'") from None


def follow(value: Any, parts: list[str | int]) -> Any:
    """The value at a path. A list's items may be named: `Outputs['train']` is the output with that OutputName.

    Raises:
        LookupError, TypeError: there is none.
    """
    for part in parts:
        if isinstance(value, list) and isinstance(part, str):
            value = next(one for one in [*value, None] if one is None or part in _names(one))
            if value is None:
                raise LookupError(part)
        else:
            value = value[part]
    return value


def _names(item: Any) -> list[Any]:
    return [one for name, one in item.items() if name.endswith("Name")] if isinstance(item, dict) else []


def as_text(value: Any) -> str:
    """A value within a joined text or a member that is a string."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else str(value)
