"""How long to wait before something is tried again, and when to give up."""

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
# Somebody may log in again meanwhile; each attempt asks for the credentials anew.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_PASSING = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, httpx.TransportError, ConnectionError)

T = TypeVar("T")


class PassingError(PlatformError):
    """A server did not do now what it may do later.

    Args:
        asked: seconds that it wants to be left alone for.
        patient: it is away or overloaded, and does not fail inside, which it may do for ever.
    """

    def __init__(self, message: str, asked: float | None = None, *, patient: bool = True) -> None:
        super().__init__(message)
        self.asked, self.patient = asked, patient


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


def with_retries(work: Callable[[], T], retry: Retry, what: str) -> T:
    """Do something that blocks, and again while the trouble may pass.

    Raises:
        PlatformError: it did not pass; `what` says what cannot be done.
    """
    attempt, waited = 0, 0.0
    while True:
        attempt += 1
        asked, patient = None, False
        try:
            return work()
        except PassingError as error:
            reason, asked, patient = error.message, error.asked, error.patient
        except _PASSING as error:
            reason = f"{type(error).__name__}: {error}"
            if not _passing(error):
                break
            patient = isinstance(error, httpx.ConnectError)
        except EOFError as error:
            reason = str(error)
        pause = retry.wait(attempt, asked)
        waited += pause
        if waited > retry.patience if patient else attempt >= retry.attempts:
            break
        time.sleep(pause)
    raise PlatformError(f"{what} ({reason})")


def failure(response: httpx.Response, what: str) -> PlatformError:
    """An answer that refuses, as an error: one to try again after where it may pass. The answer's body is read."""
    status = response.status_code
    text = f"{what} ({status}: {response.text[:200]})"
    if status == _THROTTLED or status >= _INTERNAL:
        return PassingError(text, asked_wait(response.headers.get("retry-after")), patient=status != _INTERNAL)
    return PlatformError(text)


def asked_wait(value: str | None) -> float | None:
    """The seconds of a Retry-After header."""
    try:
        return None if value is None else min(_LONGEST_ASKED, max(0.0, float(value)))
    except ValueError:
        return None  # A date: then the wait is this client's own.


def _passing(error: Exception) -> bool:
    if isinstance(error, botocore.exceptions.ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return status >= _INTERNAL or status == _THROTTLED or error_code(error) in _EXPIRED
    return not isinstance(error, botocore.exceptions.NoCredentialsError)
