"""The interface that every source has: a server, a database, a file store and an archive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mlflow_transfer.losses import Loss
from mlflow_transfer.records import Experiment, History, LoggedModel, Point, RegisteredModel, Run, Trace
from mlflow_transfer.stores import Store

# Runs that one page of a source holds, and points that a group of runs may hold in memory together.
PAGE = 500
GROUP_RUNS = 100
GROUP_POINTS = 100_000
CHUNK_POINTS = 5_000


Kind = Literal["server", "database", "file store", "archive"]


@dataclass(frozen=True)
class Features:
    """What a source can hold in addition to runs and registered models."""

    logged_models: bool
    traces: bool
    prompts: bool


class Source(Protocol):
    """Reads everything. Order: runs by start time; versions by number.

    What cannot be read is skipped and becomes a loss (see `losses`).

    Attributes:
        kind: what it is.
        name: what messages call it.
        identity: the same for every way to name the same source.
        version: of MLflow, where it is known.
    """

    kind: Kind
    name: str
    identity: str
    version: str

    async def features(self) -> Features:
        """What it can hold."""

    def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, deleted ones too."""

    def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, deleted ones too."""

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """Those of these runs that exist."""

    async def link(self, runs: Sequence[Run]) -> None:
        """Fill in the runs' model inputs and outputs."""

    def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with all its points, read in bulk; the points of large runs are streamed."""

    def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in pages."""

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""

    def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in pages."""

    def store(self, uri: str) -> Store:
        """Where the artifacts of this URI are read."""

    def losses(self) -> list[Loss]:
        """What exists in the source and could not be read, as far as it was listed until now."""

    async def close(self) -> None:
        """Let go of connections."""


async def in_memory(points: Sequence[Point]) -> History:
    """Points that are at hand, as a history."""
    for start in range(0, len(points), CHUNK_POINTS):
        yield list(points[start : start + CHUNK_POINTS])


def grouped(runs: Iterable[tuple[Run, int]]) -> Iterator[list[Run]]:
    """Runs with the number of their points, put together so that no group but a single run passes GROUP_POINTS."""
    group, held = list[Run](), 0
    for run, points in runs:
        if group and (held + points > GROUP_POINTS or len(group) == GROUP_RUNS):
            yield group
            group, held = [], 0
        group.append(run)
        held += points
    if group:
        yield group
