"""Train a model on a data set that ships with scikit-learn, and log it to MLflow.

Scripts and tests call `train`. As a program (`python training/train.py --dataset iris`, or `mlflow run training`) it
logs to the server in MLFLOW_TRACKING_URI, as every MLflow project does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from training import data, models
from training.params import DATASETS, DEFAULTS, BoostParams, Dataset, ForestParams, Params, with_changes
from training.result import Training

if TYPE_CHECKING:
    import numpy as np


def train(dataset: Dataset, params: Params | None = None) -> Training:
    """Train on a data set. Without parameters, its default ones are used.

    Raises:
        TypeError: the parameters belong to the other data set's model.
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
    return Training(dataset, params, split, fitted, predictions, score(fitted.task, split, predictions))


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

    # Imports MLflow, which takes seconds: not for --help or a wrong parameter.
    from training.record import record

    training = train(options.dataset, params)
    recorded = record(training)
    for name, value in training.metrics.items():
        sys.stdout.write(f"{name}: {value:.4f}\n")
    sys.stdout.write(f"run: {recorded.run_id}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
