"""Converts MLflow's REST JSON into records."""

from __future__ import annotations

from collections.abc import Mapping
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
    keyed,
)

Json = Mapping[str, Any]
ARTIFACT_LOCATION = "mlflow.artifactLocation"


def experiment_from(data: Json) -> Experiment:
    """An experiment of `experiments/search`."""
    return Experiment(
        id=str(data["experiment_id"]),
        name=str(data["name"]),
        artifact_location=str(data.get("artifact_location", "")),
        lifecycle_stage=str(data.get("lifecycle_stage", "active")),
        tags=keyed(data.get("tags", ())),
        creation_time=_integer(data.get("creation_time")),
    )


def point_from(data: Json) -> Point:
    """A point of a metric, from any of the calls that return points."""
    return Point(str(data["key"]), float(data.get("value", 0.0)), int(data["timestamp"]), int(data.get("step", 0)))


def run_from(data: Json, *, linked: bool) -> Run:
    """A run of `runs/search` (which does not return the links to logged models) or `runs/get`."""
    info, content = data["info"], data.get("data", {})
    inputs, outputs = data.get("inputs") or {}, data.get("outputs") or {}
    tags = keyed(content.get("tags", ()))
    return Run(
        id=str(info.get("run_id") or info["run_uuid"]),
        experiment_id=str(info["experiment_id"]),
        name=str(info.get("run_name") or tags.get("mlflow.runName", "")),
        user_id=str(info.get("user_id", "")),
        status=str(info.get("status", "RUNNING")),
        start_time=int(info.get("start_time", 0)),
        end_time=_integer(info.get("end_time")) or None,
        lifecycle_stage=str(info.get("lifecycle_stage", "active")),
        artifact_uri=str(info.get("artifact_uri", "")),
        params=keyed(content.get("params", ())),
        tags=tags,
        latest={metric["key"]: point_from(metric) for metric in content.get("metrics", ())},
        inputs=sorted_inputs(inputs.get("dataset_inputs", [])),
        model_inputs=[str(model["model_id"]) for model in inputs.get("model_inputs", ())],
        model_outputs=[(str(m["model_id"]), int(m.get("step", 0))) for m in outputs.get("model_outputs", ())],
        linked=linked,
    )


def sorted_inputs(inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Data set inputs in a fixed order, because the server returns them and their tags in any order."""
    for one in inputs:
        one["tags"] = sorted(one.get("tags", ()), key=lambda tag: str(tag["key"]))
    return sorted(inputs, key=lambda one: (one["dataset"]["name"], one["dataset"]["digest"]))


def logged_model_from(data: Json) -> LoggedModel:
    """A logged model of `logged-models/search`."""
    info, content = data["info"], data.get("data", {})
    model_id = str(info["model_id"])
    return LoggedModel(
        id=model_id,
        experiment_id=str(info["experiment_id"]),
        name=str(info.get("name", "")),
        artifact_uri=str(info.get("artifact_uri", "")),
        status=str(info.get("status", "LOGGED_MODEL_UNSPECIFIED")),
        model_type=str(info.get("model_type", "")),
        source_run_id=str(info.get("source_run_id", "")),
        params=keyed(content.get("params", ())),
        tags=keyed(info.get("tags", ())),
        points=[_model_point(model_id, metric) for metric in content.get("metrics", ())],
        creation_time=_integer(info.get("creation_timestamp_ms")),
    )


def _model_point(model_id: str, data: Json) -> ModelPoint:
    return ModelPoint(
        model_id,
        str(data.get("run_id", "")),
        point_from(data),
        data.get("dataset_name") or None,
        data.get("dataset_digest") or None,
    )


def version_from(data: Json) -> ModelVersion:
    """A model version of `model-versions/search`."""
    return ModelVersion(
        name=str(data["name"]),
        version=int(data["version"]),
        source=str(data.get("source", "")),
        run_id=str(data.get("run_id", "")),
        run_link=str(data.get("run_link", "")),
        description=str(data.get("description", "")),
        stage=str(data.get("current_stage", "None")),
        tags=keyed(data.get("tags", ())),
        creation_time=int(data.get("creation_timestamp", 0)),
    )


def registered_model_from(data: Json) -> RegisteredModel:
    """A registered model of `registered-models/search`, without its versions."""
    return RegisteredModel(
        name=str(data["name"]),
        description=str(data.get("description", "")),
        tags=keyed(data.get("tags", ())),
        aliases={str(alias["alias"]): int(alias["version"]) for alias in data.get("aliases", ())},
        creation_time=int(data.get("creation_timestamp", 0)),
    )


def trace_from(data: Json) -> Trace:
    """A trace of `GET traces`."""
    tags = keyed(data.get("tags", ()))
    return Trace(
        id=str(data["request_id"]),
        experiment_id=str(data["experiment_id"]),
        timestamp=int(data.get("timestamp_ms", 0)),
        duration=_integer(data.get("execution_time_ms")),
        status=str(data.get("status", "IN_PROGRESS")),
        metadata=keyed(data.get("request_metadata", ())),
        artifact_uri=tags.pop(ARTIFACT_LOCATION, ""),
        tags=tags,
    )


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
