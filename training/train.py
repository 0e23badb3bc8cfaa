"""Train a model on a data set that ships inside scikit-learn, and log it to MLflow.

`train` is what scripts and tests call. As a program, `python training/train.py --dataset iris` logs wherever
MLFLOW_TRACKING_URI points, as every MLflow project does, and so does `mlflow run training`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training import data, models
from training.params import DATASETS, DEFAULTS, BoostParams, Dataset, ForestParams, Params, with_changes

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Training:
    """A finished training: what went in, what came out, and how well it does on the held-out rows.

    `predictions` has one entry per row of `split.held_out`; `metrics` are the final scores on those rows.
    """

    dataset: Dataset
    params: Params
    split: data.Split
    fitted: models.Fitted
    predictions: np.ndarray[Any, Any]
    metrics: Mapping[str, float]


def train(dataset: Dataset, params: Params | None = None) -> Training:
    """Train on a data set, with its default parameters where none are given.

    Raises:
        TypeError: when the parameters belong to the other data set's model.
    """
    params = params or DEFAULTS[dataset]
    split = data.load(dataset, seed=params.seed, held_out=params.held_out)
    if dataset == "iris" and isinstance(params, ForestParams):
        fitted = models.fit_forest(params, split)
    elif dataset == "diabetes" and isinstance(params, BoostParams):
        fitted = models.fit_boosted_trees(params, split)
    else:
        raise TypeError(f"{type(params).__name__} are not the parameters of {dataset}")
    predictions = fitted.model.predict(split.features(split.held_out))
    return Training(dataset, params, split, fitted, predictions, _score(fitted.task, split, predictions))


def _score(task: models.Task, split: data.Split, predictions: np.ndarray[Any, Any]) -> dict[str, float]:
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
    """Train, log and print the metrics. Returns the exit status: 2 for a wrong parameter."""
    parser = argparse.ArgumentParser(description="Train a model and log it to MLflow (MLFLOW_TRACKING_URI).")
    parser.add_argument("--dataset", choices=DATASETS, default="iris", help="the data set (default: iris)")
    parser.add_argument("--seed", type=int, help="the seed of the split and the model")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a parameter; may be repeated"
    )
    options = parser.parse_args(arguments)
    seed = [] if options.seed is None else [f"seed={options.seed}"]
    try:
        params = with_changes(DEFAULTS[options.dataset], [*options.set, *seed])
    except ValueError as error:
        parser.error(str(error))

    from training.record import record

    training = train(options.dataset, params)
    recorded = record(training)
    for name, value in training.metrics.items():
        sys.stdout.write(f"{name}: {value:.4f}\n")
    sys.stdout.write(f"run: {recorded.run_id}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
