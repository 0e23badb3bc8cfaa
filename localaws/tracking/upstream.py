"""An HTTP/1.1 client for the tracking servers' processes that keeps connections open.

A general-purpose HTTP client adds a tenth of MLflow's response time. The gateway must not slow calls down (see
bench/gateway.py), so this module implements only what the gateway needs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Self

import httptools

Header = tuple[bytes, bytes]
# A process closes a connection that was idle for 75 s. The gateway closes it earlier, so that no request is lost.
IDLE_SECONDS = 60
CHUNK = 256 * 1024


class UpstreamError(Exception):
    """The process does not listen, or exited during a response."""


class Connection:
    """One connection. Call `send`, `start` and `body` in this order, for each request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._token = token
        self._reader = reader
        self._writer = writer
        self._headers: list[Header] = []
        self._chunks: list[bytes] = []
        self._started = self._complete = self._framed = self._bodiless = self._keeps_alive = False
        self._parser = httptools.HttpResponseParser(self)
        self.reusable = False
        self.idle_since = 0.0

    @classmethod
    async def open(cls, port: int, token: str) -> Self:
        """Connect to a process.

        Raises:
            UpstreamError: nothing listens on the port.
        """
        try:
            return cls(*await asyncio.open_connection("127.0.0.1", port), token)
        except OSError as error:
            raise UpstreamError(str(error)) from error

    @property
    def usable(self) -> bool:
        """Whether another request can be sent on this connection."""
        return not self._reader.at_eof() and time.monotonic() - self.idle_since < IDLE_SECONDS

    async def send(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | AsyncIterator[bytes]
    ) -> None:
        """Send a request. For a streamed body, the headers must contain the length.

        Raises:
            UpstreamError: the process has exited, or the body is incomplete.
        """
        self._headers, self._chunks = [], []
        self._started = self._complete = self._framed = False
        self._bodiless = method == "HEAD"  # Such a response has a length but no body, which the parser cannot know.
        self._parser = httptools.HttpResponseParser(self)
        self.reusable = False
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-localaws-token: {self._token}\r\n{lines}"
        try:
            if isinstance(body, bytes):
                length = f"content-length: {len(body)}\r\n" if body or method in ("POST", "PUT", "PATCH") else ""
                self._writer.write(f"{head}{length}\r\n".encode("latin1") + body)
                return
            self._writer.write(f"{head}\r\n".encode("latin1"))
            async for chunk in body:
                self._writer.write(chunk)
                await self._writer.drain()
        except OSError as error:
            raise UpstreamError(str(error)) from error

    async def start(self) -> tuple[int, list[Header]]:
        """Return the response's status and headers, with lower-case names and without the connection's own headers."""
        while not self._started:
            await self._feed()
        return self._parser.get_status_code(), self._headers

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the response's body as it arrives."""
        while True:
            if self._chunks:
                chunk = b"".join(self._chunks)
                self._chunks.clear()
                yield chunk
            elif self._complete:
                break
            else:
                await self._feed()
        self.reusable = self._keeps_alive
        self.idle_since = time.monotonic()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def _feed(self) -> None:
        try:
            data = await self._reader.read(CHUNK)
            if not data and self._started and not self._framed:
                self._complete = True  # The closed connection ends the body.
                return
            if not data:
                raise UpstreamError("it closed the connection before the response was complete")
            self._parser.feed_data(data)
        except (OSError, httptools.HttpParserError) as error:
            raise UpstreamError(str(error)) from error

    def on_header(self, name: bytes, value: bytes) -> None:
        """Handle a header (httptools)."""
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._framed = True
        if name not in (b"transfer-encoding", b"connection", b"keep-alive"):
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Handle the end of the headers (httptools)."""
        self._started = True
        self._complete = self._bodiless
        self._keeps_alive = self._parser.should_keep_alive()  # The parser forgets this by the end of the body.

    def on_body(self, chunk: bytes) -> None:
        """Handle a part of the body (httptools)."""
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """Handle the end of the response (httptools)."""
        self._complete = True


class Upstreams:
    """Idle connections by port."""

    def __init__(self, token: str) -> None:
        """`token` authenticates every request to the processes."""
        self._token = token
        self._idle: dict[int, list[Connection]] = {}

    @asynccontextmanager
    async def connection(self, port: int) -> AsyncIterator[Connection]:
        """Return a connection for one request.

        Raises:
            UpstreamError: nothing listens on the port.
        """
        connection = self._take(port) or await Connection.open(port, self._token)
        try:
            yield connection
        finally:
            if connection.reusable:
                self._idle.setdefault(port, []).append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    def _take(self, port: int) -> Connection | None:
        idle = self._idle.get(port, [])
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return None
