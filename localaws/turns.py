"""Which call of a service of moto runs: one at a time. A call that waits lets the others go first."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

# The lock that the call of this thread holds.
_held: ContextVar["threading.Lock | None"] = ContextVar("held", default=None)


class Turns:
    """A lock for each service."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._creating = threading.Lock()

    @contextmanager
    def of(self, service: str) -> Iterator[None]:
        """Hold the service's lock."""
        with self._creating:
            lock = self._locks.setdefault(service, threading.Lock())
        with lock:
            token = _held.set(lock)
            try:
                yield
            finally:
                _held.reset(token)


@contextmanager
def _given_up() -> Iterator[None]:
    lock = _held.get()
    if lock is None:
        yield
        return
    lock.release()
    try:
        yield
    finally:
        lock.acquire()


def lets_others_go_first(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of moto that only waits, without its service's lock."""

    @wraps(method)
    def wait(*args: Any) -> Any:
        with _given_up():
            return method(*args)

    return wait
