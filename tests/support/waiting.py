"""Waiting for what goes on behind AWS's answers."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(found: Callable[[], T], seconds: float = 20, pause: float = 0.05) -> T:
    """What is found once there is something; after so many seconds, whatever is found then."""
    deadline = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(pause)
    return value
