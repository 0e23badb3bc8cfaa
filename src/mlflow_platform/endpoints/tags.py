"""Tag values in the characters that AWS accepts.

AWS accepts letters, digits and spaces of any script and the characters `_.:/=+-@`, at most 256 of them (SageMaker API,
Tag; S3 object tags have the same rule). Registered models may have any other characters in their names.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

_LONGEST = 256
_DIGEST = 16
_PUNCTUATION = frozenset("_.:/+-@")
_ESCAPES = re.compile("(?:=[0-9A-F]{2})+")


def encode(value: str) -> str:
    """Return a value that AWS accepts. Each refused character becomes the bytes of its UTF-8 form as `=XX`.

    A value that is still too long is cut and ends in a digest, so that different values stay different.
    """
    encoded = "".join(
        character if _is_accepted(character) else "".join(f"={byte:02X}" for byte in _utf8(character))
        for character in value
    )
    if len(encoded) <= _LONGEST:
        return encoded
    digest = hashlib.sha256(_utf8(value)).hexdigest()[:_DIGEST]
    return f"{encoded[: _LONGEST - _DIGEST - 1]}-{digest}"


def decode(value: str) -> str:
    """Return the value that `encode` was given, unless it was cut."""
    return _ESCAPES.sub(_unescape, value)


def _unescape(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("=", "")).decode()
    except UnicodeDecodeError:
        return match[0]


def _is_accepted(character: str) -> bool:
    return character in _PUNCTUATION or unicodedata.category(character)[0] in "LZN"


def _utf8(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
