"""The secret header that a container requires if `SERVING_TOKEN` is set."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mlflow_serving.token import require_token, require_token_wsgi

WRONG = [None, "", "secret ", "Secret", "secre", "s\xe9cret"]


def _asgi_status(sent: str | None) -> int:
    statuses = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [] if sent is None else [(b"x-serving-token", sent.encode("latin1"))]
    scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": headers}
    asyncio.run(require_token(application, "secret")(scope, None, send))  # type: ignore[arg-type]
    (status,) = statuses
    return int(status)


def _wsgi_status(sent: str | None) -> int:
    statuses: list[str] = []

    def application(_environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        return []

    environ = {} if sent is None else {"HTTP_X_SERVING_TOKEN": sent}
    list(require_token_wsgi(application, "secret")(environ, lambda status, _headers: statuses.append(status)))
    (status,) = statuses
    return int(status.split()[0])


@pytest.mark.parametrize("status", [_asgi_status, _wsgi_status])
def test_only_the_exact_token_is_accepted(status: Callable[[str | None], int]) -> None:
    assert status("secret") == 200
    assert [status(sent) for sent in WRONG] == [403] * len(WRONG)
