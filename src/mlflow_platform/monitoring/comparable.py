"""The columns of captured rows in the form in which a baseline has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence, Set
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError
from mlflow_platform.monitoring import columns, dataset
from mlflow_platform.validation import predictions, scoring
from mlflow_platform.validation.signature import NESTED, Signature
from mlflow_platform.validation.table import listed

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


def classes(predicted: Sequence[Any], signature: Signature, baseline: Sequence[Any]) -> list[Any]:
    """Predictions as single values: of probabilities, the most probable class by its name or number.

    Where the baseline's predictions are 0 and 1 (or false and true) only, numbers between are probabilities of class 1.

    Raises:
        PlatformError: they are of no form that `predictions.interpret` knows.
        InputError: they are probabilities of classes that are not those of the baseline.
    """
    found = predictions.interpret(predicted, "the endpoint")
    known = set(columns.prepare(baseline, "categorical").values)
    if not found.is_vector:
        names = _numbered(2, known)
        if not (known <= set(names) and found.may_be_chances):
            return list(found.values)
        return [None if value is None else names[value >= 0.5] for value in found.values]
    count = len(next(value for value in found.values if value is not None))
    stated = scoring.stated_names(found, signature, count)
    names = stated or _numbered(count, known)
    # Numbers may be those of the columns, as long as the baseline has no other class.
    fits = not known or (known & set(names) if stated else known <= set(names))
    if len(names) != count or not fits:
        raise InputError(
            f"the endpoint predicts {count} probabilities ({listed(names)}), and the baseline has the classes "
            f"{listed(sorted(known))}: name the classes in the model's metadata (`classes`)"
        )
    return [None if value is None else names[value.index(max(value))] for value in found.values]


def _numbered(count: int, known: Set[str]) -> Sequence[str]:
    """The names of classes of which only the number is known: 0, 1, …; for booleans their names."""
    booleans = ["False", "True"]
    return booleans if count == 2 and known and known <= set(booleans) else [str(number) for number in range(count)]


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
