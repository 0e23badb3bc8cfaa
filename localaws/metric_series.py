"""CloudWatch's data by metric, so that an alarm reads only the data of its own metric."""

import threading
from bisect import bisect_left, insort
from collections.abc import Iterable
from datetime import datetime
from typing import Any

Metric = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions. CloudWatch treats each combination of dimensions as a metric of its own."""


class MetricSeries:
    """The data of one region, by metric and sorted by time. Reads what was added to moto's list since the last call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: list[Any] = []
        self._read = 0
        self._last: Any = None
        self._series: dict[Metric, list[Any]] = {}

    def of(self, data: list[Any], metric: Metric, since: datetime) -> list[Any]:
        """The data of a metric from a time on (naive UTC), the oldest first.

        Args:
            data: moto's list, to which data are added at the end and removed at the beginning.
        """
        with self._lock:
            if not self._continues(data):
                self._data, self._read, self._series = data, 0, {}
            added = data[self._read :]
            for datum in added:
                key = (datum.namespace, datum.name, pairs(datum.dimensions))
                insort(self._series.setdefault(key, []), datum, key=time_of)
            self._read += len(added)
            self._last = added[-1] if added else self._last
            found = self._series.get(metric, [])
            return found[bisect_left(found, since, key=time_of) :]

    def _continues(self, data: list[Any]) -> bool:
        """Whether the list still begins with what was read from it."""
        if data is not self._data or len(data) < self._read:
            return False
        return self._read == 0 or data[self._read - 1] is self._last


def pairs(dimensions: Iterable[Any]) -> frozenset[tuple[str, str]]:
    """Dimensions as names and values."""
    return frozenset((one.name, one.value) for one in dimensions)


def time_of(datum: Any) -> datetime:
    """When a value was measured, in naive UTC."""
    measured: datetime = datum.timestamp
    return measured.replace(tzinfo=None)
