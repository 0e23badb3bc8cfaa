"""Write a finished training to MLflow: parameters, metrics, data sets, held-out rows and the model.

It talks to the tracking URI that MLflow has at that moment and costs about a dozen requests however long the
metrics' histories are: they travel in one batch, as the run's parameters and tags do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from training import models

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric

    from training.train import Training

MODEL_NAME = "model"
EVALUATION = "evaluation"
HELD_OUT = f"{EVALUATION}/held_out.csv"
TARGET_TAG = "evaluation.target"
TASK_TAG = "evaluation.task"

# A log-batch request takes at most this many entities in all (MLflow REST API, "Request limits").
_BATCH_LIMIT = 1000

Draw = Callable[["Training", Path], None]


@dataclass(frozen=True)
class Recorded:
    """Where a training was written: its run, and the model logged in it."""

    run_id: str
    experiment_id: str
    model_id: str
    model_uri: str


def record(
    training: Training,
    *,
    experiment_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    draw: Draw | None = None,
) -> Recorded:
    """Create a run (or take up the one that `mlflow run` has created) and write everything into it.

    `draw` may add files, such as charts, to the folder that becomes the run's `evaluation/` artifacts.

    Raises:
        mlflow.exceptions.MlflowException: when the server refuses; the run is then marked as failed.
    """
    import mlflow

    client = mlflow.MlflowClient()
    run_tags = {TARGET_TAG: training.split.target, TASK_TAG: training.fitted.task, **(tags or {})}
    with mlflow.start_run(experiment_id=experiment_id) as run:
        run_id = run.info.run_id
        _log_batches(client, run_id, training, run_tags)
        client.log_inputs(run_id, list(_inputs(training)))
        with TemporaryDirectory() as folder:
            evaluation = Path(folder, EVALUATION)
            evaluation.mkdir()
            training.split.held_out.to_csv(Path(folder, HELD_OUT), index=False)
            if draw:
                draw(training, evaluation)
            client.log_artifacts(run_id, folder)
        model = _log_model(training)
    return Recorded(run_id, run.info.experiment_id, model.model_id, model.model_uri)


def _log_batches(client: Any, run_id: str, training: Training, tags: Mapping[str, str]) -> None:
    from mlflow.entities import Param, RunTag

    metrics = list(_metrics(training))
    params = [Param("dataset", training.dataset)]
    params += [Param(name, value) for name, value in training.params.as_strings().items()]
    run_tags = [RunTag(name, value) for name, value in tags.items()]
    first = _BATCH_LIMIT - len(params) - len(run_tags)
    client.log_batch(run_id, metrics=metrics[:first], params=params, tags=run_tags)
    for start in range(first, len(metrics), _BATCH_LIMIT):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH_LIMIT])


def _metrics(training: Training) -> Iterator[Metric]:
    """Each metric's history, then the final scores that have none, at the history's last step."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    history = training.fitted.history
    for name, points in history.items():
        for step, value in points:
            yield Metric(name, value, now, step)
    last = max(step for points in history.values() for step, _ in points)
    for name, value in training.metrics.items():
        if name not in history:
            yield Metric(name, value, now, last)


def _inputs(training: Training) -> Iterator[DatasetInput]:
    from mlflow.data import from_pandas
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.entities import DatasetInput, InputTag

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
    from mlflow.models import infer_signature

    import mlflow

    fitted, split = training.fitted, training.split
    features = split.features(split.held_out)
    common = {
        "name": MODEL_NAME,
        "signature": infer_signature(features, training.predictions),
        "input_example": features.head(3),
        "pip_requirements": models.requirements(fitted.flavor),
    }
    if fitted.flavor == "sklearn":
        return mlflow.sklearn.log_model(fitted.model, skops_trusted_types=models.TRUSTED_TYPES, **common)
    return mlflow.xgboost.log_model(fitted.model, **common)
