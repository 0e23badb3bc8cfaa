"""A request rate per server. It starts at the documented limit, halves when throttled, and recovers slowly."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable

# The rate (requests per second) and burst that AWS tracking servers accept, by size.
LIMITS = {"Small": (25.0, 50), "Medium": (50.0, 100), "Large": (100.0, 200)}
_SLOWEST = 2.0
# The increase of the rate (requests per second) for each second without throttling.
_CREEP = 2.0
# Simultaneous calls are throttled together, so throttles within this time slow down the rate only once.
_ONE_REASON = 1.0  # seconds


class Rate:
    """A token bucket whose rate adapts (additive increase, multiplicative decrease).

    Args:
        limit: the initial and maximum rate in requests per second; None if the server's limit is unknown. The rate is
            then unlimited until the server throttles.
        burst: the number of requests that may be sent at once.
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
        """Wait until one more request may be sent."""
        if (pause := self.take()) > 0:
            await asyncio.sleep(pause)

    def take(self) -> float:
        """Reserve a slot for one request: the seconds until it may be sent. Thread-safe."""
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
        # Take the token immediately, so that waiting requests are served in order.
        self._tokens -= 1
        return max(0.0, -self._tokens / self.current)

    def throttled(self) -> None:
        """Slow down, because the server throttled a request."""
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
