"""Listings of runs that are kept in memory, because the plan and the copy after it both need them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from mlflow_transfer.records import Run
from mlflow_transfer.sources.base import Source

# The number of characters to keep, about two thousand runs. With more runs, a second listing is relatively cheap.
MOST = 20_000_000
# The size of a run without its parameters, tags and metrics, and of each metric.
_RUN, _METRIC = 4_000, 400


class Listings:
    """The runs of a source by experiment, kept until there is no room left."""

    def __init__(self, source: Source, most: int = MOST) -> None:
        self._source = source
        self._room = most
        self._kept: dict[str, list[list[Run]]] = {}

    async def read(self, experiment_ids: Iterable[str]) -> None:
        """Read these experiments in this order until there is no room left."""
        for experiment_id in experiment_ids:
            pages = []
            async for page in self._source.runs(experiment_id):
                self._room -= sum(map(_weight, page))
                if self._room < 0:
                    return
                pages.append(page)
            self._kept[experiment_id] = pages

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """The runs of an experiment in pages, as the source yields them."""
        if experiment_id not in self._kept:
            async for page in self._source.runs(experiment_id):
                yield page
            return
        for page in self._kept[experiment_id]:
            yield page


def _weight(run: Run) -> int:
    texts = sum(len(key) + len(value) for values in (run.params, run.tags) for key, value in values.items())
    return _RUN + _METRIC * len(run.latest) + texts
