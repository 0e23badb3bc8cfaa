"""A column's values prepared for a comparison: what is usable, and how it is compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from mlflow_platform.validation import values as types

Kind = Literal["numeric", "categorical"]

# Whole numbers with at most so many different values are compared as categories.
_MOST_CODES = 10
_LARGEST_CATEGORY = 120


@dataclass(frozen=True)
class Column:
    """The values of a column.

    Attributes:
        kind: how they are compared.
        values: those that are present: float of a numeric column, text of a categorical one.
        missing: how many are absent or NaN.
        infinite: how many are infinite, which no distance can hold. They count as missing too.
    """

    kind: Kind
    values: Sequence[Any]
    missing: int
    infinite: int

    @property
    def total(self) -> int:
        """The number of rows."""
        return len(self.values) + self.missing


def kind_of(values: Sequence[Any]) -> Kind | None:
    """How a baseline's column is compared; None for a column that cannot be (nested values, bytes, nothing)."""
    present = [value for value in values if not _is_missing(value)]
    if not present or any(isinstance(value, (bytes, list, dict)) for value in present):
        return None
    if any(isinstance(value, bool) for value in present):
        return "categorical"
    if all(isinstance(value, (int, float, Decimal, datetime, date)) for value in present):
        whole = all(_is_whole(value) for value in present)
        few = whole and len(set(present)) <= _MOST_CODES
        return "categorical" if few and len(present) > 2 * _MOST_CODES else "numeric"
    return "categorical"


def prepare(values: Sequence[Any], kind: Kind) -> Column:
    """A column's values in the types of its kind. In a numeric column, text that is not a number counts as missing."""
    if kind == "categorical":
        texts = [_category(value) for value in values if not _is_missing(value)]
        return Column(kind, texts, len(values) - len(texts), 0)
    numbers = [number for value in values if (number := _number(value)) is not None]
    finite = [number for number in numbers if math.isfinite(number)]
    return Column(kind, finite, len(values) - len(finite), len(numbers) - len(finite))


def _is_missing(value: Any) -> bool:
    """Whether a value is missing. So is the empty text, which a baseline in CSV cannot tell from none."""
    return types.is_missing(value) or (isinstance(value, str) and not value)


def _is_whole(value: Any) -> bool:
    match value:
        case int():
            return True
        case float():
            return value.is_integer()
        case Decimal():
            return value == value.to_integral_value()
    return False


def _category(value: Any) -> str:
    """A category's name: the same for a number or boolean and for its texts.

    A baseline in CSV does not say which of them the model's inputs and predictions are.
    """
    if isinstance(value, str):
        if value.lower() in {"true", "false"}:
            return value.capitalize()
        number = types.number_in(value)
        value = value if number is None else number
    short = isinstance(value, (float, Decimal)) and abs(float(value)) < 1e15
    text = str(int(value)) if short and _is_whole(value) else str(value)
    return text if len(text) <= _LARGEST_CATEGORY else f"{text[:_LARGEST_CATEGORY]}…"


def _number(value: Any) -> float | None:
    if types.is_missing(value):
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 see below
    if isinstance(value, datetime):
        # A time without a zone is in UTC, as captured ones are.
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    try:
        return types.as_float(int(value) if isinstance(value, bool) else value)
    except types.UnusableError:
        return _time(value)


def _time(value: Any) -> float | None:
    """A time in text, as requests to a model without a signature have it."""
    try:
        return datetime.fromisoformat(types.as_datetime(value)[:26]).replace(tzinfo=UTC).timestamp()
    except types.UnusableError:
        return None
