"""The interface that every source has: a server, a database, a file store and an archive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from mlflow_transfer.losses import Loss
from mlflow_transfer.records import Experiment, History, LoggedModel, Point, RegisteredModel, Run, Trace
from mlflow_transfer.stores import Store

# The runs in one page of a source, and the points that a group of runs may have in memory together.
PAGE = 500
GROUP_RUNS = 100
GROUP_POINTS = 100_000
CHUNK_POINTS = 5_000


Kind = Literal["server", "database", "file store", "archive"]
T = TypeVar("T", Run, LoggedModel, Trace)


@dataclass(frozen=True)
class Features:
    """The features of a source in addition to runs and registered models."""

    logged_models: bool
    traces: bool
    prompts: bool


class Source(Protocol):
    """Reads everything. Runs are ordered by start time, versions by number.

    Anything that cannot be read is skipped and recorded as a loss (see `losses`).

    Attributes:
        kind: the kind of source.
        name: the name in messages.
        identity: an identity that does not depend on how the source was named.
        version: the version of MLflow, if known.
    """

    kind: Kind
    name: str
    identity: str
    version: str

    async def features(self) -> Features:
        """The features that this source has."""

    def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, including deleted ones."""

    def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, including deleted ones."""

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, as far as they exist."""

    async def link(self, runs: Sequence[Run]) -> None:
        """Fill in the runs' model inputs and outputs."""

    def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with all its points. Points are read in bulk, and streamed for large runs."""

    def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in pages."""

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""

    def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in pages."""

    def store(self, uri: str) -> Store:
        """The store from which the artifacts of this URI are read."""

    def losses(self) -> Sequence[Loss]:
        """What exists in the source but could not be read, in the listings so far."""

    async def close(self) -> None:
        """Close the connections."""


def of_experiment(found: T, experiment_id: str) -> T:
    """Check that an object in the listing of an experiment belongs to it.

    Raises:
        ValueError: it belongs to another experiment.
    """
    if found.experiment_id != experiment_id:
        raise ValueError(f"it belongs to the experiment {found.experiment_id!r}")
    return found


async def in_memory(points: Sequence[Point]) -> History:
    """A history of points that are in memory."""
    for start in range(0, len(points), CHUNK_POINTS):
        yield list(points[start : start + CHUNK_POINTS])


async def with_all_keys(run: Run, history: History, lose: Callable[[str], None]) -> History:
    """A run's history. Calls `lose` for each metric that the run's listing has and that has no point."""
    found: set[str] = set()
    async for points in history:
        found.update(point.key for point in points)
        yield points
    for key in sorted(run.latest.keys() - found):
        lose(key)


def grouped(runs: Iterable[tuple[Run, int]]) -> Iterator[list[Run]]:
    """Group runs by their number of points. Only a group of a single run may exceed GROUP_POINTS."""
    group, held = list[Run](), 0
    for run, points in runs:
        if group and (held + points > GROUP_POINTS or len(group) == GROUP_RUNS):
            yield group
            group, held = [], 0
        group.append(run)
        held += points
    if group:
        yield group
