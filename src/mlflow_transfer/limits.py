"""The limits of each MLflow version's server, and the losses of a run that exceeds them.

Sources: mlflow/utils/validation.py of MLflow 2.13.2, 2.16.2, 3.0.1 and 3.10.1.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from mlflow_transfer.losses import Loss
from mlflow_transfer.records import TRACE_FIELDS, Point, Run
from mlflow_transfer.sources.rest import version_number

NAME_REFUSED = "the destination does not allow the name"
TIME_REFUSED = "the destination does not allow points before 1970"
LONG_VALUES = "transfer/long_values.json"
_PARAM_VALUE = 6000
_NAME = 250
_COLONS_SINCE = (2, 16)
_LONG_TAGS_SINCE = (3, 0)
_LONG_SCHEMAS_SINCE = (2, 16)
# The call that sets these fields of a trace is `StartTraceV3` in mlflow/server/handlers.py of MLflow 3.2.0. The lengths
# are those of the columns of `SqlTraceInfo` in mlflow/store/tracking/dbmodels/models.py.
_TRACE_FIELDS_SINCE = (3, 2)
_TRACE_FIELDS = {"client_request_id": 50, "request_preview": 1000, "response_preview": 1000}
# Times of that call begin with the year 1 (google/protobuf/timestamp.proto).
_FROM_YEAR_1 = 62_135_596_800_000
_ALIAS = re.compile(r"[\w\-]+")
# MLflow resolves these itself in `models:/NAME@ALIAS`, and lets nobody set them.
_RESERVED_ALIAS = re.compile(r"v\d+|latest", re.IGNORECASE)
_LONGEST_ALIAS = 255


@dataclass(frozen=True)
class Limits:
    """The names that a server accepts, and the maximum lengths of values in characters.

    Args:
        trace_fields: the maximum lengths of the fields of a trace that a client can set.
        trace_time: the most milliseconds before or after 1970 of a trace for which it can set them.
    """

    names: re.Pattern[str]
    name: int = _NAME
    param: int = _PARAM_VALUE
    tag: int = 5000
    experiment_tag: int = 5000
    registry_tag: int = 5000
    trace_tag: int = 8000
    schema: int = 65_535
    needs_run_name: bool = True
    needs_trace_status: bool = True
    trace_fields: Mapping[str, int] = field(default_factory=dict)
    trace_time: int = _FROM_YEAR_1

    @classmethod
    def of(cls, version: str) -> Limits:
        """The limits of a version. An unknown version gets those of the newest."""
        number = version_number(version) or (99, 0)
        names = re.compile(r"[/\w.\- :]*" if number >= _COLONS_SINCE else r"[/\w.\- ]*")
        long = number >= _LONG_TAGS_SINCE
        schema = 1_048_575 if number >= _LONG_SCHEMAS_SINCE else 65_535
        fields = _TRACE_FIELDS if number >= _TRACE_FIELDS_SINCE else {}
        tag, registry_tag = (8000, 100_000) if long else (5000, 5000)
        return cls(names, tag=tag, registry_tag=registry_tag, schema=schema, trace_fields=fields)

    @classmethod
    def none(cls) -> Limits:
        """No limits, for a database, a file store or an archive."""
        most = sys.maxsize
        return cls(
            re.compile(".*", re.DOTALL),
            most,
            most,
            most,
            most,
            most,
            most,
            most,
            needs_run_name=False,
            needs_trace_status=False,
            trace_fields=dict.fromkeys(TRACE_FIELDS, most),
            trace_time=most,
        )

    def takes_name(self, name: str) -> bool:
        """Whether a parameter, metric or tag may have this name."""
        if self.name == sys.maxsize:
            return True
        return len(name) <= self.name and _is_plain(name, self.names)

    def takes_point(self, point: Point) -> bool:
        """Whether a run may have this point. MLflow's servers refuse points before 1970."""
        return self.name == sys.maxsize or (point.timestamp >= 0 and self.takes_name(point.key))

    def takes_alias(self, alias: str) -> bool:
        """Whether a version of a registered model may have this alias."""
        if self.name == sys.maxsize:
            return True
        plain = _ALIAS.fullmatch(alias) is not None and len(alias) <= _LONGEST_ALIAS
        return plain and _RESERVED_ALIAS.fullmatch(alias) is None


@lru_cache(maxsize=16_384)
def _is_plain(name: str, names: re.Pattern[str]) -> bool:
    """Whether a name is allowed apart from its length. Many points have the same name."""
    plain = posixpath.normpath(name)
    unique = plain == name and plain != "." and not plain.startswith(("..", "/"))
    return unique and names.fullmatch(name) is not None


def point_losses(run_id: str, point: Point, limits: Limits) -> list[Loss]:
    """The loss of a point that the destination refuses."""
    if limits.takes_point(point):
        return []
    reason = TIME_REFUSED if limits.takes_name(point.key) else NAME_REFUSED
    return [Loss(f"run {run_id} metric {point.key!r}", reason)]


def adapt(run: Run, limits: Limits) -> tuple[Run, dict[str, str], list[Loss]]:
    """Change a run so that the destination can hold it.

    Returns:
        The run; the full text of truncated values, which is copied as an artifact; and the losses.
    """
    losses: list[Loss] = []
    long: dict[str, str] = {}
    params = dict(run.params)
    tags = dict(run.tags)
    for kind, values, most in (("param", params, limits.param), ("tag", tags, limits.tag)):
        for key, value in list(values.items()):
            place = f"run {run.id} {kind} {key!r}"
            if not limits.takes_name(key):
                long[f"{kind} {key}"] = values.pop(key)
                losses.append(Loss(place, f"{NAME_REFUSED}; the value is kept in {LONG_VALUES}"))
            elif len(value) > most:
                long[f"{kind} {key}"] = value
                values[key] = value[:most]
                losses.append(
                    Loss(place, f"{len(value)} characters are cut to {most}; the full value is kept in {LONG_VALUES}")
                )
    losses += [loss for point in run.latest.values() for loss in point_losses(run.id, point, limits)]
    inputs = [_with_short_schema(run.id, one, limits, losses) for one in run.inputs]
    name = run.name
    if not name and limits.needs_run_name:
        name = run.id
        losses.append(Loss(f"run {run.id}", "it has no name, and MLflow requires one: its id becomes its name"))
    if not losses:
        return run, long, losses
    return replace(run, name=name, params=params, tags=tags, inputs=inputs), long, losses


def _with_short_schema(run_id: str, one: dict[str, Any], limits: Limits, losses: list[Loss]) -> dict[str, Any]:
    """A data set input without a schema that is too long: a part of one is no JSON."""
    dataset = one["dataset"]
    length = len(dataset.get("schema") or "")
    if length <= limits.schema:
        return one
    place = f"run {run_id} data set {dataset['name']!r}"
    losses.append(Loss(place, f"its schema has {length} characters, and the destination allows {limits.schema}"))
    return {**one, "dataset": {key: value for key, value in dataset.items() if key != "schema"}}
