"""JSON that can be read in one way only, and that can be written again."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


class DuplicateKeyError(ValueError):
    """An object has a key twice.

    Attributes:
        key: the key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"an object has the key {key!r} twice")
        self.key = key


def loads(content: bytes) -> Any:
    """Parse JSON.

    Raises:
        DuplicateKeyError: an object has a key twice, of which `json.loads` would keep the last.
        UnicodeEncodeError: a text has half of a surrogate pair, which is valid JSON, but cannot be sent or written.
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    found = json.loads(content, object_pairs_hook=_object)
    if b"\\ud" in content.lower():
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(name for name, _ in pairs)  # `list.count` would take hours for half a million keys.
        raise DuplicateKeyError(next(name for name, count in times.items() if count > 1))
    return found
