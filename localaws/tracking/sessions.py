"""Who may see a tracking server's UI: single-use links, and the sessions that they open.

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
    """A right to one server's UI, in the name of who asked for the link."""

    arn: str
    principal: str
    expires: datetime


@dataclass(frozen=True)
class _Link:
    arn: str
    principal: str
    expires: datetime
    session: timedelta


class Sessions:
    """Links and sessions; both end by the clock, a link also by its first use."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._links: dict[str, _Link] = {}
        self._sessions: dict[str, Session] = {}

    def link(self, arn: str, principal: str, lifetime: timedelta, session: timedelta) -> str:
        """A token that opens one session of length `session` if it is used within `lifetime`."""
        token = secrets.token_urlsafe(48)
        self._links[token] = _Link(arn, principal, self._clock() + lifetime, session)
        return token

    def open(self, token: str, arn: str) -> tuple[str, Session] | None:
        """The key of a new session; None where the link was used, is too old, or is another server's."""
        link = self._links.pop(token, None)
        now = self._clock()
        if link is None or link.arn != arn or link.expires < now:
            return None
        key = secrets.token_urlsafe(48)
        self._sessions[key] = session = Session(arn, link.principal, now + link.session)
        return key, session

    def find(self, key: str, arn: str) -> Session | None:
        """The session of that key; None where there is none, it is another server's, or it has ended."""
        session = self._sessions.get(key)
        if session is None or session.arn != arn or session.expires < self._clock():
            return None
        return session
