"""The tracking servers' web pages: `http://{server}.localhost:PORT`, behind a session that a presigned URL opens.

Browsers resolve every name below `localhost` to the loopback address (RFC 6761, 6.3), so each server has an origin of
its own, as on AWS (`https://t-….{region}.experiments.sagemaker.aws`), without any DNS.
"""

import html
import re
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from localaws.application import Receive, Scope, Send, read_body, respond
from localaws.call import Call
from localaws.calls import CallLog
from localaws.errors import AwsError
from localaws.mlflow_actions import action_of
from localaws.tracking.data_plane import DataPlane, not_serving
from localaws.tracking.server import TrackingServer
from localaws.tracking.servers import TrackingServers
from localaws.tracking.sessions import Session, Sessions

HOST = re.compile(r"(t-[a-z0-9]+)\.localhost(?::\d+)?")
COOKIE = "mlflow-session"
AUTH_PATH = "/auth"
PAGE = "<!doctype html><meta charset=utf-8><title>{0}</title><h1>{0}</h1><p>{1}</p>"
NEW_LINK = "Ask for a new one: aws sagemaker create-presigned-mlflow-tracking-server-url --tracking-server-name {}"


class Ui:
    """An ASGI application for requests whose host name is a tracking server's."""

    def __init__(
        self,
        servers: TrackingServers,
        sessions: Sessions,
        data_plane: DataPlane,
        calls: CallLog,
        guard: Callable[[Call], None],
    ) -> None:
        self._guard = guard
        self._servers = servers
        self._sessions = sessions
        self._data_plane = data_plane
        self._calls = calls

    @staticmethod
    def takes(call: Call) -> bool:
        """Whether the host name is a tracking server's."""
        return HOST.fullmatch(call.headers.get("host", "")) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        call: Call = scope["localaws.call"]
        host = HOST.fullmatch(call.headers["host"])
        server = self._servers.by_host(host[1]) if host else None
        if server is None:
            await _page(send, 404, "No such tracking server", "It was deleted, or localaws has been started anew.")
        elif call.path == AUTH_PATH:
            await self._enter(server, call, send)
        else:
            await self._visit(server, call, receive, send)

    async def _enter(self, server: TrackingServer, call: Call, send: Send) -> None:
        token = parse_qs(call.query).get("authToken", [""])[0]
        opened = self._sessions.open(token, server.arn)
        if opened is None:
            text = f"This link was used before, or it is too old. {NEW_LINK.format(server.name)}"
            await _page(send, 403, "Link not valid", text)
            return
        key, session = opened
        cookie = f"{COOKIE}={key}; Path=/; HttpOnly; SameSite=Lax; Expires={_http_date(session)}"
        # No fragment: a browser keeps the one that it was sent to, so a link can lead to a run's page.
        await respond(send, 302, {"location": "/", "set-cookie": cookie, "cache-control": "no-store"}, b"")

    async def _visit(self, server: TrackingServer, call: Call, receive: Receive, send: Send) -> None:
        session = self._sessions.find(_cookie(call), server.arn)
        if session is None:
            text = f"A link opens this page, and there is none or its session has ended. {NEW_LINK.format(server.name)}"
            await _page(send, 403, "Not signed in", text)
            return
        if not server.serving:
            await _page(send, 503, "The tracking server does not run", not_serving(server))
            return
        call.service, call.operation, call.resource = "sagemaker-mlflow", action_of(call.method, call.path), server.arn
        call.principal, call.region = session.principal, server.region
        call.body = await read_body(receive)
        started, status = time.perf_counter(), 0

        async def noted(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            self._guard(call)  # Whoever asked for the link needs the rights of what is done with it.
            await self._data_plane.answer(server, call, receive, noted)
        except AwsError as error:
            await _page(noted, error.status, error.code, error.message)
        finally:
            self._calls.add(call, status, time.perf_counter() - started)


def _cookie(call: Call) -> str:
    try:
        found = SimpleCookie(call.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _http_date(session: Session) -> str:
    return session.expires.strftime("%a, %d %b %Y %H:%M:%S GMT")


async def _page(send: Send, status: int, title: str, text: str) -> None:
    page = PAGE.format(html.escape(title), html.escape(text))
    await respond(send, status, {"content-type": "text/html; charset=utf-8"}, page.encode())
