"""Runs that were listed once and are needed again: by the plan, and by the copy that follows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from mlflow_transfer.records import Run
from mlflow_transfer.sources.base import Source

# Characters that may be kept, those of some two thousand runs; who has more to copy will not notice a second listing.
MOST = 20_000_000
# What a run takes besides its parameters, tags and metrics.
_RUN, _METRIC = 4_000, 400


class Listings:
    """A source's runs by experiment, kept as far as there is room for them."""

    def __init__(self, source: Source, most: int = MOST) -> None:
        self._source = source
        self._room = most
        self._kept: dict[str, list[list[Run]]] = {}

    async def read(self, experiment_ids: Iterable[str]) -> None:
        """Read ahead, in this order, until there is no room left."""
        for experiment_id in experiment_ids:
            pages = []
            async for page in self._source.runs(experiment_id):
                self._room -= sum(map(_weight, page))
                if self._room < 0:
                    return
                pages.append(page)
            self._kept[experiment_id] = pages

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, as the source gives them."""
        if experiment_id not in self._kept:
            async for page in self._source.runs(experiment_id):
                yield page
            return
        for page in self._kept[experiment_id]:
            yield page


def _weight(run: Run) -> int:
    texts = sum(len(key) + len(value) for values in (run.params, run.tags) for key, value in values.items())
    return _RUN + _METRIC * len(run.latest) + texts
