"""Requires a secret header of every request, where the container's port can be reached by others than its host.

SageMaker sends no such header. localaws sets `SERVING_TOKEN`, because other programs and web pages on the machine can
connect to the ports of its containers.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_serving.application import Application, Receive, Scope, Send

HEADER = "x-serving-token"
_MESSAGE = b"This port accepts requests only from the service that started the container."

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def require_token(application: Application, token: str) -> Application:
    """An ASGI application that answers 403 to requests without the token."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _matches(dict(scope["headers"]).get(HEADER.encode(), b""), token):
            headers = [(b"content-length", str(len(_MESSAGE)).encode()), (b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _MESSAGE})
            return
        await application(scope, receive, send)

    return checked


def require_token_wsgi(application: WsgiApplication, token: str) -> WsgiApplication:
    """A WSGI application that answers 403 to requests without the token."""

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _matches(environ.get("HTTP_X_SERVING_TOKEN", "").encode("latin1"), token):
            start_response("403 Forbidden", [("content-type", "text/plain"), ("content-length", str(len(_MESSAGE)))])
            return [_MESSAGE]
        return application(environ, start_response)

    return checked


def _matches(sent: bytes, token: str) -> bool:
    return hmac.compare_digest(sent, token.encode())
