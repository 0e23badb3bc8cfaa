"""Losses: things of a source that cannot be read, or that the destination cannot hold as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Loss:
    """One object or part that is not transferred, or only in a changed form.

    Args:
        place: identifies the object for a person: a path, or a run with its id.
        reason: the reason in plain words, without a trailing full stop.
    """

    place: str
    reason: str


class LossLog:
    """Collects losses in the order in which they are found. Adding the same loss again changes nothing."""

    def __init__(self) -> None:
        self._losses: dict[Loss, None] = {}

    def add(self, place: str, reason: str) -> None:
        """Add a loss, unless it was already added."""
        self._losses[Loss(place, reason)] = None

    def list(self) -> list[Loss]:
        """All losses so far, oldest first."""
        return list(self._losses)


MOST_SHOWN = 20


def loss_lines(losses: Sequence[Loss]) -> list[str]:
    """The first losses as lines of text."""
    lines = [f"{loss.place}: {loss.reason}" for loss in losses[:MOST_SHOWN]]
    more = len(losses) - MOST_SHOWN
    return [*lines, f"and {more} more"] if more > 0 else lines
