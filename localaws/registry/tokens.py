"""The passwords of GetAuthorizationToken, with which container tools log in."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
USER = "AWS"
VALID = timedelta(hours=12)


@dataclass(frozen=True)
class Token:
    """A password: whose it is, and until when it is valid.

    Attributes:
        access_key: the key that signed the call for it. The policies of its session limit the password, too.
    """

    password: str
    principal: str
    access_key: str
    expires: datetime


class Tokens:
    """The passwords that this localaws has issued. A restart forgets them."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()

    def issue(self, principal: str, access_key: str) -> Token:
        """A new password with the rights of a principal's session."""
        now = self._clock()
        token = Token(secrets.token_urlsafe(48), principal, access_key, now + VALID)
        with self._lock:
            self._tokens = {key: kept for key, kept in self._tokens.items() if kept.expires > now}
            self._tokens[token.password] = token
        return token

    def find(self, user: str, password: str) -> Token | None:
        """The token of a login that is valid now."""
        with self._lock:
            token = self._tokens.get(password)
        return token if token and user == USER and token.expires > self._clock() else None
