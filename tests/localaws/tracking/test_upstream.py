"""The gateway's HTTP client: all ways in which a response can end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from localaws.tracking.upstream import Connection, UpstreamError, Upstreams

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Kept: yes\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
CLOSES = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"


class Server:
    """Sends the same bytes in response to each request, and counts the connections."""

    def __init__(self, answer: bytes, *, close: bool = False) -> None:
        self.answer, self.close = answer, close
        self.connections = 0
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while request := await reader.read(65536):
            self.requests.append(request)
            writer.write(self.answer)
            if self.close:
                break
        writer.close()


def exchanges(server: Server, count: int = 1, method: str = "GET", body: bytes = b"") -> list[tuple[int, bytes]]:
    """Send `count` requests in sequence, and return the status and body of each response."""

    async def run() -> list[tuple[int, bytes]]:
        listener = await asyncio.start_server(server, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        upstreams = Upstreams("token")
        found = []
        try:
            for _ in range(count):
                async with upstreams.connection(port) as connection:
                    await connection.send(method, "/", [], body)
                    status, _ = await connection.start()
                    found.append((status, b"".join([chunk async for chunk in connection.body()])))
        finally:
            upstreams.close()
            listener.close()
        return found

    return asyncio.run(asyncio.wait_for(run(), 5))


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED])
def test_reuses_a_connection(answer: bytes) -> None:
    server = Server(answer)
    assert exchanges(server, 3) == [(200, b"hello")] * 3
    assert server.connections == 1


def test_a_closed_connection_can_end_a_response() -> None:
    server = Server(CLOSES, close=True)
    assert exchanges(server, 2) == [(200, b"hello")] * 2
    assert server.connections == 2


def test_the_response_to_head_has_no_body() -> None:
    assert exchanges(Server(LENGTH.removesuffix(b"hello")), 2, "HEAD") == [(200, b"")] * 2


def test_a_post_without_a_body_has_content_length_zero() -> None:
    server = Server(LENGTH)
    exchanges(server, 1, "POST")
    assert b"content-length: 0" in server.requests[0]


@pytest.mark.parametrize("answer", [b"", LENGTH[:-2], CHUNKED[:-9], b"nonsense\r\n\r\n"])
def test_an_incomplete_or_invalid_response_is_an_error(answer: bytes) -> None:
    with pytest.raises(UpstreamError):
        exchanges(Server(answer, close=True))


def test_a_refused_connection_is_an_error() -> None:
    with pytest.raises(UpstreamError):
        asyncio.run(Connection.open(1, "token"))


def test_does_not_reuse_a_connection_that_the_server_closed() -> None:
    async def run() -> int:
        server = Server(LENGTH, close=True)
        listener = await asyncio.start_server(server, "127.0.0.1", 0)
        upstreams = Upstreams("token")
        for _ in range(2):
            async with upstreams.connection(listener.sockets[0].getsockname()[1]) as connection:
                await connection.send("GET", "/", [], b"")
                await connection.start()
                assert b"".join([chunk async for chunk in connection.body()]) == b"hello"
            await asyncio.sleep(0.05)  # Wait until the client sees the closed connection.
        upstreams.close()
        listener.close()
        return server.connections

    assert asyncio.run(asyncio.wait_for(run(), 5)) == 2
