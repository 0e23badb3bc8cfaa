"""Forwards requests to a tracking server's process and streams the responses back."""

import logging
from collections.abc import AsyncIterator

from localaws.call import Call
from localaws.front.asgi import Receive, Send, respond
from localaws.tracking.upstream import UpstreamError, Upstreams

log = logging.getLogger(__name__)
# Headers of the client's own connection (RFC 9110, 7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
# Headers that localaws itself has processed.
ENDS_HERE = {
    "host",
    "authorization",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "x-amz-date",
    "cookie",
    "x-localaws-token",
}
DROPPED = frozenset(HOP_BY_HOP | ENDS_HERE)


class Proxy:
    """Forwards ASGI requests."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams

    async def forward(self, call: Call, port: int, receive: Receive, send: Send) -> None:
        """Forward the request and return its response, or 502 if the process does not respond.

        Raises:
            UpstreamError: the process exited during its response. The client's connection must be closed, too.
        """
        started = False
        try:
            async with self._upstreams.connection(port) as connection:
                await connection.send(call.method, _target(call), _headers(call), _body(call, receive))
                status, headers = await connection.start()
                await send({"type": "http.response.start", "status": status, "headers": headers})
                started = True
                async for chunk in connection.body():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except UpstreamError as error:
            log.warning("%s %s: the tracking server failed: %s", call.method, call.path, error)
            if started:
                raise
            text = b"The tracking server did not respond"
            await respond(send, 502, {"content-type": "text/plain; charset=utf-8"}, text)


def _target(call: Call) -> str:
    return f"{call.raw_path}?{call.query}" if call.query else call.raw_path


def _headers(call: Call) -> list[tuple[str, str]]:
    """Return the headers to forward. A body that was read completely is sent with its own length."""
    read = call.body is not None
    return [
        (name, value)
        for name, value in call.headers.items()
        if name not in DROPPED and not (read and name == "content-length")
    ]


def _body(call: Call, receive: Receive) -> bytes | AsyncIterator[bytes]:
    return _stream(receive) if call.body is None else call.body


async def _stream(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise UpstreamError("the client disconnected")  # A truncated body must not look complete.
        yield message.get("body", b"")
        if not message.get("more_body"):
            return
