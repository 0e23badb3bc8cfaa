"""The containers behind an endpoint: one for each production variant, whatever its instance count."""

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from localaws.endpoints.container import Container

DRAIN_SECONDS = 65


class NoSuchVariantError(Exception):
    """The endpoint has no variant of that name."""


@dataclass
class Member:
    """A variant's container and the requests that are under way in it."""

    container: Container
    requests: int = 0


@dataclass
class Fleet:
    """Containers by variant name. A request is counted from the choice of its container to its end."""

    members: dict[str, Member] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def enter(self, weights: Mapping[str, float], variant: str | None = None) -> str:
        """Chooses a variant by weight, unless one is asked for, and counts a request in.

        Raises:
            NoSuchVariantError: the variant that is asked for is not here.
        """
        with self._changed:
            if variant is None:
                names = list(self.members)
                shares = [weights.get(name, 1.0) for name in names]
                # All weights may be 0: AWS then has nobody to send it to; the first one answers here.
                variant = random.choices(names, shares)[0] if sum(shares) else names[0]  # noqa: S311
            if variant not in self.members:
                raise NoSuchVariantError(variant)
            self.members[variant].requests += 1
            return variant

    def leave(self, variant: str) -> None:
        """Counts a request out."""
        with self._changed:
            self.members[variant].requests -= 1
            self._changed.notify_all()

    def stop(self, *, drain: bool) -> None:
        """Ends every container; `drain` first lets the requests under way end."""
        if drain:
            with self._changed:
                self._changed.wait_for(lambda: not any(m.requests for m in self.members.values()), DRAIN_SECONDS)
        stops = [threading.Thread(target=member.container.stop) for member in self.members.values()]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
