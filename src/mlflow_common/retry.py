"""The only retry policy: the pauses between attempts, and when to give up.

`Retry` holds the limits, `Attempts` counts the failures of one call, and `with_retries` is the loop for blocking work.
Asynchronous callers take their pauses from `Retry` or `Attempts`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import botocore.exceptions
import httpx

from mlflow_common.errors import PlatformError, error_code

_BASE = 0.1  # seconds
_INTERNAL = 500
_THROTTLED = 429
_LONGEST_RETRY_AFTER = 120.0  # seconds
_SHOWN = 200  # characters of an answer
_READ = 10_000  # bytes of an answer
# The user may log in again meanwhile, so each attempt reads the credentials again.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_PASSING = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, httpx.TransportError, ConnectionError)
# Errors before a connection is established: the server may be unavailable for minutes. It has not received the request.
UNREACHABLE = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ConnectTimeoutError,
    botocore.exceptions.ProxyConnectionError,
)

T = TypeVar("T")


class PassingError(PlatformError):
    """A temporary failure of a server.

    Args:
        retry_after: seconds that the server asks its callers to wait (Retry-After).
        patient: the server is unavailable or overloaded; False for an internal error, which may be permanent.
    """

    def __init__(self, message: str, retry_after: float | None = None, *, patient: bool = True) -> None:
        super().__init__(message)
        self.retry_after, self.patient = retry_after, patient


class RetriesExhaustedError(PlatformError):
    """All attempts that the policy allows failed.

    Args:
        unreachable: the server could not be reached or was overloaded, so other calls would fail as well.
    """

    def __init__(self, message: str, *, unreachable: bool) -> None:
        super().__init__(message)
        self.unreachable = unreachable


@dataclass(frozen=True)
class Retry:
    """The limits of retries: exponential pauses with full jitter.

    Args:
        patience: the seconds that a server may be unreachable or throttle before the work fails.
        attempts: the number of internal errors before the call fails, because such an error may be permanent.
        longest: the longest pause in seconds, unless the server asks for more.
    """

    patience: float = 300.0
    attempts: int = 8
    longest: float = 20.0
    random: Callable[[], float] = field(default=random.random)

    def wait(self, attempt: int, retry_after: float | None = None) -> float:
        """Seconds to wait before attempt number `attempt` (from 1) is repeated; `retry_after` is Retry-After."""
        ceiling = min(self.longest, _BASE * 2 ** min(attempt, 16))
        drawn = self.random() * ceiling
        return drawn if retry_after is None else retry_after + self.random() * _BASE

    @property
    def most(self) -> int:
        """The largest number of attempts if the server is unavailable or overloaded, for callers that count no time."""
        return self.attempts + int(2 * self.patience / self.longest)


class Attempts:
    """Counts the attempts of one call.

    Attributes:
        count: the number of the current attempt, from 1.
        waited: the sum of all pauses in seconds.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self.count = 1
        self.waited = 0.0

    def pause(self, *, patient: bool, retry_after: float | None = None) -> float | None:
        """Count a failure.

        Args:
            patient: the server is unavailable or overloaded: limit the time (`patience`) and not the attempts.

        Returns:
            Seconds to wait before the next attempt; None to give up.
        """
        pause = self._retry.wait(self.count, retry_after)
        self.waited += pause
        if self.waited > self._retry.patience if patient else self.count >= self._retry.attempts:
            return None
        self.count += 1
        return pause

    def restart(self) -> None:
        """Reset the count, after progress."""
        self.count, self.waited = 1, 0.0


def with_retries(work: Callable[[], T], retry: Retry, what: str, sleep: Callable[[float], None] = time.sleep) -> T:
    """Run blocking work, and repeat it after temporary failures.

    Args:
        what: the start of the error message: what cannot be done.

    Raises:
        RetriesExhaustedError: all attempts failed.
        PlatformError: any error of this kind that `work` raises, except PassingError.
    """
    attempts = Attempts(retry)
    while True:
        try:
            return work()
        except PassingError as error:
            reason, patient = error.message, error.patient
            pause = attempts.pause(patient=patient, retry_after=error.retry_after)
        except _PASSING as error:
            reason, patient = f"{type(error).__name__}: {error}", isinstance(error, UNREACHABLE)
            pause = attempts.pause(patient=patient) if _passing(error) else None
        except EOFError as error:
            reason, patient = str(error), False
            pause = attempts.pause(patient=False)
        if pause is None:
            raise RetriesExhaustedError(f"{what} ({reason})", unreachable=patient)
        sleep(pause)


def failure(response: httpx.Response, what: str) -> PlatformError:
    """The error for an unsuccessful response: PassingError if it may be temporary. Reads the start of the body."""
    status = response.status_code
    text = f"{what} ({status}: {' '.join(_start_of(response).split())[:_SHOWN]})"
    if status == _THROTTLED or status >= _INTERNAL:
        return PassingError(text, parse_retry_after(response.headers.get("retry-after")), patient=status != _INTERNAL)
    return PlatformError(text)


def parse_retry_after(value: str | None) -> float | None:
    """The seconds of a Retry-After header, at most two minutes."""
    try:
        return None if value is None else min(_LONGEST_RETRY_AFTER, max(0.0, float(value)))
    except ValueError:
        return None  # The header may also be a date. Then use the policy's own pause.


def _start_of(response: httpx.Response) -> str:
    if response.is_stream_consumed:
        return response.text
    content = b""
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) >= _READ:
            break
    return content[:_READ].decode(errors="replace")


def _passing(error: Exception) -> bool:
    if isinstance(error, botocore.exceptions.ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return status >= _INTERNAL or status == _THROTTLED or error_code(error) in _EXPIRED
    return not isinstance(error, botocore.exceptions.NoCredentialsError | botocore.exceptions.ParamValidationError)
