"""Converts the folders of a file store into records. A folder that cannot be read is a loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mlflow_transfer.records import DELETED, Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, Trace
from mlflow_transfer.rest_json import ARTIFACT_LOCATION, sorted_inputs, trace_v3_from
from mlflow_transfer.sources.filestore_files import META, Files
from mlflow_transfer.sources.parsing import (
    MALFORMED,
    described,
    integer,
    lifecycle_stage,
    optional_integer,
    trace_status,
    version_number,
    version_stage,
)

_TRASH = ".trash"
# The numeric values of mlflow.entities.RunStatus and LoggedModelStatus.
_STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_MODEL_STATUSES = {1: "LOGGED_MODEL_PENDING", 2: "LOGGED_MODEL_READY", 3: "LOGGED_MODEL_UPLOAD_FAILED"}
_DATASET, _MODEL = "DATASET", "MODEL"
_DELETED_VERSION = "Deleted_Internal"

T = TypeVar("T")


class FileStoreRecords:
    """Reads the folders of one file store. Every method except `read` raises OSError or one of `parsing.MALFORMED`."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def experiment(self, folder: Path) -> Experiment:
        """The experiment in a folder."""
        meta = self._meta(folder / META)
        deleted = folder.parent.name == _TRASH
        return Experiment(
            id=_name(meta, "experiment_id"),
            name=_name(meta, "name"),
            artifact_location=str(meta.get("artifact_location") or ""),
            lifecycle_stage=DELETED if deleted else _stage(meta),
            tags=self._files.texts(folder / "tags", f"experiment {meta['experiment_id']} tag"),
            creation_time=optional_integer(meta.get("creation_time")),
        )

    def start_of(self, folder: Path, experiment_id: str) -> int:
        """The start time of an experiment's run, in milliseconds."""
        meta = self._meta(folder / META)
        # MLflow ignores such runs: they were copied or moved here.
        if (run_id := _name(meta, "run_id")) != folder.name:
            raise ValueError(f"it describes the run {run_id!r}")
        if (other := _name(meta, "experiment_id")) != experiment_id:
            raise ValueError(f"it describes a run of the experiment {other!r}")
        _ = meta["status"]
        return integer(meta.get("start_time") or 0)

    def run(self, folder: Path) -> Run:
        """The run in a folder, without its points."""
        meta = self._meta(folder / META)
        run_id, files = _name(meta, "run_id"), self._files
        tags = files.texts(folder / "tags", f"run {run_id} tag")
        metrics = dict(files.below(folder / "metrics"))
        latest = {key: files.latest(f"run {run_id} metric {key!r}", key, path) for key, path in metrics.items()}
        return Run(
            id=run_id,
            experiment_id=_name(meta, "experiment_id"),
            name=str(meta.get("run_name") or tags.get("mlflow.runName", "")),
            user_id=str(meta.get("user_id") or ""),
            status=_status(meta),
            start_time=integer(meta.get("start_time") or 0),
            end_time=optional_integer(meta.get("end_time")) or None,
            lifecycle_stage=_stage(meta),
            artifact_uri=str(meta.get("artifact_uri") or self._own_artifacts(folder)),
            params=files.texts(folder / "params", f"run {run_id} param"),
            tags=tags,
            latest={key: point for key, point in latest.items() if point is not None},
            inputs=sorted_inputs(self._inputs(run_id, folder)),
            model_inputs=self._links(folder / "inputs", _MODEL, "source_id"),
            model_outputs=self._outputs(folder / "outputs"),
            linked=True,
            state=" ".join(f"{key}:{files.size(path)}" for key, path in sorted(metrics.items())),
        )

    @staticmethod
    def _own_artifacts(folder: Path) -> str:
        """The artifacts of a run whose description names none."""
        own = folder / "artifacts"
        return str(own) if own.is_dir() else ""

    def _inputs(self, run_id: str, folder: Path) -> list[dict[str, Any]]:
        def dataset_of(one: Path) -> dict[str, Any] | None:
            meta = self._meta(one / META)
            if (kind := meta.get("source_type")) == _MODEL:
                return None
            if kind != _DATASET:
                raise ValueError(f"source_type is {kind!r}")
            dataset = self._meta(self._files.named(folder.parent / "datasets", str(meta["source_id"])) / META)
            present = {str(key): str(value) for key, value in dataset.items() if value is not None}
            _ = present["name"], present["digest"]
            tags = [{"key": str(key), "value": str(value)} for key, value in (meta.get("tags") or {}).items()]
            return {"tags": tags, "dataset": present}

        inputs = self._files.folders(folder / "inputs")
        found = (self.read(f"run {run_id} input {one}", one, partial(dataset_of, one)) for one in inputs)
        return [one for one in found if one is not None]

    def _links(self, folder: Path, kind: str, key: str) -> list[str]:
        def link(one: Path) -> str | None:
            meta = self._meta(one / META)
            return str(meta[key]) if meta.get("source_type") == kind else None

        found = (self.read(f"link {one}", one, partial(link, one)) for one in self._files.folders(folder))
        return [one for one in found if one is not None]

    def _outputs(self, folder: Path) -> list[tuple[str, int]]:
        def output(one: Path) -> tuple[str, int]:
            meta = self._meta(one / META)
            return str(meta["destination_id"]), integer(meta.get("step", 0))

        found = (self.read(f"link {one}", one, partial(output, one)) for one in self._files.folders(folder))
        return [one for one in found if one is not None]

    def logged_model(self, folder: Path) -> LoggedModel | None:
        """The logged model in a folder; None for a deleted one."""
        meta = self._meta(folder / META)
        if meta.get("lifecycle_stage") == DELETED:
            return None
        model_id, files = _own_id(meta, "model_id", folder), self._files
        place = f"logged model {model_id}"
        return LoggedModel(
            id=model_id,
            experiment_id=_name(meta, "experiment_id"),
            name=_name(meta, "name"),
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

    def registered_model(self, folder: Path) -> RegisteredModel:
        """The registered model in a folder, with its versions."""
        meta = self._meta(folder / META)
        name = _name(meta, "name")
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
                version_found = self.read(f"model version folder {one}", one, partial(self._version, one, name))
                model.versions += [version_found] if version_found is not None else []
            elif self._files.is_described(one):
                self._files.losses.add(f"model version folder {one}", "its name is not version-NUMBER")
        model.versions.sort(key=lambda version: version.version)
        model.remove_dangling_aliases()
        return model

    def _version(self, folder: Path, model: str) -> ModelVersion | None:
        meta = self._meta(folder / META)
        if (described := (_name(meta, "name"), f"version-{integer(meta['version'])}")) != (model, folder.name):
            raise ValueError(f"it describes {described[1]} of {described[0]!r}")
        if meta.get("current_stage") == _DELETED_VERSION:
            return None
        return ModelVersion(
            name=_name(meta, "name"),
            version=version_number(meta["version"]),
            source=str(meta.get("source") or ""),
            run_id=str(meta.get("run_id") or ""),
            run_link=str(meta.get("run_link") or ""),
            description=str(meta.get("description") or ""),
            stage=version_stage(meta.get("current_stage")),
            tags=self._files.texts(folder / "tags", f"registered model {meta['name']!r} version {meta['version']} tag"),
            creation_time=integer(meta.get("creation_timestamp") or 0),
        )

    def trace(self, folder: Path) -> Trace:
        """The trace in a folder, as MLflow 2 or 3 wrote it."""
        info = self._meta(folder / "trace_info.yaml")
        trace_id = _own_id(info, "request_id" if "request_id" in info else "trace_id", folder)
        tags = self._files.texts(folder / "tags", f"trace {trace_id} tag")
        metadata = self._files.texts(folder / "request_metadata", f"trace {trace_id} metadata")
        if any(self._files.below(folder / "assessments")):
            self._files.losses.add(f"assessments of trace {trace_id}", "assessments of traces are not transferred")
        if "request_id" not in info:
            return trace_v3_from({**info, "trace_id": trace_id, "tags": tags, "trace_metadata": metadata})
        return Trace(
            id=trace_id,
            experiment_id=_name(info, "experiment_id"),
            timestamp=integer(info.get("timestamp_ms") or 0),
            duration=optional_integer(info.get("execution_time_ms")),
            status=trace_status(info.get("status", "IN_PROGRESS")),
            metadata=metadata,
            artifact_uri=tags.pop(ARTIFACT_LOCATION, ""),
            tags=tags,
        )

    def _meta(self, path: Path) -> dict[str, Any]:
        return self._files.yaml(path)

    def read(self, place: str, folder: Path, work: Callable[[], T]) -> T | None:
        """The result of `work` for a folder; None if it cannot be read, which is recorded as a loss."""
        try:
            return work()
        except OSError as error:
            self._files.losses.add(place, f"{error.filename or folder} cannot be read ({error.strerror})")
        except MALFORMED as error:
            self._files.losses.add(place, f"its description is not as MLflow writes it: {described(error)}")
        return None


def _status(meta: dict[str, Any]) -> str:
    number = integer(meta.get("status", 1))
    if number not in _STATUSES:
        raise ValueError(f"there is no status {number}")
    return _STATUSES[number]


def _own_id(meta: dict[str, Any], key: str, folder: Path) -> str:
    """The id of what a folder holds, in a folder of that name in its experiment's folder.

    Raises:
        ValueError: it was copied or moved here. MLflow ignores such folders.
    """
    if (found := _name(meta, key)) != folder.name:
        raise ValueError(f"it describes {found!r}")
    return found


def _name(meta: dict[str, Any], key: str) -> str:
    """A name or id, which is text. A hand-written one may be read as a whole number."""
    found = meta[key]
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        raise TypeError(f"{key} is empty" if found is None else f"{key} is not text")
    return str(found)


def _stage(meta: dict[str, Any]) -> str:
    return lifecycle_stage(meta.get("lifecycle_stage", "active"))
