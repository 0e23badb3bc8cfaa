"""The ASGI application behind localaws's port.

Every AWS request and every page of a tracking server's UI passes the same steps: read the body, authenticate
(`Entrance`), check permissions (guard), apply a fault, route to the service, write the call log.
"""

import asyncio
import binascii
import contextlib
import json
import logging
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from xml.parsers.expat import ExpatError

from localaws.call import Call, current_call
from localaws.constraints import check_types
from localaws.errors import AwsError
from localaws.front import body
from localaws.front.asgi import Asgi, Receive, Scope, Send, respond, respond_json
from localaws.front.call_log import CallLog
from localaws.front.entrance import Entrance
from localaws.front.faults import Fault, Faults

log = logging.getLogger(__name__)
# Exceptions of moto's code for parameters that it takes for granted, or whose form it does not check.
UNUSABLE = (AttributeError, TypeError, KeyError, ValueError, IndexError, UnboundLocalError, AssertionError)
PACKAGES = ("moto.", "localaws.")
# An object that a browser shows, such as an HTML report behind a presigned URL, is a page of the origin of the UI's
# sessions: what others wrote in it must not act with them. On AWS the two have different hosts.
SANDBOX = (b"content-security-policy", b"sandbox allow-scripts")
# Exceptions of parsers for a malformed request.
MALFORMED = (UnicodeError, json.JSONDecodeError, ExpatError, binascii.Error, RecursionError)


@dataclass(frozen=True)
class Route:
    """An application and the requests that it answers."""

    takes: Callable[[Call], bool]
    application: Asgi


class Application:
    """Answers every request on localaws's one port."""

    def __init__(
        self,
        calls: CallLog,
        faults: Faults,
        *,
        control: Route,
        entrances: Sequence[Entrance],
        guard: Callable[[Call], None],
        routes: Sequence[Route],
        on_start: Callable[[], Awaitable[None]],
        on_stop: Callable[[], Awaitable[None]],
    ) -> None:
        """Connects the parts.

        Args:
            control: localaws's own paths; they are not AWS calls and skip all steps.
            entrances: the first one that accepts a request authenticates it.
            guard: raises AwsError for an authenticated call that its principal may not make.
            routes: the first one that accepts an authenticated call answers it.
        """
        self._calls = calls
        self._faults = faults
        self._control = control
        self._entrances = entrances
        self._guard = guard
        self._routes = routes
        self._on_start = on_start
        self._on_stop = on_stop
        self.last_request = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            self.last_request = time.monotonic()
            scope["localaws.call"] = call = _call(scope)
            if not _is_local(call.headers.get("host", "")):
                await respond_json(send, 403, {"message": "localaws answers to 127.0.0.1 and localhost only."})
            elif not _is_local_page(call.headers.get("origin")):
                await respond_json(send, 403, {"message": "localaws does not answer web pages of other machines."})
            elif self._control.takes(call):
                await self._control.application(scope, receive, send)
            else:
                await self._http(call, scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._on_start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._on_stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        current_call.set(call)
        entrance = next(entrance for entrance in self._entrances if entrance.takes(call))
        response, unread = _Response(send, lambda: self._calls.answered(call), call), True
        try:
            authenticate = entrance.admit(call)
            read = await body.read(call, receive)
            call.body, receive, unread = read.content, read.receive, False
            authenticate()
            if read.refusal:
                raise read.refusal
            await self._answer(call, scope, receive, response)
        except AwsError as error:
            if unread:
                await body.discard(receive)
            await response.error(entrance, call, error)
        except body.ClientGoneError:
            response.error_code = "ClientGone"
        except MALFORMED as error:
            log.info("%s is malformed: %r", call.action, error)
            if not response.started:
                malformed = AwsError("SerializationException", "The request is malformed.", 400)
                await response.error(entrance, call, malformed)
        except _DroppedError:
            response.error_code = "Dropped"
            self._calls.answered(call)
            scope["localaws.abort"]()
            await asyncio.sleep(0.01)  # The server must see the closed connection first; otherwise it answers 500.
        except NotImplementedError as error:
            # Neither botocore nor the Go SDK retries a 501.
            message = f"localaws does not have {call.action}: {error or 'moto has not implemented it'}."
            await response.error(entrance, call, AwsError("NotImplemented", message, 501))
        except Exception as error:
            log.exception("%s failed", call.action)
            if not response.started:
                await response.error(entrance, call, _failure(error))
        finally:
            self._calls.add(call, response.status, time.perf_counter() - started, response.error_code)

    async def _answer(self, call: Call, scope: Scope, receive: Receive, response: "_Response") -> None:
        check_types(call.input, call.protocol, call.parameters)
        self._guard(call)
        fault = self._faults.take(call)
        lost = fault is not None and fault.lost
        if fault and not lost:
            await _apply(fault)
        for route in self._routes:
            if route.takes(call):
                await route.application(scope, receive, _discard if lost else response)
                break
        else:
            raise NotImplementedError("no part of localaws takes this request")
        if fault and lost:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_disconnected(receive), fault.delay)
            raise _DroppedError


def _failure(error: Exception) -> AwsError:
    """The error for an exception that nothing expected.

    moto does not check its input: these exceptions in its code come from parameters that it cannot use, and a plain
    Exception is its own refusal. A client would repeat a call that is answered with 500.
    """
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    package = next((name.partition(".")[0] for name in reversed(frames) if name.startswith(PACKAGES)), "")
    if package == "moto" and (isinstance(error, UNUSABLE) or type(error) is Exception):
        reason = f"{type(error).__name__}: {error}"[:200]
        message = f"moto cannot use these parameters ({reason}). Read the log: python -m localaws logs"
        return AwsError("ValidationException", message, 400)
    return AwsError("InternalFailure", "localaws failed. Read its log: python -m localaws logs", 500)


async def _apply(fault: Fault) -> None:
    if fault.delay:
        await asyncio.sleep(fault.delay)
    if fault.drop:
        raise _DroppedError
    if fault.error:
        raise AwsError(fault.error, fault.message, fault.status)


async def _discard(message: dict[str, Any]) -> None:
    """Discards the response (used by the lost-response fault)."""


async def _disconnected(receive: Receive) -> None:
    """Waits until the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _DroppedError(Exception):
    """A fault closes the connection without a response."""


class _Response:
    """Passes a response on and remembers its status."""

    def __init__(self, send: Send, on_end: Callable[[], None], call: Call) -> None:
        """`on_end` is called before the client can have the whole response."""
        self._send = send
        self._on_end = on_end
        self._call = call
        self._left: int | None = None
        self.status = 0
        self.error_code = ""

    @property
    def started(self) -> bool:
        return self.status != 0

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if "sec-fetch-dest" in self._call.headers and not self._call.ui:
                message = {**message, "headers": [*message["headers"], SANDBOX]}
            for name, value in message["headers"]:
                if name == b"x-amzn-errortype":
                    self.error_code = value.decode("latin1").split(":")[0]
                elif name == b"content-length":
                    self._left = int(value)
        else:
            # An empty message may follow the one that completes the body.
            if self._left is not None:
                self._left -= len(message.get("body", b""))
            if self._left == 0 or not message.get("more_body"):
                self._on_end()
        await self._send(message)

    async def error(self, entrance: Entrance, call: Call, error: AwsError) -> None:
        written = entrance.error(call, error)
        self.error_code = error.code
        await respond(self, written.status, written.headers, written.body)


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine.

    A web page that uses DNS rebinding (its host name resolves to 127.0.0.1) sends its own name.
    """
    return re.fullmatch(r"(127\.0\.0\.1|\[::1\]|([\w-]+\.)*localhost)(:\d*)?", host, re.ASCII) is not None


def _is_local_page(origin: str | None) -> bool:
    """Whether an Origin header is missing, as for all clients but browsers, or names a page of this machine.

    A page needs a signature or a session for everything but a CORS preflight. This also refuses pages that got hold of
    a presigned URL, and origins that a browser hides (`null`).
    """
    if origin is None:
        return True
    scheme, separator, host = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and _is_local(host)


def _call(scope: Scope) -> Call:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin1").lower(), raw_value.decode("latin1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    raw_path = scope["raw_path"].decode("latin1").partition("?")[0]
    query = scope["query_string"].decode("latin1")
    return Call(scope["method"], raw_path, unquote(raw_path), query, headers, body=None)
