"""A source in memory with one run."""

import asyncio
from collections.abc import Callable
from typing import Any

from mlflow_transfer.records import Experiment, Run
from mlflow_transfer.sources.base import Features, in_memory
from mlflow_transfer.stores import Store


class OneRun:
    """Its experiment is called "made up". The run's points are its latest points."""

    kind = "server"
    name = identity = "made up"
    version = ""

    def __init__(self, run: Run, store: Callable[[str], Store] | None = None) -> None:
        self.run = run
        if store is not None:
            self.store = store

    async def features(self) -> Features:
        return Features(logged_models=False, traces=False, prompts=False)

    async def experiments(self) -> Any:
        yield Experiment(self.run.experiment_id, "made up", f"/nowhere/{self.run.experiment_id}")

    async def runs(self, _: str) -> Any:
        yield [self.run]

    async def runs_by_id(self, _: Any) -> list[Run]:
        return []

    def losses(self) -> list[Any]:
        return []

    async def link(self, _: Any) -> None:
        await asyncio.sleep(0)

    async def histories(self, runs: Any) -> Any:
        for one in runs:
            yield one, in_memory(list(one.latest.values()))

    async def registered_models(self) -> list[Any]:
        return []

    async def logged_models(self, _: str) -> Any:
        yield []

    traces = logged_models
