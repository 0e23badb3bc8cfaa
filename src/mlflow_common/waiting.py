"""Waiting for something on AWS to settle: the clock, and one loop for servers and endpoints alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from mlflow_common.errors import PlatformError

Progress = Callable[[str], None]
Thing = TypeVar("Thing")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_SIGN_OF_LIFE = 60.0


class Clock(Protocol):
    """What waiting needs to know of time, in seconds."""

    def now(self) -> float:
        """Seconds since some moment in the past."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since some moment in the past; never set back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


def wait_for(
    look: Callable[[], Thing],
    *,
    settled: Callable[[Thing], bool],
    say: Callable[[Thing], str],
    progress: Progress,
    clock: Clock,
    timeout: float,
) -> Thing:
    """Look again and again, ever less often, until what is seen has settled; return that.

    What is said of it is reported whenever it changes, and once a minute.

    Raises:
        PlatformError: after `timeout` seconds. Whatever was waited for goes on by itself.
    """
    start = told = clock.now()
    pause, said = _FIRST_PAUSE, ""
    while True:
        thing = look()
        now, line = clock.now(), say(thing)
        if line != said:
            progress(line)
            told, said = now, line
        elif now - told >= _SIGN_OF_LIFE:
            progress(f"{line} (for {(now - start) / 60:.0f} min)")
            told = now
        if settled(thing):
            return thing
        if now - start >= timeout:
            raise PlatformError(
                f"{line} after {timeout / 60:.0f} min: it goes on by itself; run the same command again to wait longer"
            )
        clock.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
