"""HTTP/1.1 to the tracking servers' processes, over connections that are kept open.

A general HTTP client takes a tenth of the time that MLflow needs for an answer. The gateway must not slow calls down
(bench/gateway.py measures it), so this module does only what it needs.
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
    """The process does not listen, or ended in the middle of an answer."""


class Connection:
    """One connection: `send`, then `start`, then `body`, and again."""

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
        """Connects to a process.

        Raises:
            UpstreamError: nothing listens on the port.
        """
        try:
            return cls(*await asyncio.open_connection("127.0.0.1", port), token)
        except OSError as error:
            raise UpstreamError(str(error)) from error

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on it."""
        return not self._reader.at_eof() and time.monotonic() - self.idle_since < IDLE_SECONDS

    async def send(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | AsyncIterator[bytes]
    ) -> None:
        """Sends a request; a body that is no bytes must have its length among the headers.

        Raises:
            UpstreamError: the process is gone, or the body broke off.
        """
        self._headers, self._chunks = [], []
        self._started = self._complete = self._framed = False
        self._bodiless = method == "HEAD"  # Its answer has a length and no body: the parser cannot know.
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
        """Status and headers of the answer, names in lower case, without those that belong to the connection."""
        while not self._started:
            await self._feed()
        return self._parser.get_status_code(), self._headers

    async def body(self) -> AsyncIterator[bytes]:
        """The answer's body, as it comes."""
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
        """Closes it."""
        self._writer.close()

    async def _feed(self) -> None:
        try:
            data = await self._reader.read(CHUNK)
            if not data and self._started and not self._framed:
                self._complete = True  # The end of the connection is the end of the body.
                return
            if not data:
                raise UpstreamError("it closed the connection before its answer was whole")
            self._parser.feed_data(data)
        except (OSError, httptools.HttpParserError) as error:
            raise UpstreamError(str(error)) from error

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header."""
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._framed = True
        if name not in (b"transfer-encoding", b"connection", b"keep-alive"):
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """httptools: the body begins."""
        self._started = True
        self._complete = self._bodiless
        self._keeps_alive = self._parser.should_keep_alive()  # It knows only now, not after the last part.

    def on_body(self, chunk: bytes) -> None:
        """httptools: a part of the body."""
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """httptools: the answer is whole."""
        self._complete = True


class Upstreams:
    """The idle connections, by port."""

    def __init__(self, token: str) -> None:
        """`token` is what the processes require of every request."""
        self._token = token
        self._idle: dict[int, list[Connection]] = {}

    @asynccontextmanager
    async def connection(self, port: int) -> AsyncIterator[Connection]:
        """A connection for one exchange.

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
        """Closes the idle ones."""
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
