"""How long a server runs that is started and stopped by EventBridge Scheduler's cron expressions.

Source of the format: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html (cron-based schedules)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

# What AWS and its pricing pages count a month as.
HOURS_PER_MONTH = 730.0
# Weeks repeat and months do not, so a whole year is counted: a common one, because most years have no leap day.
_YEAR = 2026
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True)
class Cron:
    """When a schedule fires, in its own time zone. A summer's or winter's lost or gained hour is left out."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Read `cron(minutes hours day-of-month month day-of-week year)`.

        Raises:
            ValueError: it is of another kind (`rate`, `at`), or uses what is not counted here (`L`, `W`, `#`, years).
        """
        found = re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)", expression.strip())
        if found is None or found[6] != "*":
            raise ValueError(expression)
        try:
            return cls(
                minutes=_field(found[1], 0, 59),
                hours=_field(found[2], 0, 23),
                days=_field(found[3], 1, 31),
                months=_field(found[4], 1, 12, _MONTHS),
                weekdays=_field(found[5], 1, 7, _WEEKDAYS),
            )
        except ValueError:
            raise ValueError(expression) from None

    def times(self) -> Iterator[datetime]:
        """Every moment of a year at which it fires."""
        day = date(_YEAR, 1, 1)
        while day.year == _YEAR:
            # AWS counts weekdays from Sunday, 1, and Python from Monday, 1.
            if day.day in self.days and day.month in self.months and day.isoweekday() % 7 + 1 in self.weekdays:
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        yield datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 local to the schedule
            day += timedelta(days=1)


def monthly_hours(starts: Sequence[str], stops: Sequence[str]) -> float:
    """Hours a month, on average, that a server runs which these expressions start and stop.

    Raises:
        ValueError: an expression is not understood, or the server is stopped and never started.
    """
    if not stops:
        return HOURS_PER_MONTH
    if not starts:
        raise ValueError("nothing starts it again")
    # At the same moment the stop counts: it comes last in the order of False and True.
    events = sorted(
        {
            (moment, stop)
            for stop, kind in ((False, starts), (True, stops))
            for text in kind
            for moment in Cron.parse(text).times()
        }
    )
    # As the year ended so it begins.
    running = not events[-1][1] if events else True
    since, total = datetime(_YEAR, 1, 1), timedelta()  # noqa: DTZ001
    for moment, stop in events:
        if running:
            total += moment - since
        running, since = not stop, moment
    end = datetime(_YEAR + 1, 1, 1)  # noqa: DTZ001
    if running:
        total += end - since
    return total / (end - datetime(_YEAR, 1, 1)) * HOURS_PER_MONTH  # noqa: DTZ001


def _field(text: str, first: int, last: int, names: Sequence[str] = ()) -> frozenset[int]:
    """The numbers that one field of the expression stands for."""
    found: set[int] = set()
    for part in text.upper().split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        if span in {"*", "?"}:
            start, end = first, last
        else:
            start = _number(low, first, names)
            # `8/2` means from 8 on; `8` means 8 only.
            end = _number(high, first, names) if high else (last if step else start)
        if not first <= start <= end <= last:
            raise ValueError(text)
        found.update(range(start, end + 1, int(step) if step else 1))
    return frozenset(found)


def _number(text: str, first: int, names: Sequence[str]) -> int:
    return names.index(text) + first if text in names else int(text)
