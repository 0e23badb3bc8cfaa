"""An MLflow REST client: one per server, with its own authentication, rate limit, concurrency limit and retries.

This module only transports calls; `sources.rest` and `writers` know their meaning. Only status 200 with a JSON object
counts as success: a redirect, a login page or an empty body is an error.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_common.retry import Retry, parse_retry_after
from mlflow_transfer.rate import Rate
from mlflow_transfer.sources.parsing import MALFORMED, described
from mlflow_transfer.transport import Threads

API = "/api/2.0/mlflow/"
API_3 = "/api/3.0/mlflow/"
AJAX = "/ajax-api/2.0/mlflow/"
# The largest JSON response in bytes. A page of 500 runs with all their parameters and tags is smaller.
_LARGEST_ANSWER = 512 << 20
_OK = 200
_THROTTLED = 429
_BAD_GATEWAY = frozenset({502, 503, 504})
_INTERNAL = 500
_REFUSED = frozenset({401, 403})
_MISSING = 404
_TOO_LARGE = 413
# MLflow's code for almost any error of its database, also for a lost connection (mlflow/store/db/utils.py,
# `_get_managed_session_maker`).
DATABASE_REFUSES = "BAD_REQUEST"
# The classes of errors of the content, such as a value that is too long for a column, or a row that exists. The driver
# of PostgreSQL has one for each code of the classes 22 and 23: https://www.psycopg.org/docs/errors.html
_CONTENT = re.compile(
    r"\.(DataError|IntegrityError|StringDataRightTruncation|NumericValueOutOfRange|InvalidTextRepresentation"
    r"|UntranslatableCharacter|CharacterNotInRepertoire|\w+Violation)\)"
)
_CLIENT_ERROR = 400
_LARGEST_TEXT = 16 << 20
_SHOWN = 200
# MLflow sends this response as text/html. The caller checks its content.
_VERSION = "GET /version"
# Spare connections, because a cancelled call may still hold its connection.
_SPARE = 4
# Errors before a connection is established: the server cannot have received the request.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# OpenSSL's names for a closed connection.
_CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)

T = TypeVar("T")


class ApiError(PlatformError):
    """The server refused a call, and a retry would not help."""

    def __init__(self, server: str, call: str, status_code: int, code: str, message: str) -> None:
        super().__init__(f"{server} refuses {call} ({code or status_code}): {message}")
        self.code = code
        self.status_code = status_code
        self.text = message

    @property
    def missing(self) -> bool:
        """Whether the object, or the whole API, does not exist there."""
        return self.code == "RESOURCE_DOES_NOT_EXIST" or self.status_code == _MISSING

    @property
    def refuses_content(self) -> bool:
        """Whether the server does not accept the content of this call. Calls with other content may work."""
        stored = self.code == DATABASE_REFUSES and _CONTENT.search(self.text) is not None
        return stored or self.code == "INVALID_PARAMETER_VALUE" or self.status_code == _TOO_LARGE

    @property
    def unsupported(self) -> bool:
        """Whether the server does not know or does not expose this API."""
        no_route = self.status_code == _MISSING and self.code != "RESOURCE_DOES_NOT_EXIST"
        return no_route or self.status_code in {405, 501} or self.code in {"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED"}


class RefusedError(PreconditionError):
    """These credentials may not make this call."""


class UnansweredError(PlatformError):
    """The server repeatedly failed at this call. Other calls may work."""


class UnsureError(Exception):
    """A call may or may not have been executed: its response was lost or was an internal error."""

    def __init__(self, reason: str, wait: float, *, final: bool, inside: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.final = final
        # The server itself fails at this call. It is neither unavailable nor overloaded.
        self.inside = inside

    def given_up(self, what: str) -> PlatformError:
        """The error for a call that failed at all attempts: UnansweredError if only this call fails."""
        return (UnansweredError if self.inside else PlatformError)(f"{what}: {self}")


@dataclass
class Calls:
    """Statistics of a client: the number of calls by name, and of retries."""

    made: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    writes: int = 0

    @property
    def total(self) -> int:
        """The number of all requests that were sent, including retries."""
        return self.made.total() + self.again.total()


class Client:
    """Talks to one MLflow server.

    Args:
        name: the server's name in messages.
        base_url: the URL of the server, without an API path.
        concurrency: the maximum number of simultaneous requests.
        transport: a replacement for the httpx transport, for tests.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        auth: httpx.Auth | None = None,
        verify: Any = True,
        rate: Rate | None = None,
        retry: Retry | None = None,
        concurrency: int = 16,
        timeout: float = 120.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.auth = auth
        self.rate = rate or Rate()
        self.retry = retry or Retry()
        self.calls = Calls()
        self._slots = asyncio.Semaphore(concurrency)
        trust_env = not is_loopback(base_url)
        self._http = httpx.AsyncClient(
            auth=auth,
            # Used by the transports that httpx creates if the environment names a proxy.
            verify=verify,
            transport=transport or Threads(concurrency + _SPARE, verify, trust_env=trust_env),
            timeout=httpx.Timeout(timeout, connect=10.0),
            trust_env=trust_env,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def text(self, path: str) -> str:
        """The plain text response of a path."""

        async def read(attempt: int) -> str:
            try:
                async with self.sent("GET", path, None, None, attempt) as response:
                    return (await _body(response, _LARGEST_TEXT)).decode(errors="replace").strip()
            except (UnsureError, httpx.TransportError) as error:
                # Also for a server that is unavailable, the attempts count: this call only asks whether it is a server.
                final = attempt >= self.retry.attempts
                raise UnsureError(_words(error), self.retry.wait(attempt), final=final) from error

        return await self._repeated(read, path)

    async def get(self, path: str, query: Mapping[str, Any] | None = None, *, prefix: str = API) -> Any:
        """The response of a call that only reads."""
        return await self._until_answered("GET", prefix + path, query, None, _as_it_is, writes=False)

    async def post(
        self, path: str, body: Mapping[str, Any], *, writes: bool = True, method: str = "POST", prefix: str = API
    ) -> Any:
        """The response of a call that can be repeated safely, because it only reads or is idempotent."""
        return await self._until_answered(method, prefix + path, None, body, _as_it_is, writes=writes)

    async def read(
        self,
        path: str,
        take: Callable[[Any], T],
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> T:
        """The result of `take` for the response of a call that only reads: a POST if it has a body.

        `take` raises one of MALFORMED for a response that no MLflow server gives.
        """
        method = "GET" if body is None else "POST"
        return await self._until_answered(method, API + path, query, body, take, writes=False)

    async def create(
        self,
        path: str,
        body: Mapping[str, Any],
        find: Callable[[], Awaitable[T | None]],
        take: Callable[[Any], T],
        *,
        prefix: str = API,
    ) -> T:
        """Execute a call that must not happen twice. After a lost response, `find` searches for its result.

        Returns:
            The result of `take` for the response, or the result of `find`.
        """

        async def send(attempt: int) -> T:
            return self._taken(await self.once("POST", prefix + path, None, body, attempt, writes=True), take, attempt)

        return await self._repeated(send, path, find)

    async def _until_answered(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        take: Callable[[Any], T],
        *,
        writes: bool,
    ) -> T:
        async def send(attempt: int) -> T:
            return self._taken(await self.once(method, path, query, body, attempt, writes=writes), take, attempt)

        return await self._repeated(send, path)

    async def _repeated(
        self, send: Callable[[int], Awaitable[T]], path: str, find: Callable[[], Awaitable[T | None]] | None = None
    ) -> T:
        """Repeat a call whose response was lost, as `Retry` says.

        Args:
            send: takes the number of the attempt, from 1.
            find: searches for the result of a lost response, for a call that must not happen twice.

        Raises:
            PlatformError: the last attempt failed; UnansweredError where only this call fails.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return await send(attempt)
            except UnsureError as unsure:
                if unsure.final and find is None:
                    raise unsure.given_up(f"{self.name} does not answer {path}") from None
                await asyncio.sleep(unsure.wait)
                result = None if find is None else await find()
                if result is not None:
                    return result
                if unsure.final:
                    raise unsure.given_up(f"{self.name} does not execute {path}") from None

    async def once(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        attempt: int = 1,
        *,
        writes: bool,
    ) -> Any:
        """Send a call until the server has accepted it. Waits while the server throttles or is unavailable.

        Raises:
            UnsureError: the call may have been executed.
            ApiError: the server refused the call.
            PreconditionError: the server remains unavailable, or refuses these credentials.
        """
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        async with self.sent(method, path, query, content, attempt, writes=writes) as response:
            try:
                return _object(await _body(response, _LARGEST_ANSWER))
            except httpx.TransportError as error:
                raise self._unsure(f"its response was interrupted ({type(error).__name__})", attempt) from error
            except (ValueError, RecursionError) as error:
                reason = f"its response is not a JSON object ({type(error).__name__})"
                raise self._unsure(reason, attempt, patient=False) from error

    @asynccontextmanager
    async def sent(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        content: bytes | None,
        attempt: int = 1,
        *,
        writes: bool = False,
    ) -> AsyncIterator[httpx.Response]:
        """A response with a successful status. Its body has not been read yet."""
        url = self.base_url + path + ("?" + urlencode(query, doseq=True, quote_via=quote) if query else "")
        name = f"{method} {_name_of(path)}"
        headers = {"Content-Type": "application/json"} if content is not None else {}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.retry.patience
        waits = attempt
        # A throttled or unreachable server is limited by time, not by attempts, so only the pauses are those of Retry.
        while True:
            async with self._slots:
                await self.rate.wait()
                (self.calls.made if waits == 1 else self.calls.again)[name] += 1
                self.calls.writes += writes
                request = self._http.build_request(method, url, content=content, headers=headers)
                try:
                    response = await self._http.send(request, stream=True)
                except httpx.TransportError as error:
                    if (problem := _tls_problem(error)) is not None:
                        raise PreconditionError(
                            f"{self.name}: TLS cannot be negotiated ({problem}): see --ca, --client-cert, --insecure"
                        ) from None
                    if not isinstance(error, _UNSENT):
                        raise self._unsure(f"the connection broke ({type(error).__name__})", attempt) from error
                    reason, pause = f"cannot be reached ({_words(error)})", self.retry.wait(waits)
                else:
                    try:
                        if response.status_code == _OK:
                            self._check_type(response, name)
                            yield response
                            return
                        reason, pause = await self._refusal(response, name, waits, attempt)
                    finally:
                        await response.aclose()
            if loop.time() + pause > deadline:
                raise PreconditionError(f"{self.name} {reason}: check that it is running, then try again")
            waits += 1
            await asyncio.sleep(pause)

    def _check_type(self, response: httpx.Response, call: str) -> None:
        if "html" in response.headers.get("content-type", "").lower() and call != _VERSION:
            raise PreconditionError(
                f"{self.name} answers {call} with a web page, perhaps a login page: check the URL, and give "
                "credentials that it accepts"
            )

    async def _refusal(self, response: httpx.Response, call: str, waits: int, attempt: int) -> tuple[str, float]:
        status = response.status_code
        if status < _CLIENT_ERROR:
            where = response.headers.get("location", "")[:_SHOWN]
            problem = f"redirects {call} to {where!r}" if where else f"answers {call} with status {status}"
            raise PreconditionError(
                f"{self.name} {problem}, as a login page does: check the URL, and give credentials that it accepts"
            )
        try:
            raw = await _body(response, _LARGEST_TEXT)
        except httpx.TransportError as error:
            raise self._unsure(f"its response was interrupted ({type(error).__name__})", attempt) from error
        code, message = _error_of(raw)
        retry_after = parse_retry_after(response.headers.get("retry-after"))
        if status == _THROTTLED or "Throttl" in code:
            self.rate.throttled()
            return "keeps throttling the requests", self.retry.wait(waits, retry_after)
        if status in _BAD_GATEWAY or status == _INTERNAL:
            reason = f"answers {status} ({message or code or 'no reason given'})"
            raise self._unsure(reason, attempt, retry_after, patient=status != _INTERNAL)
        if status in _REFUSED:
            raise RefusedError(f"{self.name} refuses {call} for these credentials ({code or status}): {message}")
        if code == DATABASE_REFUSES and not _CONTENT.search(message):
            raise self._unsure(f"answers {status} ({message or code})", attempt, retry_after, patient=False)
        raise ApiError(self.name, call, status, code, message)

    def _taken(self, answer: Any, take: Callable[[Any], T], attempt: int) -> T:
        try:
            return take(answer)
        except MALFORMED as error:
            reason = f"its response is none of MLflow ({described(error)})"
            raise self._unsure(reason, attempt, patient=False) from error

    def _unsure(
        self, reason: str, attempt: int, retry_after: float | None = None, *, patient: bool = True
    ) -> UnsureError:
        # Wait longer for a server that is unavailable than for one with internal errors, which may be permanent.
        most = self.retry.most if patient else self.retry.attempts
        return UnsureError(reason, self.retry.wait(attempt, retry_after), final=attempt >= most, inside=not patient)


def _as_it_is(answer: Any) -> Any:
    return answer


def _object(content: bytes) -> Any:
    """The JSON object of a response.

    Raises:
        ValueError: the content is not a JSON object.
    """
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


async def _body(response: httpx.Response, most: int) -> bytes:
    """A response's body.

    Raises:
        UnansweredError: it is larger than `most` bytes.
    """
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > most:
            raise UnansweredError(f"{response.request.url.host} answers with more than {most >> 20} MB")
    return bytes(content)


def _error_of(raw: bytes) -> tuple[str, str]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return "", " ".join(raw.decode(errors="replace").split())[:200]
    if not isinstance(body, dict):
        return "", str(body)[:200]
    code = body.get("error_code") or body.get("__type") or body.get("code") or ""
    message = str(body.get("message") or body.get("Message") or "")
    return str(code), message.strip().split("\n")[0][:300].rstrip(".")


def _name_of(path: str) -> str:
    for prefix in (API, API_3, AJAX, "/api/2.0/"):
        path = path.removeprefix(prefix)
    head, *rest = path.split("/")
    # Replace ids in the path: logged-models/m-123/tags becomes logged-models/*/tags.
    if head in {"logged-models", "traces"}:
        rest = [part if part in {"search", "tags", "params", "delete-traces"} else "*" for part in rest]
    return "/".join([head, *rest]) if head != "mlflow-artifacts" else "mlflow-artifacts"


def _words(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__


def _tls_problem(error: BaseException | None) -> str | None:
    """The reason why TLS cannot be negotiated, which a retry does not change; None for any other error."""
    while error is not None:
        if isinstance(error, ssl.SSLError) and not isinstance(error, _CUT_OFF):
            return getattr(error, "verify_message", "") or _words(error)
        error = error.__cause__ or error.__context__
    return None


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine. Such URLs are never requested through a proxy."""
    return httpx.URL(url).host in {"127.0.0.1", "localhost", "::1"}
