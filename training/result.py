"""A finished training: its data, model, predictions and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.data import Split
from training.models import Fitted
from training.params import Params

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Training:
    """A finished training.

    Attributes:
        dataset: the data set's name.
        params: the parameters of the training.
        split: the training rows and the held-out rows.
        fitted: the model.
        predictions: one for each row of `split.held_out`.
        metrics: the final scores on these rows.
    """

    dataset: str
    params: Params
    split: Split
    fitted: Fitted
    predictions: np.ndarray[Any, Any]
    metrics: Mapping[str, float]
