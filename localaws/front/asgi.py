"""The ASGI types, and functions that read a request's body and send whole responses."""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


async def respond(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    """Sends a whole response."""
    lines = [(name.encode("latin1"), value.encode("latin1")) for name, value in headers.items()]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def respond_in_blocks(send: Send, status: int, headers: dict[str, str], blocks: Iterable[bytes]) -> None:
    """Sends a response of unknown length, of which only one block is in memory at a time."""
    lines = [(name.encode("latin1"), value.encode("latin1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    for block in blocks:
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def respond_json(send: Send, status: int, content: Any) -> None:
    """Sends JSON."""
    await respond(send, status, {"content-type": "application/json"}, json.dumps(content).encode())


async def read_body(receive: Receive, most: int | None = None) -> bytes:
    """The whole body of a request.

    Raises:
        ValueError: it has more than `most` bytes. The rest is unread.
    """
    parts, size = [], 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if most is not None and size > most:
            raise ValueError(f"The body has more than {most} bytes.")
        if not message.get("more_body"):
            return b"".join(parts)
