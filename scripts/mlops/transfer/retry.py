"""How long to wait before a call is tried again, and when to give up."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

_BASE = 0.1  # seconds


@dataclass(frozen=True)
class Retry:
    """Exponential waits with full jitter, after which a server that stays away is given up.

    Args:
        patience: seconds that a server may be unreachable or throttle before the work fails.
        attempts: answers that say "internal error" before the call is given up: such an answer may be final.
        longest: seconds of one wait at most, unless the server itself asks for more.
    """

    patience: float = 300.0
    attempts: int = 8
    longest: float = 20.0
    random: Callable[[], float] = field(default=random.random)

    def wait(self, attempt: int, asked: float | None = None) -> float:
        """Seconds to wait before attempt number `attempt` (from 1) is repeated; `asked` is Retry-After."""
        ceiling = min(self.longest, _BASE * 2 ** min(attempt, 16))
        drawn = self.random() * ceiling
        return drawn if asked is None else asked + self.random() * _BASE
