"""This month and the next, and how many hours of them something exists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Months:
    """This month and the next, seen from a time with a zone. AWS bills calendar months in UTC."""

    now: datetime

    @property
    def start(self) -> datetime:
        """The first moment of this month."""
        return self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    @property
    def end(self) -> datetime:
        """The first moment of the next month."""
        return _next(self.start)

    @property
    def following_end(self) -> datetime:
        """The end of the next month."""
        return _next(self.end)

    def hours(self, since: datetime, until: datetime | None = None) -> tuple[float, float]:
        """The hours of this month and of the next in which something exists.

        Args:
            since: when it was created.
            until: when it ended; None if it goes on as it is.
        """
        last = until or self.following_end
        this = min(last, self.end) - max(since, self.start)
        following = min(last, self.following_end) - max(since, self.end)
        return max(this / _HOUR, 0.0), max(following / _HOUR, 0.0)

    @property
    def names(self) -> tuple[str, str]:
        """Both months as `2026-11`."""
        return f"{self.start:%Y-%m}", f"{self.end:%Y-%m}"


def in_hours(hours: float) -> str:
    """Hours as `744 h`; few hours with a decimal, so that a reader who multiplies by the price gets the sum shown."""
    return f"{hours:.0f} h" if hours >= 100 or hours.is_integer() else f"{hours:.1f} h"


def _next(start: datetime) -> datetime:
    return (start + timedelta(days=32)).replace(day=1)
