"""Converts MLflow's REST JSON into records, and checks the type of every value that is used.

Every function raises one of `parsing.MALFORMED` for a record that no MLflow server answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlflow_transfer.records import (
    Experiment,
    LoggedModel,
    ModelPoint,
    ModelVersion,
    Point,
    RegisteredModel,
    Run,
    Trace,
)
from mlflow_transfer.sources.parsing import (
    instant,
    integer,
    lifecycle_stage,
    number,
    optional_integer,
    run_status,
    text,
    texts,
    trace_status,
    version_number,
    version_stage,
)

Json = Mapping[str, Any]
ARTIFACT_LOCATION = "mlflow.artifactLocation"


def experiment_from(data: Json) -> Experiment:
    """An experiment of `experiments/search`."""
    return Experiment(
        id=_text(data, "experiment_id"),
        name=_text(data, "name"),
        artifact_location=_text(data, "artifact_location", ""),
        lifecycle_stage=lifecycle_stage(_text(data, "lifecycle_stage", "active")),
        tags=keyed(data.get("tags") or ()),
        creation_time=optional_integer(data.get("creation_time")),
    )


def point_from(data: Json) -> Point:
    """A point of a metric, from any of the calls that return points."""
    value, at, step = data.get("value", 0.0), data["timestamp"], data.get("step", 0)
    if type(value) is not float or type(at) is not int or type(step) is not int:
        value, at, step = number(value), integer(at), integer(step)
    return Point(_text(data, "key"), value, at, step)


def run_from(data: Json, *, linked: bool) -> Run:
    """A run of `runs/search` (which does not return the links to logged models) or `runs/get`."""
    info, content = data["info"], data.get("data") or {}
    inputs, outputs = data.get("inputs") or {}, data.get("outputs") or {}
    tags = keyed(content.get("tags") or ())
    return Run(
        id=_text(info, "run_id", "") or _text(info, "run_uuid"),
        experiment_id=_text(info, "experiment_id"),
        name=_text(info, "run_name", "") or tags.get("mlflow.runName", ""),
        user_id=_text(info, "user_id", ""),
        status=run_status(_text(info, "status", "RUNNING")),
        start_time=integer(info.get("start_time") or 0),
        end_time=optional_integer(info.get("end_time")) or None,
        lifecycle_stage=lifecycle_stage(_text(info, "lifecycle_stage", "active")),
        artifact_uri=_text(info, "artifact_uri", ""),
        params=keyed(content.get("params") or ()),
        tags=tags,
        latest={metric["key"]: point_from(metric) for metric in content.get("metrics") or ()},
        inputs=sorted_inputs(inputs.get("dataset_inputs") or []),
        model_inputs=[_text(model, "model_id") for model in inputs.get("model_inputs") or ()],
        model_outputs=[(_text(m, "model_id"), integer(m.get("step") or 0)) for m in outputs.get("model_outputs") or ()],
        linked=linked,
    )


def sorted_inputs(inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Data set inputs in a fixed order, because the server returns them and their tags in any order."""
    for one in inputs:
        one["tags"] = sorted(one.get("tags") or (), key=lambda tag: _text(tag, "key"))
    return sorted(inputs, key=lambda one: (_text(one["dataset"], "name"), _text(one["dataset"], "digest")))


def logged_model_from(data: Json) -> LoggedModel:
    """A logged model of `logged-models/search`."""
    info, content = data["info"], data.get("data") or {}
    model_id = _text(info, "model_id")
    return LoggedModel(
        id=model_id,
        experiment_id=_text(info, "experiment_id"),
        name=_text(info, "name", ""),
        artifact_uri=_text(info, "artifact_uri", ""),
        status=_text(info, "status", "LOGGED_MODEL_UNSPECIFIED"),
        model_type=_text(info, "model_type", ""),
        source_run_id=_text(info, "source_run_id", ""),
        params=keyed(content.get("params") or ()),
        tags=keyed(info.get("tags") or ()),
        points=[_model_point(model_id, metric) for metric in content.get("metrics") or ()],
        creation_time=optional_integer(info.get("creation_timestamp_ms")),
    )


def _model_point(model_id: str, data: Json) -> ModelPoint:
    return ModelPoint(
        model_id,
        _text(data, "run_id", ""),
        point_from(data),
        _text(data, "dataset_name", "") or None,
        _text(data, "dataset_digest", "") or None,
    )


def version_from(data: Json) -> ModelVersion:
    """A model version of `model-versions/search`."""
    return ModelVersion(
        name=_text(data, "name"),
        version=version_number(data["version"]),
        source=_text(data, "source", ""),
        run_id=_text(data, "run_id", ""),
        run_link=_text(data, "run_link", ""),
        description=_text(data, "description", ""),
        stage=version_stage(_text(data, "current_stage", "None")),
        tags=keyed(data.get("tags") or ()),
        creation_time=integer(data.get("creation_timestamp") or 0),
    )


def registered_model_from(data: Json) -> RegisteredModel:
    """A registered model of `registered-models/search`, without its versions."""
    return RegisteredModel(
        name=_text(data, "name"),
        description=_text(data, "description", ""),
        tags=keyed(data.get("tags") or ()),
        aliases={_text(alias, "alias"): integer(alias["version"]) for alias in data.get("aliases") or ()},
        creation_time=integer(data.get("creation_timestamp") or 0),
    )


def trace_from(data: Json) -> Trace:
    """A trace of `GET traces`."""
    tags = keyed(data.get("tags") or ())
    return Trace(
        id=_text(data, "request_id"),
        experiment_id=_text(data, "experiment_id"),
        timestamp=integer(data.get("timestamp_ms") or 0),
        duration=optional_integer(data.get("execution_time_ms")),
        status=trace_status(_text(data, "status", "IN_PROGRESS")),
        metadata=keyed(data.get("request_metadata") or ()),
        artifact_uri=tags.pop(ARTIFACT_LOCATION, ""),
        tags=tags,
    )


def trace_v3_from(data: Json) -> Trace:
    """A trace of MLflow 3: of `POST traces/search`, or the description in a file store.

    A file store has the tags and the metadata in other files, and its duration is a number of milliseconds.
    """
    tags = texts(data.get("tags") or {})
    duration = data.get("execution_duration")
    return Trace(
        id=_text(data, "trace_id"),
        experiment_id=_text(data["trace_location"]["mlflow_experiment"], "experiment_id"),
        timestamp=instant(data["request_time"]),
        duration=optional_integer(data.get("execution_duration_ms")) if duration is None else _milliseconds(duration),
        status=trace_status(_text(data, "state", "IN_PROGRESS")),
        metadata=texts(data.get("trace_metadata") or {}),
        artifact_uri=tags.pop(ARTIFACT_LOCATION, ""),
        tags=tags,
        client_request_id=_text(data, "client_request_id", ""),
        request_preview=_text(data, "request_preview", ""),
        response_preview=_text(data, "response_preview", ""),
    )


def experiment_location(experiment_id: str) -> dict[str, Any]:
    """An experiment as the location of a trace of MLflow 3."""
    return {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}


def _milliseconds(duration: Any) -> int:
    """Protobuf's duration, such as `1.500s`, in milliseconds."""
    found = text(duration)
    if not found.endswith("s"):
        raise ValueError(f"{found!r:.80} is not a duration")
    return round(number(found[:-1]) * 1000)


def _text(data: Json, key: str, default: str | None = None) -> str:
    """A text. A server that writes null for a field that is not set means the default."""
    value = data[key] if default is None else data.get(key)
    found = text(default if value is None and default is not None else value)
    if not found.isascii():
        found.encode()  # Half of a surrogate pair is valid JSON, but it is not text that can be sent or stored.
    return found


def keyed(pairs: Iterable[Json]) -> dict[str, str]:
    """The REST API's lists of {"key": …, "value": …} as a dictionary."""
    return {_text(pair, "key"): _text(pair, "value", "") for pair in pairs}
