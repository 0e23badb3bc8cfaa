"""Passes requests on to a tracking server's process and streams the answers back."""

import logging
from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from localaws.application import Receive, Send, respond
from localaws.call import Call
from localaws.tracking.connections import Connections

log = logging.getLogger(__name__)
# RFC 9110, 7.6.1: these belong to one connection. The length is kept: it frames the same bytes on both sides.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
)
# What localaws has already acted upon.
ENDS_HERE = frozenset({"host", "authorization", "x-amz-security-token", "x-amz-content-sha256", "x-amz-date", "cookie"})


class Proxy:
    """Takes requests as ASGI brings them."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def forward(self, call: Call, upstream: str, receive: Receive, send: Send) -> None:
        """Sends the request to `upstream` and its answer to the client; 502 where the process does not answer."""
        query = f"?{call.query}" if call.query else ""
        started = False
        try:
            async with self._connections.session.request(
                call.method,
                URL(f"{upstream}{call.raw_path}{query}", encoded=True),
                headers={n: v for n, v in call.headers.items() if n not in HOP_BY_HOP and n not in ENDS_HERE},
                data=_stream(receive) if call.body is None else call.body or None,
                allow_redirects=False,
            ) as answer:
                lines = [(n.lower(), v) for n, v in answer.raw_headers if n.decode("latin1").lower() not in HOP_BY_HOP]
                await send({"type": "http.response.start", "status": answer.status, "headers": lines})
                started = True
                async for chunk in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s %s: the tracking server failed: %s", call.method, call.path, error)
            if started:
                raise
            text = b"The tracking server did not answer"
            await respond(send, 502, {"content-type": "text/plain; charset=utf-8"}, text)


async def _stream(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        yield message.get("body", b"")
        if not message.get("more_body"):
            return
