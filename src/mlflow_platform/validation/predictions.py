"""Reads an endpoint's answer as one prediction per row. Any other answer is refused before scoring.

Accepted for each row: a scalar; a list with one element; an object with one key; or one number per class, as a list or
as an object whose keys are the classes' names. The whole answer is `{"predictions": [...]}` or the bare list, and a
table with one column may also come as `{"predictions": {"column": [...]}}`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_common.errors import PlatformError
from mlflow_platform.validation import strict_json
from mlflow_platform.validation.table import listed, quoted
from mlflow_platform.validation.values import is_missing

# Probabilities that were rounded, or computed with 32 bits, do not add up to exactly 1.
_SUM_TOLERANCE = 0.01


@dataclass(frozen=True)
class Predictions:
    """One prediction per row.

    Attributes:
        values: str, bool, int or float per row, None where the model gave none (null, NaN); for probabilities these are
            lists of numbers, one per class.
        names: the classes' names, where the answer has probabilities and says the names; else empty.
        is_vector: whether `values` are lists.
    """

    values: Sequence[Any]
    names: tuple[str, ...] = ()
    is_vector: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> int:
        """The number of rows for which the model predicted nothing (null or NaN)."""
        return sum(value is None for value in self.values)

    @property
    def may_be_chances(self) -> bool:
        """Whether all are numbers from 0 to 1, and some of them between: they may be probabilities of one class."""
        present = [value for value in self.values if value is not None]
        numbers = all(isinstance(value, (int, float)) and 0 <= value <= 1 for value in present)
        return numbers and any(0 < value < 1 for value in present)


def parse(answer: bytes, endpoint: str, *, expected: int | None) -> list[Any]:
    """The predictions of one answer, as JSON holds them. `expected` is how many rows were sent, None if unknown.

    Raises:
        PlatformError: it is not JSON, has no predictions, or not as many as rows were sent.
    """
    try:
        found = strict_json.loads(answer)
    except strict_json.DuplicateKeyError as error:
        raise PlatformError(f"{endpoint} answers with an object that has the key {quoted(error.key)} twice") from None
    except UnicodeEncodeError:
        raise PlatformError(f"{endpoint} answers with text that has half of a surrogate pair") from None
    except (ValueError, RecursionError):
        raise PlatformError(f"{endpoint} does not answer with JSON, so these are not predictions of MLflow") from None
    if isinstance(found, dict):
        if "predictions" not in found:
            raise PlatformError(f"{endpoint} answers with JSON that has no key `predictions`")
        found = found["predictions"]
    if isinstance(found, dict) and len(found) == 1:
        found = next(iter(found.values()))
    if not isinstance(found, list):
        raise PlatformError(f"{endpoint} answers with {quoted(found)}, which is not a list of predictions")
    if expected is not None and len(found) != expected:
        raise PlatformError(f"{endpoint} answers with {len(found)} predictions for {expected} rows")
    return found


def interpret(rows: Sequence[Any], endpoint: str) -> Predictions:
    """Bring predictions of any accepted form into one.

    Raises:
        PlatformError: a row's prediction has another form than this module's docstring lists, or than the first row's.
    """
    keys = sorted({key for row in rows if isinstance(row, dict) and len(row) == 1 for key in row})
    if len(keys) > 1:
        raise PlatformError(f"{endpoint} predicts objects with one key, but not always the same: {listed(keys)}")
    plain = [_unwrapped(row) for row in rows]
    shapes = {_shape(row, number, endpoint) for number, row in enumerate(plain, 1) if row is not None}
    if len(shapes) > 1:
        forms = " and some with ".join(map(_described, sorted(shapes)))
        raise PlatformError(f"{endpoint} predicts in several forms: some rows with {forms}")
    shape = next(iter(shapes), ())
    if not shape:
        return Predictions(plain)
    vectors = [None if row is None else _numbers(row) for row in plain]
    for number, vector in enumerate(vectors, 1):
        if vector is not None and not _are_probabilities(vector):
            raise PlatformError(
                f"{endpoint} predicts {len(vector)} numbers per row, and those of row {number} are not class "
                f"probabilities (from 0 to 1, and 1 in all): {quoted(vector)}"
            )
    first = next(row for row in plain if row is not None)
    names = tuple(str(name) for name in first) if isinstance(first, dict) else ()
    values = [
        vector if vector is None or not names else [_float(plain[at][name]) for name in first]
        for at, vector in enumerate(vectors)
    ]
    return Predictions(values, names, is_vector=True)


def _unwrapped(row: Any) -> Any:
    """A row's prediction without the list or object that holds nothing else; None for null and NaN."""
    if isinstance(row, dict) and len(row) == 1:
        row = next(iter(row.values()))
    while isinstance(row, list) and len(row) == 1:
        row = row[0]
    return None if is_missing(row) else row


def _shape(row: Any, number: int, endpoint: str) -> tuple[str, ...]:
    """The form of a prediction: () for a scalar, the names of an object, or the length of a list."""
    if isinstance(row, (str, bool, int, float)):
        return ()
    values = row.values() if isinstance(row, dict) else row
    numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    if len(row) > 1 and numeric:
        return tuple(sorted(row)) if isinstance(row, dict) else ("", str(len(row)))
    raise PlatformError(
        f"{endpoint} predicts {quoted(row)} for row {number}: a prediction must be one value, or one "
        "probability per class"
    )


def _described(shape: tuple[str, ...]) -> str:
    if not shape:
        return "one value"
    return f"{shape[1]} numbers" if shape[0] == "" and len(shape) == 2 else f"numbers for {listed(shape)}"


def _numbers(row: Any) -> list[float]:
    return [_float(value) for value in (row.values() if isinstance(row, dict) else row)]


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _are_probabilities(vector: Sequence[float]) -> bool:
    # NaN is not within the bounds.
    return all(0 <= value <= 1 for value in vector) and math.isclose(sum(vector), 1, abs_tol=_SUM_TOLERANCE)
