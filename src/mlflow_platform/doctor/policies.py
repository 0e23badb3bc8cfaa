"""Compares policy documents by their meaning, not by their text."""

from __future__ import annotations

import json
from typing import Any


def same_policy(one: str, other: str) -> bool:
    """Whether two policy documents are equal, but for the order of statements and lists, and lists of one value."""
    return bool(_normal(json.loads(one)) == _normal(json.loads(other)))


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        if len(value) == 1:
            return _normal(value[0])
        return sorted((_normal(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
