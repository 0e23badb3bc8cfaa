"""Reads a file store (the `mlruns` folder that MLflow keeps where no server is) straight from its files.

Files are read as they are: empty, torn, of another encoding. What cannot be read is a loss that names the file, and
everything else is carried on. Links are not followed out of the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mlflow_common.errors import InputError
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import (
    DELETED,
    Experiment,
    History,
    LoggedModel,
    ModelVersion,
    Point,
    RegisteredModel,
    Run,
    Trace,
)
from mlflow_transfer.rest_json import ARTIFACT_LOCATION, sorted_inputs
from mlflow_transfer.sources.base import CHUNK_POINTS, PAGE, Features, Kind
from mlflow_transfer.sources.filestore_files import Files, next_points
from mlflow_transfer.sources.parsing import MALFORMED, described, integer, optional_integer
from mlflow_transfer.stores import Store

META = "meta.yaml"
_TRASH = ".trash"
_REGISTRY = "models"
_RESERVED = frozenset({"tags", "datasets", "traces", "models"})
# The numbers of mlflow.entities.RunStatus and of LoggedModelStatus.
_STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_MODEL_STATUSES = {1: "LOGGED_MODEL_PENDING", 2: "LOGGED_MODEL_READY", 3: "LOGGED_MODEL_UPLOAD_FAILED"}
_DATASET, _MODEL = "DATASET", "MODEL"
_DELETED_VERSION = "Deleted_Internal"
_STAGES = frozenset({"active", DELETED})

T = TypeVar("T")


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
        self._folders: dict[str, Path] = {}
        self._runs: dict[str, Path] = {}

    def losses(self) -> list[Loss]:
        """What could not be read so far."""
        return self._files.losses.list()

    async def features(self) -> Features:
        """A folder may hold anything."""
        return Features(logged_models=True, traces=True, prompts=True)

    async def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, deleted ones too."""
        for experiment in await asyncio.to_thread(self._experiments):
            yield experiment

    def _experiments(self) -> list[Experiment]:
        found: dict[str, Experiment] = {}
        for folder in [*self._files.folders(self.root), *self._files.folders(self.root / _TRASH)]:
            if folder.name in {_REGISTRY, _TRASH}:
                continue
            experiment = self._read(f"experiment folder {folder}", folder, partial(self._experiment, folder))
            if experiment is None:
                continue
            if experiment.id in found:
                reason = (
                    f"the folder {self._folders[experiment.id]} holds an experiment of the same id {experiment.id!r}"
                )
                self._files.losses.add(f"experiment folder {folder}", reason)
                continue
            found[experiment.id] = experiment
            self._folders[experiment.id] = folder
        return list(found.values())

    def _experiment(self, folder: Path) -> Experiment:
        meta = self._meta(folder / META)
        deleted = folder.parent.name == _TRASH
        return Experiment(
            id=str(meta["experiment_id"]),
            name=str(meta["name"]),
            artifact_location=str(meta.get("artifact_location") or ""),
            lifecycle_stage=DELETED if deleted else _stage(meta),
            tags=self._files.texts(folder / "tags", f"experiment {meta['experiment_id']} tag"),
            creation_time=optional_integer(meta.get("creation_time")),
        )

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, deleted ones too."""
        started = await asyncio.to_thread(self._by_start, experiment_id)
        for start in range(0, len(started), PAGE):
            yield await asyncio.to_thread(self._page, started[start : start + PAGE])

    def _by_start(self, experiment_id: str) -> list[Path]:
        folders = [one for one in self._files.folders(self._folders[experiment_id]) if one.name not in _RESERVED]
        started = [(self._read(f"run folder {one}", one, partial(self._start_of, one)), one) for one in folders]
        return [folder for start, folder in sorted((one for one in started if one[0] is not None), key=_order)]

    def _start_of(self, folder: Path) -> int:
        meta = self._meta(folder / META)
        _ = meta["run_id"], meta["experiment_id"]
        return integer(meta.get("start_time") or 0)

    def _page(self, folders: Sequence[Path]) -> list[Run]:
        found = (self._read(f"run folder {one}", one, partial(self._run, one)) for one in folders)
        return [run for run in found if run is not None]

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """Those of these runs that exist."""
        if not self._folders:
            await asyncio.to_thread(self._experiments)
        wanted, found = set(ids), []
        for experiment in self._folders.values():
            for folder in self._files.folders(experiment):
                if folder.name in wanted and folder.name not in _RESERVED:
                    run = self._read(f"run folder {folder}", folder, partial(self._run, folder))
                    found += [run] if run is not None else []
        return found

    def _run(self, folder: Path) -> Run:
        meta = self._meta(folder / META)
        run_id, files = str(meta["run_id"]), self._files
        tags = files.texts(folder / "tags", f"run {run_id} tag")
        metrics = dict(files.below(folder / "metrics"))
        latest = {key: files.latest(f"run {run_id} metric {key!r}", key, path) for key, path in metrics.items()}
        run = Run(
            id=run_id,
            experiment_id=str(meta["experiment_id"]),
            name=str(meta.get("run_name") or tags.get("mlflow.runName", "")),
            user_id=str(meta.get("user_id") or ""),
            status=_STATUSES.get(integer(meta.get("status", 1)), "RUNNING"),
            start_time=integer(meta.get("start_time") or 0),
            end_time=optional_integer(meta.get("end_time")) or None,
            lifecycle_stage=_stage(meta),
            artifact_uri=str(meta.get("artifact_uri") or ""),
            params=files.texts(folder / "params", f"run {run_id} param"),
            tags=tags,
            latest={key: point for key, point in latest.items() if point is not None},
            inputs=sorted_inputs(self._inputs(run_id, folder)),
            model_inputs=self._links(folder / "inputs", _MODEL, "source_id"),
            model_outputs=self._outputs(folder / "outputs"),
            linked=True,
            state=" ".join(f"{key}:{files.size(path)}" for key, path in sorted(metrics.items())),
        )
        self._runs[run.id] = folder
        return run

    def _inputs(self, run_id: str, folder: Path) -> list[dict[str, Any]]:
        def dataset_of(one: Path) -> dict[str, Any] | None:
            meta = self._meta(one / META)
            if meta.get("source_type") != _DATASET:
                return None
            dataset = self._meta(self._files.named(folder.parent / "datasets", str(meta["source_id"])) / META)
            present = {str(key): str(value) for key, value in dataset.items() if value is not None}
            _ = present["name"], present["digest"]
            tags = [{"key": str(key), "value": str(value)} for key, value in (meta.get("tags") or {}).items()]
            return {"tags": tags, "dataset": present}

        inputs = self._files.folders(folder / "inputs")
        found = (self._read(f"run {run_id} input {one}", one, partial(dataset_of, one)) for one in inputs)
        return [one for one in found if one is not None]

    def _links(self, folder: Path, kind: str, key: str) -> list[str]:
        def link(one: Path) -> str | None:
            meta = self._meta(one / META)
            return str(meta[key]) if meta.get("source_type") == kind else None

        found = (self._read(f"link {one}", one, partial(link, one)) for one in self._files.folders(folder))
        return [one for one in found if one is not None]

    def _outputs(self, folder: Path) -> list[tuple[str, int]]:
        def output(one: Path) -> tuple[str, int]:
            meta = self._meta(one / META)
            return str(meta["destination_id"]), integer(meta.get("step", 0))

        found = (self._read(f"link {one}", one, partial(output, one)) for one in self._files.folders(folder))
        return [one for one in found if one is not None]

    async def link(self, runs: Sequence[Run]) -> None:
        """Nothing: the links came with the runs."""

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
        found = [self._read(f"logged model folder {one}", one, partial(self._model, one)) for one in folders]
        yield [model for model in found if model is not None]

    def _model(self, folder: Path) -> LoggedModel | None:
        meta = self._meta(folder / META)
        if meta.get("lifecycle_stage") == DELETED:
            return None
        model_id, files = str(meta["model_id"]), self._files
        place = f"logged model {model_id}"
        return LoggedModel(
            id=model_id,
            experiment_id=str(meta["experiment_id"]),
            name=str(meta["name"]),
            artifact_uri=str(meta["artifact_location"]),
            status=_MODEL_STATUSES.get(integer(meta.get("status", 1)), "LOGGED_MODEL_STATUS_UNSPECIFIED"),
            model_type=str(meta.get("model_type") or ""),
            source_run_id=str(meta.get("source_run_id") or ""),
            params=files.texts(folder / "params", f"{place} param"),
            tags=files.texts(folder / "tags", f"{place} tag"),
            points=[
                one
                for key, path in files.below(folder / "metrics")
                for one in files.model_points(f"{place} metric {key!r}", model_id, key, path)
            ],
            creation_time=optional_integer(meta.get("creation_timestamp")),
        )

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""
        folders = self._files.folders(self.root / _REGISTRY)
        found = [self._read(f"registered model folder {one}", one, partial(self._registered, one)) for one in folders]
        models = [model for model in found if model is not None]
        return sorted(models, key=lambda model: (model.creation_time, model.name))

    def _registered(self, folder: Path) -> RegisteredModel:
        meta = self._meta(folder / META)
        name = str(meta["name"])
        place = f"registered model {name!r}"
        model = RegisteredModel(
            name=name,
            description=str(meta.get("description") or ""),
            tags=self._files.texts(folder / "tags", f"{place} tag"),
            creation_time=integer(meta.get("creation_timestamp") or 0),
        )
        for alias, version in self._files.texts(folder / "aliases", f"{place} alias").items():
            try:
                model.aliases[alias] = integer(version)
            except ValueError as error:
                self._files.losses.add(f"{place} alias {alias!r} (file {folder / 'aliases' / alias})", described(error))
        for one in self._files.folders(folder):
            if one.name.startswith("version-"):
                version_found = self._read(f"model version folder {one}", one, partial(self._version, one))
                model.versions += [version_found] if version_found is not None else []
        model.versions.sort(key=lambda version: version.version)
        return model

    def _version(self, folder: Path) -> ModelVersion | None:
        meta = self._meta(folder / META)
        if meta.get("current_stage") == _DELETED_VERSION:
            return None
        return ModelVersion(
            name=str(meta["name"]),
            version=integer(meta["version"]),
            source=str(meta.get("source") or ""),
            run_id=str(meta.get("run_id") or ""),
            run_link=str(meta.get("run_link") or ""),
            description=str(meta.get("description") or ""),
            stage=str(meta.get("current_stage") or "None"),
            tags=self._files.texts(folder / "tags", f"registered model {meta['name']!r} version {meta['version']} tag"),
            creation_time=integer(meta.get("creation_timestamp") or 0),
        )

    async def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in one page."""
        folders = self._files.folders(self._folders[experiment_id] / "traces")
        found = [self._read(f"trace folder {one}", one, partial(self._trace, one)) for one in folders]
        yield [trace for trace in found if trace is not None]

    def _trace(self, folder: Path) -> Trace:
        info = self._meta(folder / "trace_info.yaml")
        trace_id = str(info["request_id"])
        tags = self._files.texts(folder / "tags", f"trace {trace_id} tag")
        return Trace(
            id=trace_id,
            experiment_id=str(info["experiment_id"]),
            timestamp=integer(info.get("timestamp_ms") or 0),
            duration=optional_integer(info.get("execution_time_ms")),
            status=str(info.get("status", "IN_PROGRESS")),
            metadata=self._files.texts(folder / "request_metadata", f"trace {trace_id} metadata"),
            artifact_uri=tags.pop(ARTIFACT_LOCATION, ""),
            tags=tags,
        )

    async def close(self) -> None:
        """Nothing is held open."""

    def _meta(self, path: Path) -> dict[str, Any]:
        return self._files.yaml(path)

    def _read(self, place: str, folder: Path, work: Callable[[], T]) -> T | None:
        """What `work` reads from a folder; None where it cannot be read, which is a loss."""
        try:
            return work()
        except OSError as error:
            self._files.losses.add(place, f"{error.filename or folder} cannot be read ({error.strerror})")
        except MALFORMED as error:
            self._files.losses.add(place, f"its description is not as MLflow writes it: {described(error)}")
        return None


def _order(one: tuple[int | None, Path]) -> tuple[int, Path]:
    return one[0] or 0, one[1]


def _stage(meta: dict[str, Any]) -> str:
    stage = str(meta.get("lifecycle_stage", "active"))
    if stage not in _STAGES:
        raise ValueError(f"lifecycle_stage is {stage!r}")
    return stage
