"""The instances of an endpoint's variants, and how requests are distributed among them."""

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from localaws.endpoints.container import Container

DRAIN_SECONDS = 65


class NoSuchVariantError(Exception):
    """The endpoint has no variant of that name."""


class NoCapacityError(Exception):
    """The variant has no instance, because it was scaled to zero."""


class ThrottledError(Exception):
    """A serverless variant processes as many requests as its MaxConcurrency allows."""


@dataclass(eq=False)
class Instance:
    """A container and its number of requests in progress."""

    container: Container
    requests: int = 0


@dataclass
class Member:
    """A variant's instances.

    Attributes:
        limit: the most requests in progress: MaxConcurrency of a serverless variant.
        used: when the last request began or ended (monotonic).
    """

    instances: list[Instance]
    limit: int | None = None
    used: float = field(default_factory=time.monotonic)

    @property
    def requests(self) -> int:
        """The number of requests in progress."""
        return sum(instance.requests for instance in self.instances)

    def least_busy(self) -> Instance:
        """The instance for the next request. One that is not healthy is chosen only if no other is.

        Raises:
            NoCapacityError: there is no instance.
        """
        if not self.instances:
            raise NoCapacityError
        return min(self.instances, key=lambda one: (not one.container.healthy, one.requests, random.random()))  # noqa: S311


@dataclass
class Fleet:
    """Instances by variant name. A request counts from the choice of its instance until it completes."""

    members: dict[str, Member] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def enter(self, weights: Mapping[str, float], variant: str | None = None) -> tuple[str, Instance]:
        """Choose a variant by weight, unless `variant` is given, and one of its instances; count a request.

        Raises:
            NoSuchVariantError: there is no such variant.
            NoCapacityError: the variant has no instance.
            ThrottledError: the variant is serverless and has no free capacity.
        """
        with self._changed:
            if variant is None:
                # The weight of a shadow variant is not in `weights`.
                names = [name for name in self.members if name in weights]
                shares = [weights[name] for name in names]
                # If all weights are 0, AWS has no variant to choose. localaws chooses the first one.
                variant = random.choices(names, shares)[0] if sum(shares) else names[0]  # noqa: S311
            if variant not in self.members:
                raise NoSuchVariantError(variant)
            member = self.members[variant]
            if member.limit is not None and member.requests >= member.limit:
                raise ThrottledError(variant)
            instance = member.least_busy()
            instance.requests += 1
            member.used = time.monotonic()
            return variant, instance

    def leave(self, variant: str, instance: Instance) -> None:
        """Record that a request has completed."""
        with self._changed:
            instance.requests -= 1
            self.members[variant].used = time.monotonic()
            self._changed.notify_all()

    def suspend_idle(self, seconds: float) -> None:
        """Stop the processes of serverless variants without requests for some time. The next request starts them."""
        with self._changed:
            idle = [
                instance
                for member in self.members.values()
                if member.limit is not None and not member.requests and time.monotonic() - member.used > seconds
                for instance in member.instances
                if instance.container.may_suspend()
            ]
        for instance in idle:
            instance.container.suspend()

    def add(self, variant: str, container: Container) -> None:
        """Let an instance of a variant receive requests."""
        with self._changed:
            self.members[variant].instances.append(Instance(container))

    def remove(self, variant: str, count: int) -> None:
        """Take instances away from a variant, and stop each after its last request."""
        with self._changed:
            instances = self.members[variant].instances
            kept = len(instances) - count
            removed, instances[kept:] = instances[kept:], []
        self._end(removed, drain=True)

    def stop(self, *, drain: bool) -> None:
        """Stop every container. With `drain`, first wait for the requests in progress."""
        self._end([instance for member in self.members.values() for instance in member.instances], drain=drain)

    def _end(self, instances: list[Instance], *, drain: bool) -> None:
        if drain:
            with self._changed:
                self._changed.wait_for(lambda: not any(one.requests for one in instances), DRAIN_SECONDS)
        stops = [threading.Thread(target=instance.container.stop) for instance in instances]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
