"""Passes requests on to a tracking server's process and streams the answers back."""

import logging
from collections.abc import AsyncIterator

from localaws.call import Call
from localaws.front.asgi import Receive, Send, respond
from localaws.tracking.upstream import UpstreamError, Upstreams

log = logging.getLogger(__name__)
# What belongs to the client's own connection (RFC 9110, 7.6.1) …
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
# … and what localaws has already acted upon.
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
    """Takes requests as ASGI brings them."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams

    async def forward(self, call: Call, port: int, receive: Receive, send: Send) -> None:
        """Sends the request on and its answer back; 502 where the process does not answer.

        Raises:
            UpstreamError: it ended in the middle of its answer: the client's connection must end, too.
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
            text = b"The tracking server did not answer"
            await respond(send, 502, {"content-type": "text/plain; charset=utf-8"}, text)


def _target(call: Call) -> str:
    return f"{call.raw_path}?{call.query}" if call.query else call.raw_path


def _headers(call: Call) -> list[tuple[str, str]]:
    """Those to pass on. A body that was read whole is sent with its own length."""
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
            raise UpstreamError("the client went away")  # A body cut short must not look like a whole one.
        yield message.get("body", b"")
        if not message.get("more_body"):
            return
