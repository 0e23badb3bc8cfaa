"""Registers a candidate, records why it was promoted or not, and moves the alias."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PreconditionError
from mlflow_platform import tracking
from mlflow_platform.endpoints.model import Model, find
from mlflow_platform.paging import all_results

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_platform.promotion.contest import Verdict

EVIDENCE = "promotion"
_UNKNOWN = "RESOURCE_DOES_NOT_EXIST"


def champion(client: MlflowClient, name: str, alias: str) -> Model | None:
    """The model version that an alias names; None if there is no such model or alias."""
    from mlflow.exceptions import MlflowException

    try:
        aliases = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != _UNKNOWN:
            raise
        return None
    return find(f"models:/{name}/{aliases[alias]}", client) if alias in aliases else None


def registered(client: MlflowClient, name: str, model: Model) -> Model | None:
    """The version of a registered model that a candidate has already; None if it is not registered."""
    # MLflow's filters have no escape: a name is quoted with the quotes that it does not contain itself.
    quote = '"' if "'" in name else "'"
    for version in all_results(client.search_model_versions, f"name = {quote}{name}{quote}"):
        if version.run_id != (model.run_id or ""):
            continue
        found = find(f"models:/{name}/{version.version}", client)
        if found.location.rstrip("/") == model.location.rstrip("/"):
            return found
    return None


def register(client: MlflowClient, name: str, model: Model) -> Model:
    """Register a candidate as the next version of a registered model, unless it is one already."""
    found = registered(client, name, model)
    if found:
        return found
    version = tracking.register(client, name=name, model_uri=model.uri, run_id=model.run_id or "", alias=None)
    return find(f"models:/{name}/{version}", client)


def record(client: MlflowClient, verdict: Verdict, alias: str, data: Mapping[str, str]) -> None:
    """Write the evidence of a comparison to the candidate's run, and tag its version.

    Args:
        verdict: of a registered candidate.
        data: where the held-out rows are from, and their digest.
    """
    model, champion = verdict.candidate.model, verdict.champion
    name, version = str(model.name), str(model.version)
    path = _path(alias, model)
    evidence: dict[str, Any] = {
        "candidate": model.uri,
        "champion": champion.model.uri if champion else None,
        "alias": alias,
        "metric": verdict.metric,
        "margin": verdict.margin,
        "promoted": verdict.wins,
        "summary": verdict.summary,
        "data": dict(data),
        "metrics": {
            "candidate": dict(verdict.candidate.metrics),
            **({"champion": dict(champion.metrics)} if champion else {}),
        },
    }
    if model.run_id:
        client.log_text(model.run_id, json.dumps(evidence, indent=2), path)
    tags = {
        "result": f"{'promoted to' if verdict.wins else 'not promoted to'} {alias}",
        "metric": verdict.metric,
        "value": f"{verdict.candidate.metrics[verdict.metric]:.6g}",
        "compared-with": champion.model.uri if champion else "none",
        "data": data["digest"],
    }
    if champion:
        tags["compared-value"] = f"{champion.metrics[verdict.metric]:.6g}"
    current = client.get_model_version(name, version).tags
    for key, value in tags.items():
        if current.get(f"{EVIDENCE}.{key}") != value:
            client.set_model_version_tag(name, version, f"{EVIDENCE}.{key}", value)


def evidence_uri(client: MlflowClient, alias: str, model: Model) -> str | None:
    """The URI of the evidence for a version; None if none was recorded."""
    tags = client.get_model_version(str(model.name), str(model.version)).tags
    if not model.run_id or f"{EVIDENCE}.data" not in tags:
        return None
    return f"{str(client.get_run(model.run_id).info.artifact_uri).rstrip('/')}/{_path(alias, model)}"


def _path(alias: str, model: Model) -> str:
    return f"{EVIDENCE}/{alias}-{model.version}.json"


def move_alias(client: MlflowClient, alias: str, winner: Model, compared_with: Model | None) -> None:
    """Give the alias to the winner.

    Raises:
        PreconditionError: the alias does not name the version any more that the winner was compared with.
    """
    name = str(winner.name)
    now = champion(client, name, alias)
    if (now.uri if now else None) != (compared_with.uri if compared_with else None):
        raise PreconditionError(
            f"{alias} of {name} has moved to {now.uri if now else 'no version'} during the comparison. "
            "Run the same command again."
        )
    client.set_registered_model_alias(name, alias, str(winner.version))
