"""Fits experiments, registered models and traces to the names and lengths that the destination accepts.

`limits.adapt` does the same for runs. Logged models need no change: no server checks their tags and parameters
(mlflow/store/tracking/sqlalchemy_store.py of MLflow 3.0.1 and 3.10.1, `create_logged_model`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlflow_transfer.limits import NAME_REFUSED, Limits
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import Experiment, ModelVersion, RegisteredModel, Trace

_UNKNOWN_STATUS = "TRACE_STATUS_UNSPECIFIED"


def fit_experiment(experiment: Experiment, limits: Limits) -> tuple[Experiment, list[Loss]]:
    """The experiment without the tags that the destination refuses, and a loss for each of these."""
    tags, losses = _fit(f"experiment {experiment.name!r} tag", experiment.tags, limits, limits.experiment_tag)
    return (replace(experiment, tags=tags), losses) if losses else (experiment, losses)


def fit_trace(trace: Trace, limits: Limits) -> tuple[Trace, list[Loss]]:
    """The trace without the tags and fields that the destination refuses, and a loss for each tag and for the fields.

    The API of MLflow 2 sets neither its client's request id nor its previews (`StartTrace` in
    mlflow/protos/service.proto).
    """
    tags, losses = _fit(f"trace {trace.id} tag", trace.tags, limits, limits.trace_tag)
    fields, lost = _fit_fields(trace, limits)
    losses += lost
    trace = replace(trace, **fields)
    metadata = dict(trace.metadata)
    for key, value in trace.metadata.items():
        if len(value) > limits.trace_tag:
            place = f"trace {trace.id} metadata {key!r}"
            losses.append(Loss(place, f"{len(value)} characters are cut to {limits.trace_tag}"))
            metadata[key] = value[: limits.trace_tag]
    trace = replace(trace, metadata=metadata)
    if trace.status == _UNKNOWN_STATUS and limits.needs_trace_status:
        losses.append(Loss(f"trace {trace.id}", "later servers refuse its unknown status: it stays in progress"))
        trace = replace(trace, status="IN_PROGRESS")
    return replace(trace, tags=tags), losses


def _fit_fields(trace: Trace, limits: Limits) -> tuple[dict[str, Any], list[Loss]]:
    """The fields of MLflow 3 that are not empty, as the destination accepts them."""
    settable = limits.trace_fields if abs(trace.timestamp) <= limits.trace_time else {}
    fields = trace.own_fields
    losses: list[Loss] = []
    if refused := [name for name in fields if name not in settable]:
        losses.append(Loss(f"trace {trace.id}", f"the destination's API cannot set its {', '.join(refused)}"))
    for name, value in fields.items():
        most = settable.get(name, 0)
        if 0 < most < len(value):
            losses.append(Loss(f"trace {trace.id} {name}", f"{len(value)} characters are cut to {most}"))
        fields[name] = value[:most]
    return fields, losses


def fit_registered_model(model: RegisteredModel, limits: Limits) -> tuple[RegisteredModel, list[Loss]]:
    """The registered model without the tags and aliases that the destination refuses, and a loss for each of these."""
    place = f"registered model {model.name!r}"
    tags, losses = _fit(f"{place} tag", model.tags, limits, limits.registry_tag)
    versions: list[ModelVersion] = []
    for version in model.versions:
        fitting, lost = _fit(f"{place} version {version.version} tag", version.tags, limits, limits.registry_tag)
        versions.append(replace(version, tags=fitting) if lost else version)
        losses += lost
    refused = [alias for alias in model.aliases if not limits.takes_alias(alias)]
    losses += [Loss(f"{place} alias {alias!r}", NAME_REFUSED) for alias in refused]
    aliases = {alias: number for alias, number in model.aliases.items() if alias not in refused}
    return (replace(model, tags=tags, versions=versions, aliases=aliases), losses) if losses else (model, losses)


def _fit(place: str, tags: Mapping[str, str], limits: Limits, most: int) -> tuple[dict[str, str], list[Loss]]:
    found: dict[str, str] = {}
    losses: list[Loss] = []
    for key, value in tags.items():
        if not limits.takes_name(key):
            losses.append(Loss(f"{place} {key!r}", NAME_REFUSED))
            continue
        if len(value) > most:
            losses.append(Loss(f"{place} {key!r}", f"{len(value)} characters are cut to {most}"))
        found[key] = value[:most]
    return found, losses
