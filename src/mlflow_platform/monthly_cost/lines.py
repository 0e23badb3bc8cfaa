"""The lines of an estimate, and their sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SERVERS, ENDPOINTS, STORAGE, BUILDS, OTHER = "servers", "endpoints", "storage", "builds", "other"
PARTS = (SERVERS, ENDPOINTS, STORAGE, BUILDS, OTHER)


@dataclass(frozen=True)
class CostLine:
    """What one thing costs. The sums are None if its price or its amount is not known, and `how` says why.

    Attributes:
        part: one of PARTS.
        what: its kind and name.
        how: the calculation, for people.
        this_month, next_month: in the currency of the prices.
    """

    part: str
    what: str
    how: str
    this_month: float | None = None
    next_month: float | None = None

    @property
    def known(self) -> bool:
        """Whether the sums contain it."""
        return self.this_month is not None and self.next_month is not None

    def as_json(self) -> dict[str, Any]:
        """The line as a JSON object."""
        return {
            "part": self.part,
            "what": self.what,
            "how": self.how,
            "this_month": _rounded(self.this_month),
            "next_month": _rounded(self.next_month),
        }


@dataclass
class CostEstimate:
    """All lines of an environment. `not_examined` maps a part to the reason why it could not be read."""

    lines: list[CostLine] = field(default_factory=list)
    not_examined: dict[str, str] = field(default_factory=dict)

    @property
    def ordered(self) -> list[CostLine]:
        """What is not known first, because it may be the largest; then the most expensive first."""
        return sorted(self.lines, key=lambda line: (line.known, -(line.next_month or 0.0), PARTS.index(line.part)))

    @property
    def complete(self) -> bool:
        """Whether everything was read and priced."""
        return not self.not_examined and all(line.known for line in self.lines)

    @property
    def sums(self) -> tuple[float, float]:
        """The known costs of this month and of the next."""
        return (
            sum(line.this_month or 0.0 for line in self.lines),
            sum(line.next_month or 0.0 for line in self.lines),
        )

    def of_part(self, part: str) -> tuple[float, float] | None:
        """The known costs of a part; None if nothing of it is known, though it exists or could not be read."""
        lines = [line for line in self.lines if line.part == part]
        unread = any(name.startswith(part) for name in self.not_examined)
        if (lines or unread) and not any(line.known for line in lines):
            return None
        return CostEstimate(lines).sums


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
