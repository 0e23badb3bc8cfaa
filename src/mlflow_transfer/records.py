"""What a tracking server holds, as plain records that every source yields and every destination takes.

Times are milliseconds since the epoch. Ids are the source's own; `rewrite` maps them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

OWN_TAGS = "transfer."
SOURCE_ID = "transfer.source_id"
# When a copied experiment was created: with its id, what tells it after it was renamed.
SOURCE_TIME = "transfer.source_time"
FINGERPRINT = "transfer.fingerprint"
RUN_NAME = "mlflow.runName"
PARENT_RUN = "mlflow.parentRunId"
# A tag that the server itself writes on a logged model when a version of it is registered.
MODEL_VERSIONS = "mlflow.modelVersions"
PROMPT = "mlflow.prompt.is_prompt"
ACTIVE = "active"
DELETED = "deleted"
FINISHED_STATUSES = frozenset({"FINISHED", "FAILED", "KILLED"})
# What MLflow's SQL store keeps in place of an infinity (mlflow/store/tracking/sqlalchemy_store.py).
LARGEST = 1.7976931348623157e308


class Point(NamedTuple):
    """One point of a metric."""

    key: str
    value: float
    timestamp: int
    step: int


class ModelPoint(NamedTuple):
    """A metric's point that also belongs to a logged model, and maybe to a data set."""

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
    """A run without its metric histories. `latest` holds each metric's last point.

    `linked` says whether model_inputs and model_outputs are known: a server's search leaves them out.
    `state` is what a source knows beyond these fields that changes when the run does.
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
        """Whether nothing more is expected to be logged to it."""
        return self.status in FINISHED_STATUSES


@dataclass(slots=True)
class LoggedModel:
    """A logged model of MLflow 3. `status` is the server's name of it, such as LOGGED_MODEL_READY."""

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
        """Whether this is a prompt, which MLflow 3 keeps among the registered models."""
        return self.tags.get(PROMPT, "").lower() == "true"


@dataclass(slots=True)
class Trace:
    """A trace's record; its spans are the artifact `traces.json` below `artifact_uri`."""

    id: str
    experiment_id: str
    timestamp: int
    duration: int | None
    status: str
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifact_uri: str = ""


def without_own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that people and MLflow set: those of this tool left out."""
    return {key: value for key, value in tags.items() if not key.startswith(OWN_TAGS)}


def number_text(value: float) -> float | str:
    """A metric's value as the REST API takes it: protobuf's JSON names of what JSON cannot say."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def stored_value(value: float) -> float:
    """The value as MLflow's SQL store gives it back: infinities come back as the largest doubles."""
    return math.copysign(LARGEST, value) if math.isinf(value) else value


def point_key(point: Point) -> tuple[str, str, int, int]:
    """What makes two points the same; NaN equals NaN here, and infinities their stored form."""
    return point.key, repr(stored_value(float(point.value))), point.timestamp, point.step


def fingerprint(run: Run) -> str:
    """Changes whenever anything of the run that a listing shows changes: 32 hexadecimal digits."""
    latest = sorted(point_key(point) for point in run.latest.values())
    content = [
        run.name, run.user_id, run.status, run.start_time, run.end_time, run.lifecycle_stage,
        sorted(run.params.items()), sorted(without_own_tags(run.tags).items()), latest, run.inputs, run.state,
    ]  # fmt: skip
    return digest(content)


def digest(content: Any) -> str:
    """A short digest of anything JSON can say: 32 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def to_json(record: Any) -> dict[str, Any]:
    """A record as JSON can say it: a NaN or an infinity becomes its name."""
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


def keyed(pairs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The REST API's lists of {"key": …, "value": …} as a dictionary."""
    return {str(pair["key"]): str(pair.get("value", "")) for pair in pairs}


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """A dictionary as the REST API's list of {"key": …, "value": …}."""
    return [{"key": key, "value": value} for key, value in values.items()]
