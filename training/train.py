"""Train a model on a data set that ships with scikit-learn, and log it to MLflow.

Scripts and tests call `train`. As a program (`python training/train.py --dataset iris`, or `mlflow run training`) it
logs to the server in MLFLOW_TRACKING_URI, as every MLflow project does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from training import data, models
from training.params import (
    DATASETS,
    DEFAULT_FAMILIES,
    FAMILIES,
    BoostParams,
    Dataset,
    ForestParams,
    GradientBoostingParams,
    LinearParams,
    Params,
    with_changes,
)
from training.result import Training

if TYPE_CHECKING:
    import numpy as np


TASKS: Mapping[Dataset, models.Task] = {"iris": "classification", "diabetes": "regression"}


def train(dataset: Dataset, params: Params | None = None, report: models.Report | None = None) -> Training:
    """Train on a data set. Without parameters, its default ones are used.

    `report` receives each step and its held-out score, and may raise to stop the training.

    Raises:
        ValueError: the model family cannot learn the data set. The message names a family that can.
    """
    params = params or FAMILIES[DEFAULT_FAMILIES[dataset]]
    split = data.load(dataset, seed=params.seed, held_out=params.held_out)
    fitted = fit(params, split, TASKS[dataset], report or (lambda *_: None))
    predictions = fitted.model.predict(split.features(split.held_out))
    return Training(dataset, params, split, fitted, predictions, score(fitted.task, split, predictions))


def fit(params: Params, split: data.Split, task: models.Task, report: models.Report) -> models.Fitted:
    """Fit the model of the family whose parameters these are.

    Raises:
        ValueError: the family cannot learn this task. The message names a family that can.
    """
    match params:
        case ForestParams():
            return models.fit_forest(params, split, task, report)
        case GradientBoostingParams():
            return models.fit_gradient_boosting(params, split, task, report)
        case LinearParams():
            return models.fit_linear(params, split, task, report)
        case BoostParams() if task == "regression":
            return models.fit_boosted_trees(params, split, report)
    raise ValueError("the family xgboost is for regression. Use the family boosting or forest for classes.")


def score(task: models.Task, split: data.Split, predictions: np.ndarray[Any, Any]) -> dict[str, float]:
    """The final scores on the held-out rows."""
    from sklearn import metrics

    truth = split.held_out[split.target]
    if task == "classification":
        return {
            "accuracy": float(metrics.accuracy_score(truth, predictions)),
            "f1_macro": float(metrics.f1_score(truth, predictions, average="macro")),
        }
    return {
        "rmse": float(metrics.root_mean_squared_error(truth, predictions)),
        "mae": float(metrics.mean_absolute_error(truth, predictions)),
        "r2": float(metrics.r2_score(truth, predictions)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, log and print the metrics. Returns the exit status, which is 2 for a wrong parameter."""
    parser = argparse.ArgumentParser(description="Train a model and log it to MLflow (MLFLOW_TRACKING_URI).")
    parser.add_argument("--dataset", choices=DATASETS, default="iris", help="the data set (default: iris)")
    parser.add_argument("--family", choices=list(FAMILIES), help="the model family (default: the data set's)")
    parser.add_argument("--seed", type=int, help="the seed of the split and the model")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a parameter; may be repeated"
    )
    options = parser.parse_args(arguments)
    seed = [] if options.seed is None else [f"seed={options.seed}"]
    try:
        params = with_changes(FAMILIES[options.family or DEFAULT_FAMILIES[options.dataset]], [*options.set, *seed])
    except ValueError as error:
        parser.error(str(error))

    # Imports MLflow, which takes seconds: not for --help or a wrong parameter.
    from training.record import record

    try:
        training = train(options.dataset, params)
    except ValueError as error:
        parser.error(str(error))
    recorded = record(training)
    for name, value in training.metrics.items():
        sys.stdout.write(f"{name}: {value:.4f}\n")
    sys.stdout.write(f"run: {recorded.run_id}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
