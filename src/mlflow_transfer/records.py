"""The contents of a tracking server as plain records. Sources yield them, and destinations accept them.

Times are milliseconds since the epoch. Ids are those of the source; `rewrite` maps them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from mlflow_common.numbers import number_text

OWN_TAGS = "transfer."
SOURCE_ID = "transfer.source_id"
# The creation time of a copied experiment's original. With the id, it identifies a renamed copy.
SOURCE_TIME = "transfer.source_time"
FINGERPRINT = "transfer.fingerprint"
RUN_NAME = "mlflow.runName"
PARENT_RUN = "mlflow.parentRunId"
# The server sets this tag on a logged model when it is registered as a model version.
MODEL_VERSIONS = "mlflow.modelVersions"
PROMPT = "mlflow.prompt.is_prompt"
TRACE_FIELDS = ("client_request_id", "request_preview", "response_preview")
ACTIVE = "active"
DELETED = "deleted"
FINISHED_STATUSES = frozenset({"FINISHED", "FAILED", "KILLED"})
# MLflow's SQL store stores this value instead of infinity (mlflow/store/tracking/sqlalchemy_store.py).
LARGEST = 1.7976931348623157e308


class Point(NamedTuple):
    """One point of a metric."""

    key: str
    value: float
    timestamp: int
    step: int


class ModelPoint(NamedTuple):
    """A point of a metric that also belongs to a logged model, and possibly to a data set."""

    model_id: str
    run_id: str
    point: Point
    dataset_name: str | None = None
    dataset_digest: str | None = None


History = AsyncIterator[list[Point]]


@dataclass(slots=True)
class Experiment:
    """An experiment without its runs."""

    id: str
    name: str
    artifact_location: str
    lifecycle_stage: str = ACTIVE
    tags: dict[str, str] = field(default_factory=dict)
    creation_time: int | None = None


@dataclass(slots=True)
class Run:
    """A run without its metric histories.

    Args:
        latest: the last point of each metric.
        linked: whether model_inputs and model_outputs are known. A server's search does not return them.
        state: a further value that changes when the run changes, if the source has one.
    """

    id: str
    experiment_id: str
    name: str
    user_id: str
    status: str
    start_time: int
    end_time: int | None
    lifecycle_stage: str
    artifact_uri: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    latest: dict[str, Point] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    model_inputs: list[str] = field(default_factory=list)
    model_outputs: list[tuple[str, int]] = field(default_factory=list)
    linked: bool = False
    state: str = ""

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return self.status in FINISHED_STATUSES


@dataclass(slots=True)
class LoggedModel:
    """A logged model of MLflow 3. `status` is the server's name, such as LOGGED_MODEL_READY."""

    id: str
    experiment_id: str
    name: str
    artifact_uri: str
    status: str
    model_type: str
    source_run_id: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: list[ModelPoint] = field(default_factory=list)
    creation_time: int | None = None


@dataclass(slots=True)
class ModelVersion:
    """A version of a registered model."""

    name: str
    version: int
    source: str
    run_id: str
    run_link: str
    description: str
    stage: str
    tags: dict[str, str] = field(default_factory=dict)
    creation_time: int = 0


@dataclass(slots=True)
class RegisteredModel:
    """A registered model (or a prompt) with all its versions, in order, and its aliases."""

    name: str
    description: str
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    versions: list[ModelVersion] = field(default_factory=list)
    creation_time: int = 0

    @property
    def is_prompt(self) -> bool:
        """Whether this is a prompt. MLflow 3 stores prompts as registered models."""
        return self.tags.get(PROMPT, "").lower() == "true"

    def remove_dangling_aliases(self) -> None:
        """Remove the aliases of versions that do not exist, which no server accepts.

        They are not losses: MLflow's servers leave the alias behind when a version is deleted by the REST API, where
        its number is text (mlflow/store/model_registry/sqlalchemy_store.py, `delete_model_version`).
        """
        numbers = {version.version for version in self.versions}
        for alias in [alias for alias, number in self.aliases.items() if number not in numbers]:
            del self.aliases[alias]


@dataclass(slots=True)
class Trace:
    """The record of a trace. Its spans are the artifact `traces.json` below `artifact_uri`.

    Args:
        client_request_id, request_preview, response_preview: fields of MLflow 3.
    """

    id: str
    experiment_id: str
    timestamp: int
    duration: int | None
    status: str
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifact_uri: str = ""
    client_request_id: str = ""
    request_preview: str = ""
    response_preview: str = ""

    @property
    def own_fields(self) -> dict[str, str]:
        """The fields of MLflow 3 that are not empty."""
        return {name: value for name in TRACE_FIELDS if (value := getattr(self, name))}


def without_own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of users and of MLflow, without the tags of this tool."""
    return {key: value for key, value in tags.items() if not key.startswith(OWN_TAGS)}


def stored_value(value: float) -> float:
    """The value as MLflow's SQL store returns it: an infinity becomes the largest double."""
    return math.copysign(LARGEST, value) if math.isinf(value) else value


def point_key(point: Point) -> tuple[str, str, int, int]:
    """The key of a point for comparisons: NaN equals NaN, and an infinity equals its stored form."""
    return point.key, repr(stored_value(float(point.value))), point.timestamp, point.step


def fingerprint(run: Run) -> str:
    """A digest of everything that a listing shows of a run: 32 hexadecimal digits."""
    latest = sorted(point_key(point) for point in run.latest.values())
    content = [
        run.name, run.user_id, run.status, run.start_time, run.end_time, run.lifecycle_stage,
        sorted(run.params.items()), sorted(without_own_tags(run.tags).items()), latest, run.inputs, run.state,
    ]  # fmt: skip
    return digest(content)


def digest(content: Any) -> str:
    """A short digest of a JSON value: 32 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def to_json(record: Any) -> dict[str, Any]:
    """A record as a JSON object. A NaN or an infinity becomes its name."""
    found: dict[str, Any] = _plain(asdict(record))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """A dictionary as the REST API's list of {"key": …, "value": …}."""
    return [{"key": key, "value": value} for key, value in values.items()]
