"""The one retry policy: how long to wait before something is tried again, and when to give up.

`Retry` says how patient a caller is, `Attempts` counts one call's failures, and `with_retries` is the loop around work
that blocks. Asynchronous callers take their pauses from `Attempts` as well.
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
_LONGEST_ASKED = 120.0  # seconds
_SHOWN = 200  # characters of an answer
_READ = 10_000  # bytes of an answer
# The user may log in again meanwhile, so each attempt reads the credentials again.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_PASSING = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, httpx.TransportError, ConnectionError)
# Errors before a connection stands: the other side may be away for long, and cannot have seen the request.
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
    """A server did not do now what it may do later.

    Args:
        asked: seconds that it asks its callers to wait (Retry-After).
        patient: it is away or overloaded; False where it fails inside, which it may do for ever.
    """

    def __init__(self, message: str, asked: float | None = None, *, patient: bool = True) -> None:
        super().__init__(message)
        self.asked, self.patient = asked, patient


class RetriesExhaustedError(PlatformError):
    """Work failed as often as the policy allows.

    Args:
        unreachable: the other side could not be reached or was overloaded, so other work would fail as well.
    """

    def __init__(self, message: str, *, unreachable: bool) -> None:
        super().__init__(message)
        self.unreachable = unreachable


@dataclass(frozen=True)
class Retry:
    """Exponential waits with full jitter, after which a server that stays away is given up.

    Args:
        patience: seconds that a server may be unreachable or throttle before the work fails.
        attempts: answers that say "internal error" before the call is given up: such an answer may be final.
        longest: seconds of one wait at most, unless the server itself asks for more.
    """

    patience: float = 300.0
    attempts: int = 8
    longest: float = 20.0
    random: Callable[[], float] = field(default=random.random)

    def wait(self, attempt: int, asked: float | None = None) -> float:
        """Seconds to wait before attempt number `attempt` (from 1) is repeated; `asked` is Retry-After."""
        ceiling = min(self.longest, _BASE * 2 ** min(attempt, 16))
        drawn = self.random() * ceiling
        return drawn if asked is None else asked + self.random() * _BASE

    @property
    def most(self) -> int:
        """Attempts at most where the server is away or overloaded, and time is not counted."""
        return self.attempts + int(2 * self.patience / self.longest)


class Attempts:
    """Counts the failures of one call.

    Args:
        count: how often it was tried, starting with 1.
        waited: seconds of all pauses so far.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self.count = 1
        self.waited = 0.0

    def pause(self, *, patient: bool, asked: float | None = None) -> float | None:
        """Count a failure.

        Args:
            patient: the server is away or overloaded: the policy's patience counts, and not its attempts.

        Returns:
            Seconds to wait before the next attempt; None to give up.
        """
        pause = self._retry.wait(self.count, asked)
        self.waited += pause
        if self.waited > self._retry.patience if patient else self.count >= self._retry.attempts:
            return None
        self.count += 1
        return pause

    def restart(self) -> None:
        """Count anew, as after progress."""
        self.count, self.waited = 1, 0.0


def with_retries(work: Callable[[], T], retry: Retry, what: str, sleep: Callable[[float], None] = time.sleep) -> T:
    """Do something that blocks, and again while the trouble may pass.

    Args:
        what: what cannot be done, for the error.

    Raises:
        RetriesExhaustedError: it did not pass.
        PlatformError: whatever `work` raises of that kind, except PassingError.
    """
    attempts = Attempts(retry)
    while True:
        try:
            return work()
        except PassingError as error:
            reason, patient = error.message, error.patient
            pause = attempts.pause(patient=patient, asked=error.asked)
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
    """An answer that refuses, as an error: one to try again after where it may pass. Reads the start of its body."""
    status = response.status_code
    text = f"{what} ({status}: {' '.join(_start_of(response).split())[:_SHOWN]})"
    if status == _THROTTLED or status >= _INTERNAL:
        return PassingError(text, asked_wait(response.headers.get("retry-after")), patient=status != _INTERNAL)
    return PlatformError(text)


def asked_wait(value: str | None) -> float | None:
    """The seconds of a Retry-After header, at most two minutes."""
    try:
        return None if value is None else min(_LONGEST_ASKED, max(0.0, float(value)))
    except ValueError:
        return None  # A date: then the wait is this client's own.


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
