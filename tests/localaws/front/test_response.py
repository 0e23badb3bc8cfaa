"""When a response counts as complete."""

import asyncio
from typing import Any

import pytest

from localaws.call import Call
from localaws.front.application import SANDBOX, _Response


def call(ui: str = "", **headers: str) -> Call:
    return Call(
        "GET", "/b/k", "/b/k", "", {name.replace("_", "-"): value for name, value in headers.items()}, b"", ui=ui
    )


def test_a_response_is_complete_with_the_message_that_fills_its_length() -> None:
    """The client has it then, although an empty message may follow."""
    order: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        order.append(message.get("body", b"start").decode())

    async def go() -> None:
        response = _Response(send, lambda: order.append("complete"), call())
        await response({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        for body in (b"ab", b"cd"):
            await response({"type": "http.response.body", "body": body, "more_body": True})

    asyncio.run(go())
    assert order == ["start", "ab", "complete", "cd"]


def test_a_response_without_a_length_is_complete_with_its_last_message() -> None:
    ended: list[bool] = []

    async def send(_: dict[str, Any]) -> None:
        pass

    async def go() -> None:
        response = _Response(send, lambda: ended.append(True), call())
        await response({"type": "http.response.start", "status": 200, "headers": []})
        await response({"type": "http.response.body", "body": b"ab", "more_body": True})
        assert not ended
        await response({"type": "http.response.body", "body": b""})

    asyncio.run(go())
    assert ended == [True]


@pytest.mark.parametrize(
    ("of", "isolated"),
    [(call(sec_fetch_dest="document"), True), (call(), False), (call(ui="t-1", sec_fetch_dest="document"), False)],
)
def test_a_browser_isolates_an_object_from_the_sessions_of_the_ui(of: Call, isolated: bool) -> None:
    """Both have the origin http://127.0.0.1:PORT."""
    sent: list[Any] = []

    async def send(message: dict[str, Any]) -> None:
        sent.extend(message["headers"])

    asyncio.run(_Response(send, lambda: None, of)({"type": "http.response.start", "status": 200, "headers": []}))
    assert (SANDBOX in sent) is isolated
