"""Access to a tracking server's UI: single-use links and the sessions that they open.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedMlflowTrackingServerUrl.html
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LINK_SECONDS = 300
SESSION_SECONDS = 43200


@dataclass(frozen=True)
class Session:
    """Access to one server's UI, with the permissions of the principal that created the link.

    Attributes:
        access_key: the key that signed the call for the link. The policies of its session limit this one, too.
    """

    arn: str
    principal: str
    access_key: str
    expires: datetime


@dataclass(frozen=True)
class _Link:
    arn: str
    principal: str
    access_key: str
    expires: datetime
    session: timedelta


class Sessions:
    """Links and sessions. Both expire, and a link can be used once."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._links: dict[str, _Link] = {}
        self._sessions: dict[str, Session] = {}

    def link(self, arn: str, principal: str, access_key: str, lifetime: timedelta, session: timedelta) -> str:
        """Create a token that opens one session of length `session` if it is used within `lifetime`."""
        token = secrets.token_urlsafe(48)
        self._links[token] = _Link(arn, principal, access_key, self._clock() + lifetime, session)
        return token

    def open(self, token: str, arn: str) -> tuple[str, Session] | None:
        """Open a session and return its key, or None if the link was used, has expired or is for another server."""
        link = self._links.pop(token, None)
        now = self._clock()
        if link is None or link.arn != arn or link.expires < now:
            return None
        key = secrets.token_urlsafe(48)
        self._sessions[key] = session = Session(arn, link.principal, link.access_key, now + link.session)
        return key, session

    def find(self, key: str, arn: str) -> Session | None:
        """Return the session with a key, or None if it does not exist, has expired or is for another server."""
        session = self._sessions.get(key)
        if session is None or session.arn != arn or session.expires < self._clock():
            return None
        return session
