"""Reads a file store (the `mlruns` folder that MLflow uses without a server) directly from its files.

Files may be empty, torn or in another encoding. A file that cannot be read is a loss that names the file; everything
else is transferred. Links that lead out of the store are not followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from mlflow_common.errors import InputError
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import (
    Experiment,
    History,
    LoggedModel,
    Point,
    RegisteredModel,
    Run,
    Trace,
)
from mlflow_transfer.sources.base import CHUNK_POINTS, PAGE, Features, Kind
from mlflow_transfer.sources.filestore_files import Files, next_points
from mlflow_transfer.sources.filestore_records import FileStoreRecords
from mlflow_transfer.stores import Store

_TRASH = ".trash"
_REGISTRY = "models"
_RESERVED = frozenset({"tags", "datasets", "traces", "models"})

T = TypeVar("T", LoggedModel, Trace)


class FileStoreSource:
    """A folder of experiments."""

    kind: Kind = "file store"

    def __init__(self, root: Path, stores: Callable[[str], Store]) -> None:
        try:
            self.root = root.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise InputError(f"{root} cannot be opened ({error})") from None
        self.name = self.identity = str(self.root)
        self.version = ""
        self.store = stores
        self._files = Files(self.root)
        self._records = FileStoreRecords(self._files)
        self._folders: dict[str, Path] = {}
        self._runs: dict[str, Path] = {}

    def losses(self) -> Sequence[Loss]:
        """What could not be read so far."""
        return self._files.losses.list()

    async def features(self) -> Features:
        """All features, because a folder may contain any kind of object."""
        return Features(logged_models=True, traces=True, prompts=True)

    async def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, including deleted ones."""
        for experiment in await asyncio.to_thread(self._experiments):
            yield experiment

    def _experiments(self) -> list[Experiment]:
        found: dict[str, Experiment] = {}
        names: dict[str, Path] = {}
        for folder in [*self._files.folders(self.root), *self._files.folders(self.root / _TRASH)]:
            if folder.name in {_REGISTRY, _TRASH}:
                continue
            experiment = self._records.read(
                f"experiment folder {folder}", folder, partial(self._records.experiment, folder)
            )
            if experiment is None:
                continue
            if experiment.id in found:
                reason = (
                    f"the folder {self._folders[experiment.id]} holds an experiment of the same id {experiment.id!r}"
                )
                self._files.losses.add(f"experiment folder {folder}", reason)
                continue
            if (other := names.setdefault(experiment.name, folder)) != folder:
                # No server has two experiments of one name: their runs would get mixed.
                reason = f"the folder {other} holds an experiment of the same name: rename one in its meta.yaml"
                self._files.losses.add(f"experiment folder {folder}", reason)
                continue
            found[experiment.id] = experiment
            self._folders[experiment.id] = folder
        return list(found.values())

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, including deleted ones."""
        started = await asyncio.to_thread(self._by_start, experiment_id)
        for start in range(0, len(started), PAGE):
            yield await asyncio.to_thread(self._page, started[start : start + PAGE])

    def _by_start(self, experiment_id: str) -> list[Path]:
        folders = [one for one in self._files.folders(self._folders[experiment_id]) if one.name not in _RESERVED]
        started = [
            (self._records.read(f"run folder {one}", one, partial(self._records.start_of, one, experiment_id)), one)
            for one in folders
        ]
        return [folder for start, folder in sorted((one for one in started if one[0] is not None), key=_order)]

    def _page(self, folders: Sequence[Path]) -> list[Run]:
        found = map(self._run, folders)
        return [run for run in found if run is not None]

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, as far as they exist."""
        if not self._folders:
            await asyncio.to_thread(self._experiments)
        wanted, found = set(ids), []
        for experiment in self._folders.values():
            for folder in self._files.folders(experiment):
                if folder.name in wanted and folder.name not in _RESERVED:
                    run = self._run(folder)
                    found += [run] if run is not None else []
        return found

    def _run(self, folder: Path) -> Run | None:
        run = self._records.read(f"run folder {folder}", folder, partial(self._records.run, folder))
        if run is None:
            return None
        if (other := self._runs.setdefault(run.id, folder)) != folder:
            self._files.losses.add(f"run folder {folder}", f"the folder {other} holds a run of the same id")
            return None
        return run

    async def link(self, runs: Sequence[Run]) -> None:
        """Do nothing: the runs already have their links."""

    async def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with its points, streamed from its files."""
        for run in runs:
            yield run, self._history(run.id, self._runs[run.id])

    async def _history(self, run_id: str, folder: Path) -> History:
        held: list[Point] = []
        for key, path in self._files.below(folder / "metrics"):
            points = self._files.points(f"run {run_id} metric {key!r}", key, path)
            while chunk := await asyncio.to_thread(next_points, points):
                held += chunk
                if len(held) >= CHUNK_POINTS:
                    yield held
                    held = []
        if held:
            yield held

    async def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in one page."""
        folders = self._files.folders(self._folders[experiment_id] / "models")
        found = [
            self._records.read(f"logged model folder {one}", one, partial(self._records.logged_model, one))
            for one in folders
        ]
        yield self._own([model for model in found if model is not None], experiment_id, "logged model")

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""
        folders = self._files.folders(self.root / _REGISTRY)
        read, model_of = self._records.read, self._records.registered_model
        models: dict[str, RegisteredModel] = {}
        for one in folders:
            model = read(f"registered model folder {one}", one, partial(model_of, one))
            if model is not None and models.setdefault(model.name, model) is not model:
                self._files.losses.add(f"registered model folder {one}", f"another folder holds {model.name!r}")
        return sorted(models.values(), key=lambda model: (model.creation_time, model.name))

    async def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in one page."""
        folders = self._files.folders(self._folders[experiment_id] / "traces")
        found = [self._records.read(f"trace folder {one}", one, partial(self._records.trace, one)) for one in folders]
        yield self._own([trace for trace in found if trace is not None], experiment_id, "trace")

    def _own(self, found: Sequence[T], experiment_id: str, what: str) -> list[T]:
        """Those of an experiment. MLflow ignores others: they were copied or moved here."""
        for one in found:
            if one.experiment_id != experiment_id:
                place = f"{what} {one.id} in the folder of the experiment {experiment_id!r}"
                self._files.losses.add(place, f"it belongs to the experiment {one.experiment_id!r}")
        return [one for one in found if one.experiment_id == experiment_id]

    async def close(self) -> None:
        """Do nothing: no file stays open."""


def _order(one: tuple[int | None, Path]) -> tuple[int, Path]:
    return one[0] or 0, one[1]
