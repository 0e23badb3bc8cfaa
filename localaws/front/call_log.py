"""The call log: API calls as JSON lines, on disk and at GET /_localaws/calls.

It is bounded: when the file reaches `MOST_BYTES`, it becomes `calls.1.jsonl` and replaces the older part there.
"""

import asyncio
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from localaws.call import Call

# About 100,000 calls.
MOST_BYTES = 32 << 20
_BLOCK = 256 * 1024
# As in "ttl=…; attempt=2; max=25". botocore (handlers.py) and the Go SDK send it.
_ATTEMPT = re.compile(r"\battempt=([0-9]{1,4})\b")


class CallLog:
    """Appends to one file. A line contains the input of a policy decision, never a body or a key."""

    def __init__(self, file: Path, most_bytes: int = MOST_BYTES) -> None:
        self._lock = threading.Lock()
        self._answered: set[int] = set()
        self._most_bytes = most_bytes
        self._path = file
        self._older = file.with_suffix(f".1{file.suffix}")
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab", buffering=0)

    def add(self, call: Call, status: int, seconds: float, error: str = "") -> None:
        """Adds one answered call."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "principal": call.principal,
            "service": call.service,
            "operation": call.operation,
            "resource": call.resource,
            "region": call.region,
            "status": status,
            "error": error,
            "ms": round(seconds * 1000, 1),
            **_attempt(call),
            "iam": [permission._asdict() for permission in call.permissions],
        }
        with self._lock:
            if self._file.tell() >= self._most_bytes:
                self._file.close()
                self._path.replace(self._older)
                self._file = self._path.open("ab", buffering=0)
            self._file.write(json.dumps(line).encode() + b"\n")
        self._answered.discard(id(call))

    def answered(self, call: Call) -> None:
        """Marks a call whose response is being sent; `add` follows."""
        self._answered.add(id(call))

    async def settled(self, seconds: float = 10) -> None:
        """Waits until every answered call is in the log, because a line is written after the response."""
        answered = set(self._answered)
        deadline = time.monotonic() + seconds
        while answered & self._answered and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    def blocks(self) -> Iterator[bytes]:
        """All lines so far, oldest first, in blocks of bytes. Lines that are added meanwhile are left out."""
        with self._lock, ExitStack() as stack:
            parts = [stack.enter_context(path.open("rb")) for path in (self._older, self._path) if path.exists()]
            sizes = [os.fstat(part.fileno()).st_size for part in parts]
            kept = stack.pop_all()
        with kept:
            for part, left in zip(parts, sizes, strict=True):
                while left > 0 and (block := part.read(min(left, _BLOCK))):
                    left -= len(block)
                    yield block

    def clear(self) -> None:
        """Deletes all lines, so that a test sees only its own calls."""
        with self._lock:
            self._older.unlink(missing_ok=True)
            self._file.truncate(0)
            self._file.seek(0)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _attempt(call: Call) -> dict[str, int]:
    """The number of the attempt, if the SDK repeated the call: the response of the first one did not satisfy it."""
    found = _ATTEMPT.search(call.headers.get("amz-sdk-request", ""))
    return {"attempt": int(found[1])} if found and int(found[1]) > 1 else {}
