"""Helpers for the tests of validation: signatures, an endpoint that parses requests as MLflow does, and scored rows."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pandas as pd

from mlflow_platform.validation import invocation, requests, scoring
from mlflow_platform.validation.invocation import Answers, Load
from mlflow_platform.validation.predictions import interpret
from mlflow_platform.validation.rows import Rows, Task
from mlflow_platform.validation.scoring import Validation
from mlflow_platform.validation.signature import NESTED, ColumnSpec, Signature

Predict = Callable[[pd.DataFrame], Any]


def columns(**types: str) -> Signature:
    """A signature of named columns. A type that ends with `?` is optional."""
    return Signature(
        inputs=tuple(ColumnSpec(name, type_.rstrip("?"), not type_.endswith("?")) for name, type_ in types.items())
    )


class Runtime:
    """A client of an endpoint whose container reads requests with MLflow's own scoring code."""

    exceptions = SimpleNamespace(ModelError=KeyError, ClientError=KeyError)

    def __init__(self, signature: Signature, predict: Predict) -> None:
        self._schema = as_mlflow(signature)
        self._predict = predict
        self.bodies: list[dict[str, Any]] = []
        self.variants: set[str | None] = set()

    def invoke_endpoint(self, **request: str) -> dict[str, Any]:
        from mlflow.models.utils import _enforce_schema
        from mlflow.pyfunc.scoring_server import NumpyEncoder, infer_and_parse_data

        self.bodies.append(json.loads(request["Body"]))
        self.variants.add(request.get("TargetVariant"))
        data = infer_and_parse_data(self.bodies[-1], self._schema)
        if self._schema is not None:
            data = _enforce_schema(data, self._schema)
        answer = json.dumps({"predictions": self._predict(data)}, cls=NumpyEncoder)
        return {"Body": io.BytesIO(answer.encode())}


def as_mlflow(signature: Signature) -> Any:
    """The signature as MLflow's own class; None if there is none."""
    from mlflow.types.schema import AnyType, ColSpec, Schema

    if not signature.inputs:
        return None
    # Only the signature's own form says what an object, array or map holds. Here it may hold anything.
    types = [AnyType() if column.type in NESTED else column.type for column in signature.inputs]
    return Schema(
        [ColSpec(type_, column.name, column.required) for type_, column in zip(types, signature.inputs, strict=True)]
    )


def ask(rows: Rows, predict: Predict, batch_size: int = 3) -> Answers:
    runtime: Any = Runtime(rows.signature, predict)
    sent = requests.make(rows, batch_size=batch_size)
    return invocation.ask(runtime, "e", sent, load=Load(), seconds=lambda: 0.0)


def rows_of(
    truth: Sequence[Any],
    task: Task | None = None,
    signature: Signature | None = None,
    features: Mapping[str, Sequence[Any]] | None = None,
) -> Rows:
    features = features or {"x": list(range(len(truth)))}
    return Rows(features, list(truth), "y", task, "a test", signature or Signature())


def answers_of(predicted: Sequence[Any], durations: Sequence[float] = (0.010, 0.020, 0.030)) -> Answers:
    return Answers(interpret(list(predicted), "e"), durations, 0.1)


def scored(
    truth: Sequence[Any], predicted: Sequence[Any], task: Task | None = None, signature: Signature | None = None
) -> Validation:
    return scoring.compare(rows_of(truth, task, signature), answers_of(predicted))
