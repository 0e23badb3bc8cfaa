"""When a response counts as complete."""

import asyncio
from typing import Any

from localaws.front.application import _Response


def test_a_response_is_complete_with_the_message_that_fills_its_length() -> None:
    """The client has it then, although an empty message may follow."""
    order: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        order.append(message.get("body", b"start").decode())

    async def go() -> None:
        response = _Response(send, lambda: order.append("complete"))
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
        response = _Response(send, lambda: ended.append(True))
        await response({"type": "http.response.start", "status": 200, "headers": []})
        await response({"type": "http.response.body", "body": b"ab", "more_body": True})
        assert not ended
        await response({"type": "http.response.body", "body": b""})

    asyncio.run(go())
    assert ended == [True]
