"""Converts rows of MLflow's tables into records, and checks every column.

SQLite accepts any value in any column. Raises one of `parsing.MALFORMED` for a row that MLflow cannot have written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from mlflow_transfer.records import Experiment, LoggedModel, ModelPoint, ModelVersion, Point, Trace
from mlflow_transfer.rest_json import ARTIFACT_LOCATION
from mlflow_transfer.sources.parsing import (
    integer,
    lifecycle_stage,
    number,
    optional_integer,
    text,
    trace_status,
    version_number,
    version_stage,
)

Row = sa.RowMapping
# mlflow/utils/workspace_utils.py of MLflow 3.17
DEFAULT_WORKSPACE = "default"
NO_WORKSPACES = "a copy keeps no workspaces: what is in it is copied beside what is in the others"
_MODEL_STATUSES = {
    1: "LOGGED_MODEL_PENDING",
    2: "LOGGED_MODEL_READY",
    3: "LOGGED_MODEL_UPLOAD_FAILED",
}
# Columns of `trace_info` that hold what were rows of `trace_tags` and `trace_request_metadata` before MLflow 3.17
# (mlflow/store/tracking/dbmodels/models.py, `SqlTraceInfo.to_mlflow_entity`; .../utils/trace_analytics.py).
_TRACE_NAME = ("mlflow.traceName", "trace_name")
_SESSION = ("mlflow.trace.session", "session_id")
_COST = "mlflow.trace.cost"
_JSON_COLUMNS = {
    "mlflow.trace.tokenUsage": (
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation_input_tokens_above_1hr",
    ),
    _COST: ("input_cost", "output_cost", "total_cost"),
}


def workspace_of(row: Row) -> str:
    """The workspace of a row. Databases of MLflow before 3.10 have none."""
    return plain(row.get("workspace") or DEFAULT_WORKSPACE)


def is_of_other_workspace(row: Row) -> bool:
    """Whether a row is not of the default workspace."""
    return row.get("workspace") not in {None, DEFAULT_WORKSPACE}


def experiment_from_row(row: Row, tags: Mapping[str, dict[str, str]]) -> Experiment:
    """A row of `experiments`."""
    return Experiment(
        id=str(integer(row["experiment_id"])),
        name=plain(row["name"]),
        artifact_location=plain(row["artifact_location"] or ""),
        lifecycle_stage=lifecycle_stage(row["lifecycle_stage"] or "active"),
        tags=tags[str(row["experiment_id"])],
        creation_time=optional_integer(row["creation_time"]),
    )


def point_from_row(row: Row) -> Point:
    """A row of `metrics` or `latest_metrics`."""
    value, at, step = math.nan if row["is_nan"] else row["value"], row["timestamp"], row["step"]
    if type(value) is not float or type(at) is not int or type(step) is not int:
        value, at, step = number(value), integer(at), integer(step or 0)
    return Point(plain(row["key"]), value, at, step)


def model_point_from_row(row: Row) -> ModelPoint:
    """A row of `logged_model_metrics`."""
    value = number(row["metric_value"])
    at, step = integer(row["metric_timestamp_ms"]), integer(row["metric_step"] or 0)
    point = Point(plain(row["metric_name"]), value, at, step)
    return ModelPoint(plain(row["model_id"]), plain(row["run_id"]), point, row["dataset_name"], row["dataset_digest"])


def logged_model_from_row(
    row: Row,
    params: dict[str, dict[str, str]],
    tags: dict[str, dict[str, str]],
    points: dict[str, list[ModelPoint]],
) -> LoggedModel:
    """A row of `logged_models`."""
    model_id = row["model_id"]
    return LoggedModel(
        id=plain(model_id),
        experiment_id=str(integer(row["experiment_id"])),
        name=plain(row["name"]),
        artifact_uri=plain(row["artifact_location"]),
        status=_MODEL_STATUSES.get(row["status"], "LOGGED_MODEL_STATUS_UNSPECIFIED"),
        model_type=plain(row["model_type"] or ""),
        source_run_id=plain(row["source_run_id"] or ""),
        params=params[model_id],
        tags=tags[model_id],
        points=points[model_id],
        creation_time=optional_integer(row["creation_timestamp_ms"]),
    )


def version_from_row(row: Row, tags: dict[str, str]) -> ModelVersion:
    """A row of `model_versions`."""
    return ModelVersion(
        name=plain(row["name"]),
        version=version_number(row["version"]),
        source=plain(row["source"] or ""),
        run_id=plain(row["run_id"] or ""),
        run_link=plain(row["run_link"] or ""),
        description=plain(row["description"] or ""),
        stage=version_stage(row["current_stage"]),
        tags=tags,
        creation_time=integer(row["creation_time"] or 0),
    )


def trace_from_row(row: Row, tags: dict[str, dict[str, str]], metadata: dict[str, dict[str, str]]) -> Trace:
    """A row of `trace_info`."""
    trace_id = row["request_id"]
    tags[trace_id].update(_column_texts(row, _TRACE_NAME))
    metadata[trace_id].update({**_column_texts(row, _SESSION), **_column_objects(row)})
    return Trace(
        id=plain(trace_id),
        experiment_id=str(integer(row["experiment_id"])),
        timestamp=integer(row["timestamp_ms"]),
        duration=optional_integer(row["execution_time_ms"]),
        status=trace_status(row["status"]),
        metadata=metadata[trace_id],
        artifact_uri=tags[trace_id].pop(ARTIFACT_LOCATION, ""),
        tags=tags[trace_id],
        client_request_id=plain(row.get("client_request_id") or ""),
        request_preview=plain(row.get("request_preview") or ""),
        response_preview=plain(row.get("response_preview") or ""),
    )


def _column_texts(row: Row, *columns: tuple[str, str]) -> dict[str, str]:
    """The columns that are texts, by the key that a server returns."""
    return {key: plain(row[name]) for key, name in columns if _has(row, name)}


def _column_objects(row: Row) -> dict[str, str]:
    """The columns that a server returns together as JSON."""
    found = {
        key: {name: number(row[name]) if key == _COST else integer(row[name]) for name in names if _has(row, name)}
        for key, names in _JSON_COLUMNS.items()
    }
    return {key: json.dumps(values) for key, values in found.items() if values}


def _has(row: Row, name: str) -> bool:
    return row.get(name) is not None


def plain(value: Any) -> str:
    """Check that a value is text that an MLflow server accepts: valid UTF-8 without NUL bytes.

    Raises:
        ValueError, TypeError: it is something else.
    """
    found = text(value)
    if not found.isascii():
        found.encode()
    if "\0" in found:
        raise ValueError("NUL bytes")
    return found
