"""Credentials that clients sign with, and the keys that signatures are checked against."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Credentials:
    """An access key and its secret; temporary credentials also have a token."""

    access_key: str
    secret: str
    token: str | None = None

    def env(self) -> dict[str, str]:
        """The variables that every AWS SDK reads."""
        variables = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret}
        return variables | ({"AWS_SESSION_TOKEN": self.token} if self.token else {})


@dataclass(frozen=True)
class Key:
    """The secret of an access key, and the principal that it belongs to.

    Attributes:
        token, expires: set for temporary credentials only.
    """

    secret: str
    principal: str
    token: str | None = None
    expires: datetime | None = None
