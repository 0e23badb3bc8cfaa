"""Converts an archive's JSON lines into records, and checks every field.

Raises one of `parsing.MALFORMED` for a record that `records.to_json` cannot have written. Fields that a later version
of the tool added are ignored.
"""

from __future__ import annotations

from dataclasses import fields
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
from mlflow_transfer.sources.parsing import integer, number, optional_integer, text, texts, trace_status


def experiment_from_json(data: dict[str, Any]) -> Experiment:
    """An experiment."""
    values = _checked(Experiment, data, integers=("creation_time",))
    return Experiment(**{**values, "tags": texts(data.get("tags", {}))})


def run_from_json(data: dict[str, Any]) -> Run:
    """A run, without its points."""
    values = _checked(Run, data, integers=("start_time", "end_time"), others=_RUN_OTHERS)
    return Run(
        **{
            **values,
            "start_time": integer(data["start_time"]),
            "params": texts(data.get("params", {})),
            "tags": texts(data.get("tags", {})),
            "latest": {text(key): _point(one) for key, one in data.get("latest", {}).items()},
            "inputs": [_input(one) for one in data.get("inputs", ())],
            "model_inputs": [text(one) for one in data.get("model_inputs", ())],
            "model_outputs": [(text(model), integer(step)) for model, step in data.get("model_outputs", ())],
            "linked": bool(data.get("linked")),
        }
    )


_RUN_OTHERS = ("params", "tags", "latest", "inputs", "model_inputs", "model_outputs", "linked")


def model_from_json(data: dict[str, Any]) -> LoggedModel:
    """A logged model."""
    values = _checked(LoggedModel, data, integers=("creation_time",), others=("params", "tags", "points"))
    points = [
        ModelPoint(text(model), text(run), _point(point), _text_or_none(name), _text_or_none(digest))
        for model, run, point, name, digest in data.get("points", ())
    ]
    params, tags = texts(data.get("params", {})), texts(data.get("tags", {}))
    return LoggedModel(**{**values, "params": params, "tags": tags, "points": points})


def registered_from_json(data: dict[str, Any]) -> RegisteredModel:
    """A registered model with its versions."""
    values = _checked(RegisteredModel, data, integers=("creation_time",), others=("tags", "aliases", "versions"))
    return RegisteredModel(
        **{
            **values,
            "tags": texts(data.get("tags", {})),
            "aliases": {text(alias): integer(number) for alias, number in data.get("aliases", {}).items()},
            "versions": [_version(one) for one in data.get("versions", ())],
        }
    )


def trace_from_json(data: dict[str, Any]) -> Trace:
    """A trace."""
    values = _checked(Trace, data, integers=("timestamp", "duration"), others=("metadata", "tags"))
    tags, metadata = texts(data.get("tags", {})), texts(data.get("metadata", {}))
    # Earlier versions of the tool kept the database's name of an unknown status.
    values["status"] = trace_status(values["status"])
    return Trace(**{**values, "timestamp": integer(data["timestamp"]), "tags": tags, "metadata": metadata})


def _version(data: dict[str, Any]) -> ModelVersion:
    values = _checked(ModelVersion, data, integers=("version", "creation_time"))
    return ModelVersion(**{**values, "version": integer(data["version"]), "tags": texts(data.get("tags", {}))})


def _checked(
    kind: Any, data: dict[str, Any], *, integers: tuple[str, ...] = (), others: tuple[str, ...] = ("tags",)
) -> dict[str, Any]:
    """The plain fields of a record: text (empty for null), or numbers for `integers`. The caller adds `others`."""
    if not isinstance(data, dict):
        raise TypeError("it is not a JSON object")
    known = {one.name for one in fields(kind)} - set(others)
    return {
        name: optional_integer(value) if name in integers else text("" if value is None else value)
        for name, value in data.items()
        if name in known
    }


def _point(data: Any) -> Point:
    key, value, timestamp, step = data
    return Point(text(key), number(value), integer(timestamp), integer(step))


def _input(data: Any) -> dict[str, Any]:
    tags = [{"key": text(tag["key"]), "value": text(tag.get("value") or "")} for tag in data.get("tags", ())]
    dataset = texts(data["dataset"])
    _ = dataset["name"], dataset["digest"]
    return {**data, "tags": tags, "dataset": dataset}


def _text_or_none(value: Any) -> str | None:
    return None if value is None else text(value)
