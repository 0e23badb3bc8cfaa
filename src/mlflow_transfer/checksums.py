"""The SHA-256 checksums of an archive: of whole files, or composite ones of files that S3 copied in parts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Checksum:
    """A SHA-256 in hexadecimal.

    Args:
        part: 0 for the checksum of a whole file. Otherwise the size in bytes of the file's parts; the checksum is then
            the SHA-256 of the concatenated SHA-256s of the parts.
    """

    sha256: str
    part: int = 0


class Summing:
    """Computes a checksum of streamed content."""

    def __init__(self, part: int = 0) -> None:
        self._part = part
        self._all = hashlib.sha256()
        self._open, self._held = hashlib.sha256(), 0

    def update(self, chunk: bytes) -> None:
        """Add the next chunk of the content."""
        if not self._part:
            self._all.update(chunk)
            return
        at = 0
        while at < len(chunk):
            taken = chunk[at : at + self._part - self._held]
            self._open.update(taken)
            self._held += len(taken)
            at += len(taken)
            if self._held == self._part:
                self._close()

    def checksum(self) -> Checksum:
        """The checksum of the content so far."""
        if self._held:
            self._close()
        return Checksum(self._all.hexdigest(), self._part)

    def _close(self) -> None:
        self._all.update(self._open.digest())
        self._open, self._held = hashlib.sha256(), 0


def parse_checksum(answer: Mapping[str, Any], part: int = 0) -> Checksum | None:
    """The SHA-256 in an S3 response; None if it has none, or one of parts of another size."""
    text, _, parts = str(answer.get("ChecksumSHA256", "")).partition("-")
    composite = bool(parts) or answer.get("ChecksumType") == "COMPOSITE"
    if not text or (composite and not part):
        return None
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return Checksum(found.hex(), part) if len(found) == hashlib.sha256().digest_size else None
