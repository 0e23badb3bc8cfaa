"""Texts that people take for the same: in another case, with other spaces, or other codes of the same characters."""

from __future__ import annotations

import unicodedata
from typing import Any

from mlflow_platform.validation.table import quoted

# Unicode's category of format characters, such as the zero-width space and the soft hyphen.
_INVISIBLE = "Cf"
_SHOWN = 100


def folded(text: str) -> str:
    """The text without case, superfluous spaces, invisible characters, and forms of the same character."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_visible(plain).split())


def canonical(text: str) -> str:
    """The text with one coding of each character."""
    return unicodedata.normalize("NFC", text)


def distinguished(*values: Any) -> list[str]:
    """The values for a message. Texts that look alike are shown with the codes of their characters."""
    shown = [quoted(value) for value in values]
    looks = {canonical(_visible(text)) for text in shown}
    return shown if len(looks) == len(shown) else [ascii(value)[:_SHOWN] for value in values]


def _visible(text: str) -> str:
    return "".join(each for each in text if unicodedata.category(each) != _INVISIBLE)
