"""Numbers as people read and write them, and as MLflow's REST API takes them."""

from __future__ import annotations

import math


def short(value: float, digits: int = 4) -> str:
    """A number with `digits` digits after the point, and a small one with as many significant digits.

    An error of 0.00003 is not 0.0000.
    """
    return f"{value:.{digits}g}" if 0 < abs(value) < 0.1 else f"{value:.{digits}f}"


def may_be_number(text: str) -> bool:
    """Whether a text that Python reads as a number is one in other languages, too: `1_000` and `1 ` are not."""
    return "_" not in text and text.isascii() and text == text.strip()


def number_text(value: float) -> float | str:
    """A metric's value for the REST API: protobuf has names for the values that JSON cannot express."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
