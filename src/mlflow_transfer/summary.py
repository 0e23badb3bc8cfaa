"""The summary of a copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mlflow_transfer.losses import Loss, LossLog


@dataclass
class Summary:
    """Counts of objects by kind, and losses."""

    created: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    _losses: LossLog = field(default_factory=LossLog)

    def created_one(self, what: str) -> None:
        """Count an object that was created."""
        self.created[what] += 1

    def updated_one(self, what: str, *, changed: bool) -> None:
        """Count an object that existed already."""
        (self.changed if changed else self.unchanged)[what] += 1

    def add_losses(self, losses: Iterable[Loss]) -> None:
        """Add losses, except those that were already added."""
        for loss in losses:
            self._losses.add(loss.place, loss.reason)

    @property
    def losses(self) -> list[Loss]:
        """What the destination cannot hold, and what of the source could not be read."""
        return list(self._losses.list())
