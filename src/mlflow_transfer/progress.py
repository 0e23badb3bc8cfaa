"""What a transfer tells of itself while it goes on. The library counts; the script shows."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Protocol


class TransferProgress(Protocol):
    """Someone who watches."""

    def total(self, what: str, amount: int) -> None:
        """So much of this (experiments, runs, models, bytes, …) is known to have to be done."""

    def advance(self, what: str, amount: int = 1) -> None:
        """So much more of this is done."""


class Tally:
    """Counts what is done; safe to call from threads."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self._lock = threading.Lock()

    def total(self, what: str, amount: int) -> None:
        """Add to what there is to do."""
        with self._lock:
            self.totals[what] += amount

    def advance(self, what: str, amount: int = 1) -> None:
        """Add to what is done."""
        with self._lock:
            self.done[what] += amount
