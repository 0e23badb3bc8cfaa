"""Methods of moto that localaws replaces."""

from typing import Any


def original(method: Any) -> Any:
    """Return moto's own method, also where another localaws in this process has replaced it (with functools.wraps)."""
    return getattr(method, "__wrapped__", method)
