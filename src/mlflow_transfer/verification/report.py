"""The report of a verification."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mlflow_transfer.losses import Loss
from mlflow_transfer.strategy import Mirror

MOST_KEPT = 10_000
_SHOWN_VALUE = 200


@dataclass(frozen=True)
class Difference:
    """A difference. `left` and `right` are the values on each side, shortened."""

    place: str
    what: str
    left: str
    right: str


@dataclass
class Report:
    """Counts of compared objects, and the differences.

    Args:
        left, right: the names of both sides.
        strategy: decides which differences count.
        accept_losses: things that could not be read do not fail the verification.
        found: the number of differences of each kind.
        losses: what the right side cannot hold. These are not differences.
        unread: what could not be read on either side and was therefore not compared.
    """

    left: str
    right: str
    strategy: Mirror = field(default_factory=Mirror)
    accept_losses: bool = False
    compared: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    losses: list[Loss] = field(default_factory=list)
    unread: list[Loss] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether both sides are equal, and everything could be compared."""
        return not self.found and (self.accept_losses or not self.unread)

    def add(self, place: str, what: str, left: object, right: object) -> None:
        """Record a difference. Beyond a limit, differences are only counted."""
        if not self.strategy.differs(what, left, right):
            return
        self.found[what] += 1
        if len(self.differences) < MOST_KEPT:
            self.differences.append(Difference(place, what, _short(left), _short(right)))

    def compare(self, place: str, what: str, left: object, right: object) -> None:
        """Record a difference if the values are not equal."""
        if left != right:
            self.add(place, what, left, right)


def _short(value: object) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN_VALUE else f"{text[:_SHOWN_VALUE]}… ({len(text)} characters)"
