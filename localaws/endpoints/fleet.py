"""The containers of an endpoint: one for each production variant, regardless of its instance count."""

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
    """A variant's container and its number of requests in progress."""

    container: Container
    requests: int = 0


@dataclass
class Fleet:
    """Containers by variant name. A request counts from the choice of its container until it completes."""

    members: dict[str, Member] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def enter(self, weights: Mapping[str, float], variant: str | None = None) -> str:
        """Choose a variant by weight, unless `variant` is given, and count a request.

        Raises:
            NoSuchVariantError: there is no such variant.
        """
        with self._changed:
            if variant is None:
                names = list(self.members)
                shares = [weights.get(name, 1.0) for name in names]
                # If all weights are 0, AWS has no variant to choose. localaws chooses the first one.
                variant = random.choices(names, shares)[0] if sum(shares) else names[0]  # noqa: S311
            if variant not in self.members:
                raise NoSuchVariantError(variant)
            self.members[variant].requests += 1
            return variant

    def leave(self, variant: str) -> None:
        """Record that a request has completed."""
        with self._changed:
            self.members[variant].requests -= 1
            self._changed.notify_all()

    def stop(self, *, drain: bool) -> None:
        """Stop every container. With `drain`, first wait for the requests in progress."""
        if drain:
            with self._changed:
                self._changed.wait_for(lambda: not any(m.requests for m in self.members.values()), DRAIN_SECONDS)
        stops = [threading.Thread(target=member.container.stop) for member in self.members.values()]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
