"""Waits until something on AWS reaches a final state: one loop for servers and endpoints, and the clock it uses."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from mlflow_common.errors import PlatformError

Progress = Callable[[str], None]
Observed = TypeVar("Observed")

_FIRST_PAUSE = 0.5  # seconds
_LONGEST_PAUSE = 15.0
_REPEAT_PROGRESS_AFTER = 60.0


class Clock(Protocol):
    """The time in seconds, and sleeping."""

    def now(self) -> float:
        """Seconds since a fixed moment in the past."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since a fixed moment in the past; never set back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        time.sleep(seconds)


def wait_for(
    look: Callable[[], Observed],
    *,
    settled: Callable[[Observed], bool],
    describe: Callable[[Observed], str],
    progress: Progress,
    clock: Clock,
    timeout: float,
) -> Observed:
    """Call `look` at growing intervals until what it returns is settled, and return that.

    The description is reported whenever it changes, and otherwise once a minute.

    Raises:
        PlatformError: `timeout` seconds have passed. AWS carries on regardless.
    """
    # Polling, not a retry: nothing has failed, and AWS needs minutes.
    start = reported_at = clock.now()
    pause, reported = _FIRST_PAUSE, ""
    while True:
        observed = look()
        now, line = clock.now(), describe(observed)
        if line != reported:
            progress(line)
            reported_at, reported = now, line
        elif now - reported_at >= _REPEAT_PROGRESS_AFTER:
            progress(f"{line} (for {(now - start) / 60:.0f} min)")
            reported_at = now
        if settled(observed):
            return observed
        if now - start >= timeout:
            raise PlatformError(
                f"{line} after {timeout / 60:.0f} min. AWS continues; run the same command again to wait longer."
            )
        clock.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
