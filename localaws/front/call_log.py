"""The call log: every API call as a JSON line, on disk and at GET /_localaws/calls."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from localaws.call import Call


class CallLog:
    """Appends to one file. A line contains the input of a policy decision, never a body or a key."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._answered: set[int] = set()
        self._path = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("a", buffering=1)

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
            "iam": [permission._asdict() for permission in call.permissions],
        }
        with self._lock:
            self._file.write(json.dumps(line) + "\n")
        self._answered.discard(id(call))

    def answered(self, call: Call) -> None:
        """Marks a call whose response is being sent; `add` follows."""
        self._answered.add(id(call))

    async def settled(self, seconds: float = 2) -> None:
        """Waits until every answered call is in the log, because a line is written after the response."""
        answered = set(self._answered)
        deadline = time.monotonic() + seconds
        while answered & self._answered and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    def lines(self) -> Iterator[str]:
        """All lines so far, oldest first."""
        with self._path.open() as file:
            yield from file

    def clear(self) -> None:
        """Deletes all lines, so that a test sees only its own calls."""
        with self._lock:
            self._file.truncate(0)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
