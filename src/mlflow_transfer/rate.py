"""A request rate per server: starts at the documented limit, halves when the server throttles, creeps back."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable

# Requests a second, and bursts, that AWS's tracking servers take, by size.
LIMITS = {"Small": (25.0, 50), "Medium": (50.0, 100), "Large": (100.0, 200)}
_SLOWEST = 2.0
# Requests a second regained per second without a throttle.
_CREEP = 2.0
# Calls that were under way together are throttled together: that is one reason to slow down and not many.
_ONE_REASON = 1.0  # seconds


class Rate:
    """A token bucket whose rate adapts (additive increase, multiplicative decrease).

    Args:
        limit: requests a second to start with and never to pass; None for a server whose limit is unknown,
            which is not slowed until it throttles.
        burst: requests that may leave at once.
    """

    def __init__(
        self, limit: float | None = None, burst: int = 1, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self.current = limit
        self._burst = max(1, burst)
        self._clock = clock
        self._tokens = float(self._burst)
        self._filled = self._raised = clock()
        self._sent: list[float] = []
        self._slowed = -math.inf
        self._lock = threading.Lock()

    async def wait(self) -> None:
        """Return when one more request may leave."""
        if (pause := self.take()) > 0:
            await asyncio.sleep(pause)

    def take(self) -> float:
        """Take one request's turn, from any thread: seconds until it may leave."""
        with self._lock:
            return self._take(self._clock())

    def _take(self, now: float) -> float:
        self._sent.append(now)
        if len(self._sent) > 100:
            del self._sent[:50]
        if self.current is None:
            return 0.0
        if self.current != self.limit:
            self.current += (now - self._raised) * _CREEP
            if self.limit is not None:
                self.current = min(self.current, self.limit)
        self._raised = now
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self.current)
        self._filled = now
        # The token is taken at once, so that waiters are served in the order they came.
        self._tokens -= 1
        return max(0.0, -self._tokens / self.current)

    def throttled(self) -> None:
        """The server said that this is too fast."""
        with self._lock:
            self._slow_down(self._clock())

    def _slow_down(self, now: float) -> None:
        if now - self._slowed < _ONE_REASON:
            return
        self._slowed = now
        span = now - self._sent[0] if self._sent else 0.0
        measured = len(self._sent) / span if span > 0 else float(self._burst)
        base = self.current if self.current is not None else measured
        self.current = max(_SLOWEST, base / 2)
        self._burst = max(1, min(self._burst, int(self.current)))
        self._tokens = min(self._tokens, 0.0)
        self._raised = self._filled = now
