"""Decides how a loaded model's requests are predicted: together, or by MLflow's application alone."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
from mlflow.types import DataType

from mlflow_serving.batching import Predict, is_row_wise
from mlflow_serving.tables import TableReader

# Flavors whose models predict each row by itself and without side effects. A custom model may do anything.
ROW_WISE_LOADERS = frozenset({"mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost"})
_PROBED_ROWS = 5


def predictor(model: Any, reader: TableReader | None, *, batching: bool) -> tuple[Predict | None, str]:
    """The function that predicts frames of `reader`, or None and the reason why MLflow's application does it.

    Args:
        model: an `mlflow.pyfunc.PyFuncModel`.
        batching: whether the operator allows it.
    """
    if not batching:
        return None, "it is switched off"
    if reader is None:
        return None, "the signature is not a table of numbers, booleans and strings"
    if model.loader_module not in ROW_WISE_LOADERS:
        return None, f"models of {model.loader_module} are not known to predict each row by itself"
    predict = _direct(model)
    if not is_row_wise(predict, _probe(model, reader)):
        return None, "the model does not predict each row by itself"
    return predict, ""


def _direct(model: Any) -> Predict:
    """The model's own predict function: frames of a `TableReader` already have the signature's columns and types."""
    function = getattr(model, "_predict_fn", None)
    if function is None:
        return lambda frame: model.predict(frame)
    parameter = inspect.signature(function).parameters.get("params")
    if parameter and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
        return lambda frame: function(frame, params=None)
    return lambda frame: function(frame)


def _probe(model: Any, reader: TableReader) -> pd.DataFrame:
    """A few different rows: the input example if there is one, else values of the columns' types."""
    example = getattr(model, "input_example", None)
    if isinstance(example, pd.DataFrame) and len(example) > 1 and list(example.columns) == reader.names:
        return example.head(_PROBED_ROWS).reset_index(drop=True)
    random = np.random.default_rng(0)
    return pd.DataFrame({name: _values(kind, random) for name, kind in zip(reader.names, reader.types, strict=True)})


def _values(kind: DataType, random: np.random.Generator) -> Any:
    if kind is DataType.double:
        return random.normal(scale=10, size=_PROBED_ROWS)
    if kind is DataType.boolean:
        return random.integers(2, size=_PROBED_ROWS).astype(bool)
    if kind is DataType.string:
        return [f"value {number}" for number in range(_PROBED_ROWS)]
    return random.integers(10, size=_PROBED_ROWS).astype(np.int64 if kind is DataType.long else np.int32)
