"""The columns of captured rows in the form in which a baseline has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_platform.monitoring import dataset
from mlflow_platform.validation import predictions
from mlflow_platform.validation.predictions import Predictions
from mlflow_platform.validation.signature import NESTED, Signature

if TYPE_CHECKING:
    import pyarrow as pa


def inputs(rows: pa.Table, signature: Signature, known: Iterable[str]) -> dict[str, list[Any]]:
    """The values of the inputs, by the names of a baseline's columns (`known`).

    The inputs of a model that takes one array are named by their positions. They are the baseline's columns in their
    order. Other names are kept.
    """
    found = {name: _values(rows[name].to_pylist(), signature, name) for name in dataset.inputs(rows)}
    names = list(known)
    if signature.is_unnamed_tensor and len(found) == len(names) and all(name.isdecimal() for name in found):
        positions = sorted(found, key=int)
        return {name: found[position] for name, position in zip(names, positions, strict=True)}
    return found


def classes(predicted: Sequence[Any], signature: Signature) -> list[Any]:
    """Predictions as single values: of probabilities, the most probable class by its name or number.

    Raises:
        PlatformError: they are of no form that `predictions.interpret` knows.
    """
    found = predictions.interpret(predicted, "the endpoint")
    if not found.is_vector:
        return list(found.values)
    names = _class_names(found, signature)
    return [None if value is None else names[value.index(max(value))] for value in found.values]


def _class_names(found: Predictions, signature: Signature) -> Sequence[str]:
    """The classes' names: from the model's metadata, the answer, or the signature; else 0, 1, …"""
    count = len(next(value for value in found.values if value is not None))
    given, outputs = signature.class_names, tuple(column.name for column in signature.outputs)
    if len(given) == count and set(given) != set(found.names):
        return given
    if found.names:
        return found.names
    if len(outputs) == count and None not in outputs:
        return [str(name) for name in outputs]
    return [str(number) for number in range(count)]


def _values(values: list[Any], signature: Signature, name: str) -> list[Any]:
    """The values of an input. Those without a type, nested ones and arrays are stored as JSON text."""
    spec = next((each for each in signature.inputs if each.name == name), None)
    if signature.is_unnamed_tensor:
        spec = signature.inputs[0]
    elif spec is None and signature.inputs and name.isdecimal() and int(name) < len(signature.inputs):
        spec = signature.inputs[int(name)]
    if spec is None or spec.type in NESTED:
        return [from_json(value) for value in values]
    return [from_json(value, only="[") for value in values] if spec.is_tensor else values


def from_json(value: Any, only: str = "") -> Any:
    """What text holds as JSON if it begins with a character of `only` (empty: any); all else as it is.

    Callers of an endpoint send any text, also such that is no JSON.
    """
    if not isinstance(value, str) or (only and value[:1] not in set(only)):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
