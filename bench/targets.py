"""Says which targets a benchmark missed."""

from collections.abc import Iterable


def exit_status(missed: Iterable[str]) -> int:
    """Print a line for each missed target. Returns 1 if there is one, else 0."""
    lines = list(missed)
    for line in lines:
        print(f"missed: {line}")
    return int(bool(lines))
