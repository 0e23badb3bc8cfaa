"""Values of the API as JSON, and back: a time becomes an object with one member."""

from datetime import datetime
from typing import Any

_TIME = "$time"


def pack(value: Any) -> Any:
    """The value as JSON."""
    if isinstance(value, datetime):
        return {_TIME: value.isoformat()}
    if isinstance(value, dict):
        return {name: pack(one) for name, one in value.items()}
    return [pack(one) for one in value] if isinstance(value, list | tuple) else value


def unpack(value: Any) -> Any:
    """The value of `pack`."""
    if isinstance(value, dict):
        if set(value) == {_TIME}:
            return datetime.fromisoformat(value[_TIME])
        return {name: unpack(one) for name, one in value.items()}
    return [unpack(one) for one in value] if isinstance(value, list) else value
