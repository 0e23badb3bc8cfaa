"""Waits for asynchronous results of AWS calls."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(found: Callable[[], T], seconds: float = 120, pause: float = 0.05) -> T:
    """Poll until the result is not empty, or until the time is over. Return the last result."""
    deadline = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(pause)
    return value
