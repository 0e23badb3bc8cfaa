"""The ASGI application: a fast path for tables in front of MLflow's own scoring application.

A request is answered here only if its body is a plain table (`tables`) and the model predicts row by row (`model`).
Everything else goes to MLflow's application unchanged, errors included: so both give the same status and body.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import Future
from typing import Any

from mlflow.utils.proto_json_utils import NumpyEncoder, _get_jsonable_obj

from mlflow_serving.batching import Batcher, Predict
from mlflow_serving.tables import JSON, TableReader

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# The answer of MLflow's scoring server to a request that takes too long.
_TIMEOUT_MESSAGE = b"Request processing time exceeded limit"


class FastApplication:
    """Answers POST /invocations for plain tables; hands everything else to `mlflow`.

    Args:
        mlflow: the application that MLflow's `scoring_server.init` makes.
        batcher: answers bodies with their content types; see `make_batcher`.
        timeout: seconds after which a request is answered with status 504.
    """

    def __init__(self, mlflow: Application, batcher: Batcher, timeout: float) -> None:
        self._mlflow = mlflow
        self._batcher = batcher
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != "/invocations":
            await self._mlflow(scope, receive, send)
            return
        messages = []
        parts = []
        while True:
            message = await receive()
            messages.append(message)
            if message["type"] != "http.request":
                return  # The client is gone.
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        answer = await self._predict(b"".join(parts), _content_type(scope))
        if answer is None:
            await self._mlflow(scope, _replay(messages, receive), send)
            return
        status, body = answer
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", JSON.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _predict(self, body: bytes, content_type: str) -> tuple[int, bytes] | None:
        """Status and body; None if MLflow's application has to answer."""
        answer: Future[Any] = self._batcher.submit((body, content_type))
        try:
            content = await asyncio.wait_for(asyncio.wrap_future(answer), self._timeout)
            return None if content is None else (200, content)
        except TimeoutError:
            return None if answer.done() and not answer.cancelled() else (504, _TIMEOUT_MESSAGE)
        except Exception:
            # MLflow's application predicts again and answers with the error.
            return None


def make_batcher(predict: Predict, reader: TableReader) -> Batcher:
    """A batcher of bodies with their content types."""
    return Batcher(predict, read=lambda item: reader.read(*item), encode=encode)


def encode(predictions: Any) -> bytes:
    """The body of an answer, as MLflow's `predictions_to_json` writes it."""
    content = {"predictions": _get_jsonable_obj(predictions, pandas_orient="records")}
    return json.dumps(content, cls=NumpyEncoder).encode()


def _content_type(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return str(value.decode("latin-1"))
    return ""


def _replay(messages: list[Mapping[str, Any]], receive: Receive) -> Receive:
    """A `receive` that first repeats the messages that were already read."""
    again = iter(messages)

    async def replay() -> Mapping[str, Any]:
        for message in again:
            return message
        return await receive()

    return replay
