"""Numbers as people read them."""

from __future__ import annotations


def short(value: float, digits: int = 4) -> str:
    """A number with `digits` digits after the point, and a small one with as many significant digits.

    An error of 0.00003 is not 0.0000.
    """
    return f"{value:.{digits}g}" if 0 < abs(value) < 0.1 else f"{value:.{digits}f}"
