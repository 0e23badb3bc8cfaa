"""The ASGI application in front of everything: identifies a call, checks its signature, strikes, routes, logs."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from localaws.call import Call
from localaws.calls import CallLog
from localaws.errors import AwsError, render
from localaws.faults import Fault, Faults
from localaws.identify import identify
from localaws.principals import Principals
from localaws.sigv4 import Signature, verify

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)
# Bodies up to this many bytes are read whole, so that their hash can be checked; longer ones stream on
# (only S3 sends such, and the S3 client signs the hash that it claims in a header).
BUFFERED = 16 * 1024 * 1024


@dataclass(frozen=True)
class Route:
    """An application and the requests that are its own."""

    takes: Callable[[Call], bool]
    application: Asgi


class Application:
    """Answers every request on localaws's one port."""

    def __init__(
        self,
        principals: Principals,
        calls: CallLog,
        faults: Faults,
        *,
        guard: Callable[[Call], None],
        unsigned: list[Route],
        signed: list[Route],
        on_start: Callable[[], Awaitable[None]],
        on_stop: Callable[[], Awaitable[None]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Puts the parts together.

        Args:
            guard: asked about every signed call; it raises AwsError for one that the caller may not make.
            unsigned: routes that are asked first and whose requests need no signature (control, UI sessions).
        """
        self._principals = principals
        self._calls = calls
        self._faults = faults
        self._guard = guard
        self._unsigned = unsigned
        self._signed = signed
        self._on_start = on_start
        self._on_stop = on_stop
        self._clock = clock
        self.last_request = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            self.last_request = time.monotonic()
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._on_start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._on_stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = _call(scope)
        scope["localaws.call"] = call
        for route in self._unsigned:
            if route.takes(call):
                await route.application(scope, receive, send)
                return
        started = time.perf_counter()
        answer = _Answer(send)
        try:
            receive = await _buffered(call, receive)
            await self._answer(call, scope, receive, answer)
        except AwsError as error:
            await answer.error(error, call.protocol)
        except _DroppedError:
            answer.error_code = "Dropped"
            scope["localaws.abort"]()
            await asyncio.sleep(0.01)  # Lets the server see the connection lost: otherwise it answers 500.
        except NotImplementedError as error:
            # 501 is a status that neither botocore nor the Go SDK retries.
            message = f"localaws does not have {call.action}: {error or 'moto has not implemented it'}."
            await answer.error(AwsError("NotImplemented", message, 501), call.protocol)
        except Exception:
            log.exception("%s failed", call.action)
            if not answer.started:
                message = "localaws failed; its log says why (python -m localaws logs)."
                await answer.error(AwsError("InternalFailure", message, 500), call.protocol)
        finally:
            self._calls.add(call, answer.status, time.perf_counter() - started, answer.error_code)

    async def _answer(self, call: Call, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        signature = Signature.of(call)
        identify(call, signature)
        if signature:
            key = verify(call, signature, self._principals.key, self._clock())
            call.principal = key.principal
        elif call.method != "OPTIONS":  # A browser asks for CORS before it signs.
            raise _unsigned(call)
        self._guard(call)
        fault = self._faults.take(call)
        lost = fault is not None and fault.lost
        if fault and not lost:
            await _strike(fault)
        for route in self._signed:
            if route.takes(call):
                await route.application(scope, receive, _unheard if lost else answer)
                break
        else:
            raise NotImplementedError("no part of it takes this request")
        if fault and lost:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_gone(receive), fault.delay)
            raise _DroppedError


async def _strike(fault: Fault) -> None:
    if fault.delay:
        await asyncio.sleep(fault.delay)
    if fault.drop:
        raise _DroppedError
    if fault.error:
        raise AwsError(fault.error, fault.message, fault.status)


async def _unheard(message: dict[str, Any]) -> None:
    """Where an answer goes that nobody shall get."""


async def _gone(receive: Receive) -> None:
    """Waits until the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _DroppedError(Exception):
    """A fault asks for a connection that closes without an answer."""


class _Answer:
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.error_code = ""

    @property
    def started(self) -> bool:
        return self.status != 0

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message["headers"]:
                if name == b"x-amzn-errortype":
                    self.error_code = value.decode("latin1").split(":")[0]
        await self._send(message)

    async def error(self, error: AwsError, protocol: str) -> None:
        headers, body = render(error, protocol)
        self.error_code = error.code
        await respond(self, error.status, headers, body)


def _unsigned(call: Call) -> AwsError:
    """Nothing here is public, and buckets made after June 2020 refuse version 2 signatures.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv2-deprecation.html
    """
    if "AWSAccessKeyId=" in call.query or call.headers.get("authorization", "").startswith("AWS "):
        message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        return AwsError("InvalidRequest", message, 400)
    if call.service == "s3":
        return AwsError("AccessDenied", "Access Denied", 403)
    return AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)


async def respond(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    """Sends a whole answer."""
    lines = [(name.encode("latin1"), value.encode("latin1")) for name, value in headers.items()]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, status: int, content: Any) -> None:
    """Sends JSON."""
    await respond(send, status, {"content-type": "application/json"}, json.dumps(content).encode())


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _call(scope: Scope) -> Call:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin1").lower(), raw_value.decode("latin1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    raw_path = scope["raw_path"].decode("latin1").partition("?")[0]
    query = scope["query_string"].decode("latin1")
    return Call(scope["method"], raw_path, unquote(raw_path), query, headers, body=None)


async def _buffered(call: Call, receive: Receive) -> Receive:
    """Reads a body of up to BUFFERED bytes into the call and returns a `receive` that yields it again."""
    length = call.headers.get("content-length")
    if length and length.isdecimal() and int(length) > BUFFERED:
        return receive
    call.body = await read_body(receive)
    pending = [{"type": "http.request", "body": call.body, "more_body": False}]

    async def replay() -> dict[str, Any]:
        return pending.pop() if pending else await receive()

    return replay
