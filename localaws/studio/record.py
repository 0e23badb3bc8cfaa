"""A domain and a user profile, which have the same statuses."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

# A transition takes minutes on AWS. Here it takes long enough for a client that does not wait to notice.
TRANSITION = timedelta(seconds=1)


@dataclass
class Record:
    """A domain or a user profile.

    Attributes:
        arn: its ARN.
        region: its region.
        given: the members of CreateDomain or CreateUserProfile, changed by updates, and those that AWS assigns.
        url: the address of Studio; empty for a user profile.
        tags: its tags, which SageMaker's tag operations change.
        doing: `Pending`, `Updating` or `Deleting`, which the status is until the transition has taken its time.
    """

    arn: str
    region: str
    given: dict[str, Any]
    created: datetime
    modified: datetime
    url: str = ""
    tags: list[dict[str, str]] = field(default_factory=list)
    doing: str = "Pending"

    @property
    def status(self) -> str:
        """The status: empty for what is deleted."""
        if datetime.now(UTC) < self.modified + TRANSITION:
            return self.doing
        return "" if self.doing == "Deleting" else "InService"

    def begin(self, doing: str) -> None:
        """Begin a transition."""
        self.doing, self.modified = doing, datetime.now(UTC)

    def times(self) -> dict[str, Any]:
        """The members of every description that tell the state."""
        return {"Status": self.status, "CreationTime": self.created, "LastModifiedTime": self.modified}

    def saved(self) -> dict[str, Any]:
        """The record as JSON."""
        times = {"created": self.created.isoformat(), "modified": self.modified.isoformat()}
        return {**vars(self), **times}

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Self:
        """The record that `saved` returned."""
        times = {name: datetime.fromisoformat(saved[name]) for name in ("created", "modified")}
        return cls(**{**saved, **times})
