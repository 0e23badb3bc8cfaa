"""Invocations run beside the other calls, up to a limit."""

import asyncio
import threading
from typing import Any

import pytest

from localaws.errors import AwsError
from localaws.functions.concurrency import MOST, Invocations

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/",
    "root_path": "",
    "query_string": b"",
    "http_version": "1.1",
    "headers": [],
}


def test_an_invocation_beyond_the_limit_is_refused_at_once() -> None:
    ended, started = threading.Event(), threading.Semaphore(0)

    def run(_environ: Any, start_response: Any) -> list[bytes]:
        started.release()
        assert ended.wait(60)
        start_response("200 OK", [])
        return [b""]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:
        pass

    async def check() -> None:
        invocations = Invocations(run)
        running = [asyncio.create_task(invocations(SCOPE, receive, send)) for _ in range(MOST)]
        for _ in running:
            assert await asyncio.to_thread(started.acquire, timeout=60)
        with pytest.raises(AwsError, match="TooManyRequestsException") as refused:
            await invocations(SCOPE, receive, send)
        assert refused.value.status == 429
        ended.set()
        await asyncio.gather(*running)
        await invocations(SCOPE, receive, send)

    asyncio.run(check())
