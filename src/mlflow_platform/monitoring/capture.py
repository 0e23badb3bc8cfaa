"""Reads the files that SageMaker's data capture writes: one JSON object for each request on each line.

The layout of folders and lines is documented in the SageMaker developer guide, "Data capture" and "Captured data":
`DEST/ENDPOINT/VARIANT/yyyy/mm/dd/hh/NAME.jsonl`. A body is base64 unless the capture configuration lists its content
type as CSV or JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any


@dataclass(frozen=True)
class Body:
    """A captured request or answer: its bytes, and the content type that came with it (in lower case)."""

    content_type: str
    data: bytes


@dataclass(frozen=True)
class Captured:
    """One captured request.

    Attributes:
        event_id: SageMaker's id of the request, which is unique.
        inference_id: the id that the client gave, or None.
        time: when the endpoint was invoked, in UTC.
        request, response: the bodies. `response` is None if the endpoint captures requests only.
    """

    event_id: str
    inference_id: str | None
    time: datetime
    request: Body
    response: Body | None


@dataclass(frozen=True)
class Problem:
    """A line that cannot be used: its number in the file (from 1), and the reason."""

    line: int
    reason: str


class LineError(ValueError):
    """A line that cannot be used. The message is the reason."""


def folder(destination: str, endpoint: str, variant: str, day: date) -> str:
    """The folder below a capture's destination that has a variant's files of one day, with a slash at its end."""
    return f"{destination.rstrip('/')}/{endpoint}/{variant}/{day:%Y/%m/%d}/".lstrip("/")


def parse(content: bytes) -> tuple[list[tuple[int, Captured]], list[Problem]]:
    """Read one file. Returns its requests with their line numbers, and the lines that cannot be used.

    Empty lines are neither.
    """
    found: list[tuple[int, Captured]] = []
    problems: list[Problem] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            found.append((number, _captured(line)))
        except LineError as error:
            problems.append(Problem(number, str(error)))
    return found, problems


def _captured(line: bytes) -> Captured:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise LineError("is not JSON (an incomplete line?)") from None
    data = _mapping(event, "captureData", "the line")
    about = _mapping(event, "eventMetadata", "the line")
    event_id = about.get("eventId")
    if not isinstance(event_id, str) or not event_id:
        raise LineError("has no eventMetadata.eventId")
    inference_id = about.get("inferenceId")
    if inference_id is not None and not isinstance(inference_id, str):
        raise LineError("has an inferenceId that is not text")
    response = data.get("endpointOutput")
    return Captured(
        event_id,
        inference_id or None,
        _time(about.get("inferenceTime")),
        _body(data.get("endpointInput"), "endpointInput"),
        None if response is None else _body(response, "endpointOutput"),
    )


def _mapping(parent: Any, key: str, what: str) -> Mapping[str, Any]:
    found = parent.get(key) if isinstance(parent, Mapping) else None
    if not isinstance(found, Mapping):
        raise LineError(f"has no {key}" if isinstance(parent, Mapping) else f"{what} is not a JSON object")
    return found


def _time(text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        raise LineError("has no eventMetadata.inferenceTime in ISO 8601") from None


def _body(part: Any, name: str) -> Body:
    if not isinstance(part, Mapping):
        raise LineError(f"has no captureData.{name}")
    data = part.get("data")
    content_type = str(part.get("observedContentType") or "").partition(";")[0].strip().lower()
    if part.get("encoding") == "BASE64":
        try:
            if isinstance(data, str):
                return Body(content_type, base64.b64decode(data, validate=True))
        except (binascii.Error, ValueError):
            pass
        raise LineError(f"has an {name} that is not base64")
    if isinstance(data, str):
        return Body(content_type, data.encode(errors="surrogatepass"))
    if data is None:
        raise LineError(f"has an {name} without data")
    return Body(content_type, json.dumps(data).encode())
