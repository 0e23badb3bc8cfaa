"""The final scores of a model on held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training import data, models

if TYPE_CHECKING:
    import numpy as np


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
