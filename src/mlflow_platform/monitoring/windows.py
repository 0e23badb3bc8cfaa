"""Windows of time, aligned with the day in UTC so that every job computes the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from mlflow_common.errors import InputError

_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)


@dataclass(frozen=True)
class Window:
    """A period from `start` (included) to `end` (excluded), in UTC."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """The window's start, for people and file names."""
        return f"{self.start:%Y-%m-%dT%H}"

    @property
    def step(self) -> int:
        """The window's number for MLflow, which grows with time: hours since 1970."""
        return int(self.start.timestamp()) // 3600


def recent(now: datetime, *, hours: int, days: int) -> list[Window]:
    """The windows of the last `days` days, oldest first. The last one contains `now` and is not over.

    Raises:
        InputError: a day cannot be divided into windows of so many hours.
    """
    if hours not in _HOURS:
        raise InputError(f"a window takes {', '.join(map(str, _HOURS))} hours, not {hours}")
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, found = midnight - timedelta(days=days - 1), []
    while start <= now:
        found.append(Window(start, start + timedelta(hours=hours)))
        start = found[-1].end
    return found


def days_of(windows: Sequence[Window]) -> list[date]:
    """The days that windows touch, oldest first."""
    return sorted({window.start.date() for window in windows})
