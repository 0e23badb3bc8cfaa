"""What the account's tracking servers and its Apps have in common as collections."""

from typing import Any, Generic, TypeVar

from localaws.tracking.hosted import BUSY, HostedMlflow
from localaws.tracking.transitions import Transitions, undeletable

H = TypeVar("H", bound=HostedMlflow)


class Collection(Generic[H]):
    """Tracking servers or Apps of all regions, by their ARNs."""

    def __init__(self, transitions: Transitions[H]) -> None:
        self._transitions = transitions
        self._by_arn: dict[str, H] = {}

    def by_arn(self, arn: str) -> H | None:
        """Return the one with an ARN, if any."""
        return self._by_arn.get(arn)

    def all(self) -> list[H]:
        """Return those of all regions."""
        return list(self._by_arn.values())

    def saved(self) -> list[dict[str, Any]]:
        """Return all as JSON for `load`."""
        return [one.saved() for one in self.all() if one.status != "Deleting"]

    def close(self) -> None:
        """Expect that all processes end, because localaws stops them."""
        self._transitions.close()

    def delete(self, one: H) -> None:
        """DeleteMlflowTrackingServer, DeleteMlflowApp: delete experiments and runs. Artifacts stay in the bucket.

        Raises:
            AwsError: ValidationException, because another transition is in progress.
        """
        with self._transitions.lock:
            if one.status in BUSY:
                raise undeletable(one)
            self._transitions.begin(one, "Deleting", "", "DeleteFailed", "Delete", self._remove)

    def _remove(self, one: H) -> None:
        self._transitions.remove(one)
        del self._by_arn[one.arn]
