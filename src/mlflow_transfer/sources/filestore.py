"""Reads a file store (the `mlruns` folder that MLflow keeps where no server is) straight from its files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from mlflow_transfer.losses import Loss
from mlflow_transfer.records import (
    DELETED,
    Experiment,
    History,
    LoggedModel,
    ModelPoint,
    ModelVersion,
    Point,
    RegisteredModel,
    Run,
    Trace,
)
from mlflow_transfer.rest_json import ARTIFACT_LOCATION, sorted_inputs
from mlflow_transfer.sources.base import CHUNK_POINTS, PAGE, Features, Kind
from mlflow_transfer.stores import Store

_META = "meta.yaml"
_TRASH = ".trash"
_REGISTRY = "models"
_RESERVED = frozenset({"tags", "datasets", "traces", "models"})
# The numbers of mlflow.entities.RunStatus and of LoggedModelStatus.
_STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_MODEL_STATUSES = {1: "LOGGED_MODEL_PENDING", 2: "LOGGED_MODEL_READY", 3: "LOGGED_MODEL_UPLOAD_FAILED"}
_DATASET, _MODEL = "DATASET", "MODEL"
_DELETED_VERSION = "Deleted_Internal"


class FileStoreSource:
    """A folder of experiments."""

    kind: Kind = "file store"

    def __init__(self, root: Path, stores: Callable[[str], Store]) -> None:
        self.root = root.resolve()
        self.name = self.identity = str(self.root)
        self.version = ""
        self.store = stores
        self._folders: dict[str, Path] = {}
        self._runs: dict[str, Path] = {}

    async def features(self) -> Features:
        """A folder may hold anything."""
        return Features(logged_models=True, traces=True, prompts=True)

    async def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, deleted ones too."""
        for folder in sorted([*self.root.iterdir(), *_children(self.root / _TRASH)]):
            meta = _yaml(folder / _META) if folder.name != _REGISTRY else None
            if meta is None or "experiment_id" not in meta:
                continue
            experiment = Experiment(
                id=str(meta["experiment_id"]),
                name=str(meta["name"]),
                artifact_location=str(meta.get("artifact_location") or ""),
                lifecycle_stage=DELETED if folder.parent.name == _TRASH else str(meta.get("lifecycle_stage", "active")),
                tags=_texts(folder / "tags"),
                creation_time=meta.get("creation_time"),
            )
            self._folders[experiment.id] = folder
            yield experiment

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, deleted ones too."""
        folders = [one for one in _children(self._folders[experiment_id]) if one.name not in _RESERVED]
        started = await asyncio.to_thread(_by_start, folders)
        for start in range(0, len(started), PAGE):
            yield await asyncio.to_thread(self._page, started[start : start + PAGE])

    def _page(self, folders: Sequence[Path]) -> list[Run]:
        return [self._run(one) for one in folders]

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """Those of these runs that exist."""
        if not self._folders:
            _ = [one async for one in self.experiments()]
        found = []
        for one in ids:
            places = (folder / one for folder in self._folders.values())
            place = next((place for place in places if (place / _META).is_file()), None)
            if place is not None:
                found.append(self._run(place))
        return found

    def _run(self, folder: Path) -> Run:
        meta = _yaml(folder / _META) or {}
        tags = _texts(folder / "tags")
        metrics = dict(_files(folder / "metrics"))
        self._runs[str(meta["run_id"])] = folder
        return Run(
            id=str(meta["run_id"]),
            experiment_id=str(meta["experiment_id"]),
            name=str(meta.get("run_name") or tags.get("mlflow.runName", "")),
            user_id=str(meta.get("user_id") or ""),
            status=_STATUSES.get(meta.get("status", 1), "RUNNING"),
            start_time=int(meta.get("start_time") or 0),
            end_time=meta.get("end_time") or None,
            lifecycle_stage=str(meta.get("lifecycle_stage", "active")),
            artifact_uri=str(meta.get("artifact_uri") or ""),
            params=_texts(folder / "params"),
            tags=tags,
            latest={key: point for key, path in metrics.items() if (point := _last(key, path)) is not None},
            inputs=sorted_inputs(self._inputs(folder)),
            model_inputs=[str(one["source_id"]) for one in _metas(folder / "inputs") if one["source_type"] == _MODEL],
            model_outputs=[(str(one["destination_id"]), int(one.get("step", 0))) for one in _metas(folder / "outputs")],
            linked=True,
            state=" ".join(f"{key}:{path.stat().st_size}" for key, path in sorted(metrics.items())),
        )

    @staticmethod
    def _inputs(folder: Path) -> list[dict[str, Any]]:
        found = []
        for one in _metas(folder / "inputs"):
            dataset = _yaml(folder.parent / "datasets" / str(one["source_id"]) / _META)
            if one["source_type"] == _DATASET and dataset is not None:
                present = {key: str(value) for key, value in dataset.items() if value is not None}
                tags = [{"key": key, "value": str(value)} for key, value in (one.get("tags") or {}).items()]
                found.append({"tags": tags, "dataset": present})
        return found

    async def link(self, runs: Sequence[Run]) -> None:
        """Nothing: the links came with the runs."""

    async def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with its points, streamed from its files."""
        for run in runs:
            yield run, self._history(self._runs[run.id])

    @staticmethod
    async def _history(folder: Path) -> History:
        held: list[Point] = []
        for key, path in _files(folder / "metrics"):
            points = _points(key, path)
            while chunk := await asyncio.to_thread(_next, points):
                held += chunk
                if len(held) >= CHUNK_POINTS:
                    yield held
                    held = []
        if held:
            yield held

    async def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in one page."""
        models = []
        for folder in _children(self._folders[experiment_id] / "models"):
            meta = _yaml(folder / _META)
            if meta is None or meta.get("lifecycle_stage") == DELETED:
                continue
            model_id = str(meta["model_id"])
            models.append(
                LoggedModel(
                    id=model_id,
                    experiment_id=str(meta["experiment_id"]),
                    name=str(meta["name"]),
                    artifact_uri=str(meta["artifact_location"]),
                    status=_MODEL_STATUSES.get(meta.get("status", 1), "LOGGED_MODEL_STATUS_UNSPECIFIED"),
                    model_type=str(meta.get("model_type") or ""),
                    source_run_id=str(meta.get("source_run_id") or ""),
                    params=_texts(folder / "params"),
                    tags=_texts(folder / "tags"),
                    points=[one for key, path in _files(folder / "metrics") for one in _linked(model_id, key, path)],
                    creation_time=meta.get("creation_timestamp"),
                )
            )
        yield models

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""
        models = []
        for folder in _children(self.root / _REGISTRY):
            meta = _yaml(folder / _META)
            if meta is None:
                continue
            model = RegisteredModel(
                name=str(meta["name"]),
                description=str(meta.get("description") or ""),
                tags=_texts(folder / "tags"),
                aliases={alias: int(version) for alias, version in _texts(folder / "aliases").items()},
                creation_time=int(meta.get("creation_timestamp") or 0),
            )
            versions = [_version(one) for one in _children(folder) if one.name.startswith("version-")]
            model.versions = sorted((one for one in versions if one is not None), key=lambda one: one.version)
            models.append(model)
        return sorted(models, key=lambda model: (model.creation_time, model.name))

    async def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in one page."""
        found = []
        for folder in _children(self._folders[experiment_id] / "traces"):
            info = _yaml(folder / "trace_info.yaml")
            if info is None:
                continue
            tags = _texts(folder / "tags")
            found.append(
                Trace(
                    id=str(info["request_id"]),
                    experiment_id=str(info["experiment_id"]),
                    timestamp=int(info.get("timestamp_ms") or 0),
                    duration=info.get("execution_time_ms"),
                    status=str(info.get("status", "IN_PROGRESS")),
                    metadata=_texts(folder / "request_metadata"),
                    artifact_uri=tags.pop(ARTIFACT_LOCATION, ""),
                    tags=tags,
                )
            )
        yield found

    def losses(self) -> list[Loss]:
        """What could not be read: nothing."""
        return []

    async def close(self) -> None:
        """Nothing is held open."""


def _children(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def _yaml(path: Path) -> dict[str, Any] | None:
    try:
        with path.open(encoding="utf-8") as file:
            loaded = yaml.load(file, _Loader)  # noqa: S506 a safe loader
    except FileNotFoundError:
        return None
    return loaded if isinstance(loaded, dict) else None


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _by_start(folders: list[Path]) -> list[Path]:
    started = [(int(meta.get("start_time") or 0), folder) for folder in folders if (meta := _yaml(folder / _META))]
    return [folder for _, folder in sorted(started)]


def _metas(folder: Path) -> Iterator[dict[str, Any]]:
    for one in _children(folder):
        meta = _yaml(one / _META)
        if meta is not None:
            yield meta


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below a folder with its path as the key: keys may have slashes."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            yield path.relative_to(folder).as_posix(), path


def _texts(folder: Path) -> dict[str, str]:
    # newline="": a value keeps the line ends that it has.
    found = {}
    for key, path in _files(folder):
        with path.open(encoding="utf-8", newline="") as file:
            found[key] = file.read()
    return found


def _points(key: str, path: Path) -> Iterator[Point]:
    last: Point | None = None
    with path.open(encoding="utf-8") as file:
        for line in file:
            parts = line.split(" ")
            if len(parts) < 2:
                continue
            point = Point(key, float(parts[1]), int(parts[0]), int(parts[2]) if len(parts) > 2 else 0)
            # A point that was logged twice in a row is one point to every other store.
            if repr(point) != repr(last):
                yield point
            last = point


def _next(points: Iterator[Point]) -> list[Point]:
    return list(islice(points, CHUNK_POINTS))


def _last(key: str, path: Path) -> Point | None:
    """The point that a server would call the latest: of the greatest step, time and value."""
    return max(_points(key, path), key=lambda point: (point.step, point.timestamp, point.value), default=None)


def _linked(model_id: str, key: str, path: Path) -> Iterator[ModelPoint]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            parts = line.split()
            if len(parts) in {4, 6}:
                point = Point(key, float(parts[1]), int(parts[0]), int(parts[2]))
                yield ModelPoint(model_id, parts[3], point, *parts[4:])


def _version(folder: Path) -> ModelVersion | None:
    meta = _yaml(folder / _META)
    if meta is None or meta.get("current_stage") == _DELETED_VERSION:
        return None
    return ModelVersion(
        name=str(meta["name"]),
        version=int(meta["version"]),
        source=str(meta.get("source") or ""),
        run_id=str(meta.get("run_id") or ""),
        run_link=str(meta.get("run_link") or ""),
        description=str(meta.get("description") or ""),
        stage=str(meta.get("current_stage") or "None"),
        tags=_texts(folder / "tags"),
        creation_time=int(meta.get("creation_timestamp") or 0),
    )
