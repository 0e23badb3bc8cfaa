"""The progress of a transfer. The library counts the work, and the command line shows the counts."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Protocol


class TransferProgress(Protocol):
    """Receives the progress of a transfer."""

    def total(self, what: str, amount: int) -> None:
        """Add to the amount of work of a kind (experiments, runs, models, bytes, …)."""

    def advance(self, what: str, amount: int = 1) -> None:
        """Add to the work of a kind that is done."""


class Tally:
    """Counts the work. Threads may call it at the same time."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self._lock = threading.Lock()

    def total(self, what: str, amount: int) -> None:
        """Add to the amount of work of a kind."""
        with self._lock:
            self.totals[what] += amount

    def advance(self, what: str, amount: int = 1) -> None:
        """Add to the work of a kind that is done."""
        with self._lock:
            self.done[what] += amount
