"""What the parsers of all sources share: which errors mean malformed input, and checked conversions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Raised by code that takes records apart which are not as they should be.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
_SHOWN = 120
# What MLflow's databases hold: signed integers of 64 bits.
_LARGEST = (1 << 63) - 1


def described(error: BaseException) -> str:
    """What is wrong with a malformed record, in words."""
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = " ".join(str(error).split())
    text = text if text.isprintable() else ascii(text)
    return f"it is malformed ({text[:_SHOWN]})" if text else "it is malformed"


def text(value: Any) -> str:
    """A value that has to be text.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{_short(value)} is no text")
    return value


def integer(value: Any) -> int:
    """A value that has to be a whole number of 64 bits, or text of one.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise ValueError(f"{_short(value)} is no whole number")
    try:
        found = int(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{_short(value)} is no whole number") from None
    if abs(found) > _LARGEST:
        raise ValueError(f"{_short(value)} is out of range")
    return found


def optional_integer(value: Any) -> int | None:
    """A whole number, or None where there is no value."""
    return None if value is None else integer(value)


def number(value: Any) -> float:
    """A value that has to be a number, or text of one; also NaN and the infinities.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise ValueError(f"{_short(value)} is no number")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{_short(value)} is no number") from None


def texts(values: Any) -> dict[str, str]:
    """A mapping of text to text."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{_short(values)} is no mapping")
    return {text(key): text(value) for key, value in values.items()}


def _short(value: Any) -> str:
    shown = ascii(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
