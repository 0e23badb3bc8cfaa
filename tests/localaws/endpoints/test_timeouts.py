"""Timeouts of containers. The tests set shorter timeouts than AWS has."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from localaws.alarms import Alarms
from localaws.call import Call
from localaws.endpoints.async_queue import AsyncQueues
from localaws.endpoints.container import Container
from localaws.endpoints.endpoints import Target
from localaws.endpoints.program import Program
from localaws.endpoints.runtime import Runtime
from localaws.processes import Processes


class Silent:
    """An endpoint whose container accepts connections and never responds."""

    def __init__(self, port: int) -> None:
        self._port = port

    def find(self, _arn: str) -> None:
        """Return nothing: the endpoint is only invoked."""

    def all(self) -> list[Any]:
        """Return nothing."""
        return []

    @contextmanager
    def invoking(self, _arn: str, _variant: str | None) -> Iterator[Target]:
        container: Any = SimpleNamespace(port=self._port, token="a token", suspended=False, waking=False)
        yield Target("one", "config", 1, container)


def test_a_response_timeout_is_a_model_error() -> None:
    sent: list[dict[str, Any]] = []

    async def invoke() -> None:
        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(never, "127.0.0.1", 0)
        endpoints: Any = Silent(server.sockets[0].getsockname()[1])
        alarms, assume = Alarms("123456789012", 1), Mock()
        queues = AsyncQueues(endpoints, alarms, assume, 60)
        runtime = Runtime(endpoints, "123456789012", alarms, queues, answer_seconds=0.2)
        await runtime.open()
        call = Call("POST", "/endpoints/slow/invocations", "/endpoints/slow/invocations", "", {}, b"{}")
        call.operation, call.region = "InvokeEndpoint", "us-east-1"
        await runtime({"localaws.call": call}, _nothing, send)
        await runtime.close()
        server.close()

    asyncio.run(invoke())
    assert sent[0]["status"] == 424
    answer = json.loads(sent[1]["body"])
    assert answer["OriginalStatusCode"] == 0
    assert answer["OriginalMessage"].startswith("Your invocation timed out while waiting for a response from container")
    assert answer["Message"].startswith(
        'Received server error (0) from primary with message "Your invocation timed out'
    )


def test_a_container_that_never_responds_to_pings_fails_and_can_be_stopped(tmp_path: Path) -> None:
    processes = Processes(tmp_path / "run", tmp_path / "logs")
    folder = tmp_path / "container"
    # This program replaces the interpreter and never runs the entry point.
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    folder.mkdir()
    log: Any = _NoLog()
    container = Container("hung", Program.of_python(sleeper, folder), folder, {}, processes, log)
    container.start()
    began = time.monotonic()
    assert container.wait(0.5) is False
    assert 0.5 <= time.monotonic() - began < 50
    container.stop()
    assert not folder.exists()
    assert not list((tmp_path / "run").iterdir())


class _NoLog:
    def follow(self, *, to_the_end: bool = False) -> None:
        """Do nothing."""


async def _nothing() -> dict[str, Any]:
    return {}
