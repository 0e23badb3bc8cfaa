"""Write a finished training to MLflow: parameters, metrics, data sets, held-out rows and the model.

It logs to the global tracking URI of MLflow, in about a dozen requests: the metrics with their histories, the
parameters and the tags of a run are sent in one batch. Import this module only when the work starts: it imports MLflow
and the libraries that MLflow saves models with, which takes seconds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# MLflow imports git, skops and its scoring server itself, but only when it first logs a model.
import git  # noqa: F401
import mlflow
import mlflow.pyfunc.scoring_server
import mlflow.sklearn
import mlflow.xgboost
import pandas as pd
import skops.io  # noqa: F401 MLflow would import it while the logging is timed
from mlflow.data import from_pandas
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.models import infer_signature

from training import models
from training.result import Training

MODEL_NAME = "model"
EVALUATION = "evaluation"
HELD_OUT = f"{EVALUATION}/held_out.csv"
# What monitoring compares captured requests and predictions with.
TRAINING_ROWS = f"{EVALUATION}/training.csv"
HELD_OUT_PREDICTIONS = f"{EVALUATION}/held_out_predictions.csv"
TARGET_TAG = "evaluation.target"
TASK_TAG = "evaluation.task"

# A log-batch request takes at most this many entities in all (MLflow REST API, "Request limits").
_BATCH_LIMIT = 1000


@dataclass(frozen=True)
class Recorded:
    """A logged training: its run, and the model that was logged in the run."""

    run_id: str
    experiment_id: str
    model_id: str
    model_uri: str


def record(
    training: Training,
    *,
    experiment_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    charts: Path | None = None,
) -> Recorded:
    """Log everything to a new run, or to the run that `mlflow run` has created.

    The files in the folder `charts`, if one is given, become artifacts in `evaluation/` beside the held-out rows.

    Raises:
        mlflow.exceptions.MlflowException: the server refuses a request. The run is then marked as failed.
    """
    client = mlflow.MlflowClient()
    run_tags = {TARGET_TAG: training.split.target, TASK_TAG: training.fitted.task, **(tags or {})}
    with mlflow.start_run(experiment_id=experiment_id) as run:
        run_id = run.info.run_id
        # The model comes first: logging it reads the history of every metric that the run has by then.
        model = _log_model(training)
        # `mlflow run` has logged the entry point's parameters, among them `dataset` with its default.
        given = run.data.params
        params = {name: value for name, value in _params(training).items() if given.get(name, value) == value}
        _log_batches(client, run_id, training, params, run_tags, model.model_id)
        client.log_inputs(run_id, list(_inputs(training)))
        with TemporaryDirectory() as folder:
            evaluation = Path(folder, EVALUATION)
            evaluation.mkdir()
            if charts:
                shutil.copytree(charts, evaluation, dirs_exist_ok=True)
            predictions = pd.DataFrame({"prediction": training.predictions})
            tables = {HELD_OUT: training.split.held_out, TRAINING_ROWS: training.split.train}
            for name, rows in {**tables, HELD_OUT_PREDICTIONS: predictions}.items():
                # With this line end, a carriage return in a text is quoted.
                rows.to_csv(Path(folder, name), index=False, lineterminator="\r\n")
            client.log_artifacts(run_id, folder)
    return Recorded(run_id, run.info.experiment_id, model.model_id, model.model_uri)


def save(recorded: Recorded, folder: Path) -> None:
    """Write the logged model's files into a folder, so that what is evaluated is what is registered."""
    folder.mkdir(parents=True, exist_ok=True)
    mlflow.artifacts.download_artifacts(recorded.model_uri, dst_path=str(folder))


def _params(training: Training) -> dict[str, str]:
    return {"dataset": training.dataset, **training.params.as_strings()}


def _log_batches(
    client: mlflow.MlflowClient,
    run_id: str,
    training: Training,
    values: Mapping[str, str],
    tags: Mapping[str, str],
    model_id: str,
) -> None:
    metrics = list(_metrics(training, model_id))
    params = [Param(name, value) for name, value in values.items()]
    run_tags = [RunTag(name, value) for name, value in tags.items()]
    first = _BATCH_LIMIT - len(params) - len(run_tags)
    client.log_batch(run_id, metrics=metrics[:first], params=params, tags=run_tags)
    for start in range(first, len(metrics), _BATCH_LIMIT):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH_LIMIT])


def _metrics(training: Training, model_id: str) -> Iterator[Metric]:
    """Each metric's history, then the final scores without a history. Those of the last step are the model's too."""
    now = int(time.time() * 1000)
    history = training.fitted.history
    last = max(step for points in history.values() for step, _ in points)
    for name, points in history.items():
        for step, value in points:
            yield Metric(name, value, now, step, model_id=model_id if step == last else None)
    for name, value in training.metrics.items():
        if name not in history:
            yield Metric(name, value, now, last, model_id=model_id)


def _inputs(training: Training) -> Iterator[DatasetInput]:
    split = training.split
    for context, rows in (("training", split.train), ("evaluation", split.held_out)):
        dataset = from_pandas(
            rows,
            source=CodeDatasetSource({"mlflow.source.name": split.source}),
            targets=split.target,
            name=f"{training.dataset}-{context}",
        )
        yield DatasetInput(dataset._to_mlflow_entity(), [InputTag("mlflow.data.context", context)])


def _log_model(training: Training) -> Any:
    fitted, split = training.fitted, training.split
    features = split.features(split.held_out)
    common = {
        "name": MODEL_NAME,
        "params": _params(training),
        "signature": infer_signature(features, training.predictions),
        "input_example": features.head(3),
        "pip_requirements": models.requirements(fitted.flavor),
    }
    if fitted.flavor == "sklearn":
        return mlflow.sklearn.log_model(fitted.model, skops_trusted_types=models.TRUSTED_TYPES, **common)
    return mlflow.xgboost.log_model(fitted.model, **common)
