"""The final scores of a model on held-out rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from training import data, models

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


# What `score` computes for a regression.
ERRORS = ("rmse", "mae", "r2")


def score(task: models.Task, split: data.Split, predictions: np.ndarray[Any, Any]) -> dict[str, float]:
    """The final scores on the held-out rows.

    Raises:
        DivergedError: a score is NaN or infinite. Such a model is not comparable with any other, and is never logged.
    """
    import numpy as np
    from sklearn import metrics

    truth = split.held_out[split.target]
    if task == "classification":
        return {
            "accuracy": float(metrics.accuracy_score(truth, predictions)),
            "f1_macro": float(metrics.f1_score(truth, predictions, average="macro")),
        }
    models.check_finite(predictions)
    with np.errstate(over="ignore"):
        found = {
            "rmse": float(metrics.root_mean_squared_error(truth, predictions)),
            "mae": float(metrics.mean_absolute_error(truth, predictions)),
            "r2": float(metrics.r2_score(truth, predictions)) if len(truth) > 1 else math.nan,
        }
    for name, value in found.items():
        if not math.isfinite(value):
            advice = "Hold out more rows" if len(truth) < 2 else f"Check the parameters, or scale {split.target!r}"
            raise models.DivergedError(f"{name} is {value} on {len(truth)} held-out rows. {advice}.")
    return found


# The square of a larger number, or a sum of such squares, is beyond the largest double (1.8e308).
_LARGEST_TARGET = 1e150


def too_large(truth: pd.Series[Any]) -> str:
    """Why numbers cannot be learned: an error of one has no finite square. Empty if they can."""
    largest = float(truth.astype(float).abs().max())
    if largest <= _LARGEST_TARGET:
        return ""
    return f"{truth.name!r} has values up to {largest:.3g}, whose squared errors are infinite. Scale the column."
