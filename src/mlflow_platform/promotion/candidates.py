"""The candidates of a promotion: the finished runs of an experiment that logged a model, ranked by a metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError
from mlflow_platform.comparison import reading, table
from mlflow_platform.endpoints.model import Model, find

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_platform.comparison.table import Row, Table

_FINISHED = "FINISHED"
# MLflow 2 names a run's models in this tag, as JSON (mlflow.models, `Model.log`).
_HISTORY = "mlflow.log-model.history"


@dataclass(frozen=True)
class Ranking:
    """Runs, the best first, and the best one's model.

    Attributes:
        compared: the runs that are finished and have the metric.
        best: the first of them that logged a model.
        model: that run's model.
        without_model: names of better runs that logged no model.
    """

    compared: Table
    best: Row
    model: Model
    without_model: tuple[str, ...]


def rank(
    client: MlflowClient,
    experiment: str,
    metric: str,
    *,
    where: str,
    maximize: bool | None,
    model_name: str | None,
    stores: Sequence[str] | None = None,
) -> Ranking:
    """Rank the runs of an experiment and find the best one's model.

    Args:
        experiment: the experiment's name.
        where: an MLflow filter for its runs.
        maximize: whether larger values of the metric are better; None: decided by its name.
        model_name: which model of the run, if it logged several.
        stores: the URIs below which the model must be; None: anywhere in S3.

    Raises:
        InputError: there is no such experiment, metric or model, or the best run has several models.
        PreconditionError: the model's files are not in S3, or not in these stores.
    """
    rows = list(reading.runs(client, reading.experiment_id(client, experiment), where))
    finished = [row for row in rows if row.status == _FINISHED]
    if rows and not finished:
        raise InputError(f"no run of {experiment} has finished. Wait until one has, or log one.")
    compared = table.make(finished, metric, maximize=maximize)
    without: list[str] = []
    for row in compared.rows:
        # NaN cannot be ranked.
        if row.score(metric) is None:
            break
        uri = _model_uri(client, row.run_id, model_name)
        if uri:
            return Ranking(compared, row, find(uri, client, stores).in_run(row.run_id), tuple(without))
        without.append(row.name)
    named = f" named {model_name!r}" if model_name else ""
    raise InputError(f"no finished run of {experiment} with the metric {metric!r} logged a model{named}.")


def _model_uri(client: MlflowClient, run_id: str, model_name: str | None) -> str | None:
    """The URI of a run's model; None if it logged none (of that name)."""
    run = client.get_run(run_id)
    outputs = run.outputs.model_outputs if run.outputs else []
    logged = [client.get_logged_model(output.model_id) for output in outputs]
    found: dict[str, str] = {}
    # If several models have one name, such as the checkpoints of a training, the newest counts.
    for model in sorted(logged, key=lambda model: int(model.creation_timestamp)):
        found[str(model.name)] = f"models:/{model.model_id}"
    for path in _logged_by_mlflow_2(run.data.tags):
        found.setdefault(path, f"runs:/{run_id}/{path}")
    if model_name:
        return found.get(model_name)
    if len(found) > 1:
        raise InputError(
            f"the run {run_id} logged several models ({', '.join(sorted(found))}). Choose one with --model-name."
        )
    return next(iter(found.values()), None)


def _logged_by_mlflow_2(tags: dict[str, str]) -> list[str]:
    try:
        history = json.loads(tags.get(_HISTORY, "[]"))
        return [str(entry["artifact_path"]) for entry in history if entry.get("artifact_path")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []
