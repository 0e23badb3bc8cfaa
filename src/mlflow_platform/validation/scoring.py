"""Validation of an endpoint: rows whose truth is known are sent in batches, and the answers compared with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlflow_common.errors import InputError, PlatformError, PreconditionError, error_code, error_message

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    Values = np.ndarray[Any, Any]

Task = Literal["classification", "regression"]
Seconds = Callable[[], float]

# The metric that a threshold is held against.
JUDGED_BY: Mapping[Task, str] = {"classification": "accuracy", "regression": "r2"}
# More kinds of a number than this are not classes.
_MOST_CLASSES = 20
_SHOWN = 300
# MLflow's scoring server repeats the rows and the schema before it says what is wrong with them.
_PREFACES = (
    re.compile(r"^Failed to predict data .*?\nError: ", re.DOTALL),
    re.compile(r"^Failed to enforce schema of data .*? with schema .*?\. Error: ", re.DOTALL),
)


@dataclass(frozen=True)
class Rows:
    """Rows whose truth is known: features and the target column in one frame. `origin` says where they are from."""

    frame: pd.DataFrame
    target: str
    task: Task
    origin: str

    @property
    def features(self) -> pd.DataFrame:
        """The rows without their truth."""
        return self.frame.drop(columns=self.target)


@dataclass(frozen=True)
class Answers:
    """What an endpoint answered: a prediction per row, and each request's duration in seconds."""

    predictions: Values
    durations: Values


@dataclass(frozen=True)
class Validation:
    """An endpoint's answers compared with the truth. `metrics` are named as they are logged."""

    rows: Rows
    truth: Values
    answers: Answers
    metrics: Mapping[str, float]

    @property
    def judged_by(self) -> str:
        """The name of the metric that a threshold is held against."""
        return JUDGED_BY[self.rows.task]

    def passes(self, threshold: float | None) -> bool:
        """Whether that metric reaches the threshold; without one, any result does."""
        return threshold is None or self.metrics[self.judged_by] >= threshold


def task_named(text: str | None) -> Task | None:
    """The task of that name, or None."""
    return next((task for task in JUDGED_BY if task == text), None)


def read(path: Path, target: str, *, task: Task | None, origin: str) -> Rows:
    """Read rows with their truth from a CSV file. A task that is not given is told by the truth.

    Raises:
        InputError: no such file, no CSV, no rows, no such column, or rows whose truth is missing.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} cannot be read as CSV: {str(error).strip().splitlines()[0]}") from None
    if target not in frame.columns:
        raise InputError(f"{path.name} has no column {target!r} to compare with (it has: {', '.join(map(str, frame))})")
    if frame.empty:
        raise InputError(f"{path.name} has no rows")
    if missing := int(frame[target].isna().sum()):
        raise InputError(f"{path.name} lacks the truth (column {target!r}) in {missing} of {len(frame)} rows")
    return Rows(frame, target, task or _guess(frame[target]), origin)


def _guess(truth: pd.Series[Any]) -> Task:
    """Classification for names and for a few whole numbers, regression for any other numbers."""
    from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype

    if not is_numeric_dtype(truth) or is_bool_dtype(truth):
        return "classification"
    return "regression" if is_float_dtype(truth) or truth.nunique() > _MOST_CLASSES else "classification"


def ask(
    runtime: SageMakerRuntimeClient, endpoint: str, features: pd.DataFrame, *, batch_size: int, seconds: Seconds
) -> Answers:
    """Have an endpoint predict rows, `batch_size` at a time.

    Raises:
        InputError: the container refuses the rows, as when a column is missing.
        PlatformError: it fails on them, or answers with something else than a prediction per row.
        PreconditionError: there is no such endpoint, or it does not serve.
    """
    import numpy as np

    predictions: list[Any] = []
    durations: list[float] = []
    for start in range(0, len(features), batch_size):
        batch = features.iloc[start : start + batch_size]
        body = json.dumps({"dataframe_split": _split(batch)})
        began = seconds()
        answer = _invoke(runtime, endpoint, body)
        durations.append(seconds() - began)
        predictions += _predictions(answer, endpoint, expected=len(batch))
    return Answers(np.asarray(predictions), np.asarray(durations))


def compare(rows: Rows, answers: Answers) -> Validation:
    """Score an endpoint's answers against the truth.

    Raises:
        InputError: truth or predictions are no numbers, so that the task cannot be regression.
    """
    import numpy as np
    from sklearn import metrics

    truth, predicted = rows.frame[rows.target].to_numpy(), answers.predictions
    scores: dict[str, float]
    if rows.task == "classification":
        # Classes are compared by name: JSON and CSV may disagree on whether 1 is a number.
        truth, predicted = truth.astype(str), predicted.astype(str)
        scores = {
            "accuracy": float(metrics.accuracy_score(truth, predicted)),
            "f1_macro": float(metrics.f1_score(truth, predicted, average="macro", zero_division=0)),
        }
    else:
        try:
            truth, predicted = truth.astype(float), predicted.astype(float)
        except ValueError:
            raise InputError(f"{rows.target} or its predictions are no numbers: give --task classification") from None
        scores = {
            "r2": float(metrics.r2_score(truth, predicted)),
            "rmse": float(metrics.root_mean_squared_error(truth, predicted)),
            "mae": float(metrics.mean_absolute_error(truth, predicted)),
        }
    p50, p95 = np.percentile(answers.durations * 1000, [50, 95])
    scores |= {"latency_p50_ms": float(p50), "latency_p95_ms": float(p95), "rows": float(len(rows.frame))}
    return Validation(rows, truth, Answers(predicted, answers.durations), scores)


def _split(batch: pd.DataFrame) -> dict[str, Any]:
    # JSON has no NaN; MLflow reads null as one.
    values = batch.astype(object).where(batch.notna(), None)
    return {"columns": list(batch.columns), "data": values.to_numpy().tolist()}


def _invoke(runtime: SageMakerRuntimeClient, endpoint: str, body: str) -> bytes:
    try:
        answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body)
        return answer["Body"].read()
    except runtime.exceptions.ModelError as error:
        response: dict[str, Any] = dict(error.response)
        status = int(response.get("OriginalStatusCode", 0))
        said = _container_message(str(response.get("OriginalMessage", "")))
        if 400 <= status < 500:
            raise InputError(f"the model refuses the rows: {said}") from None
        raise PlatformError(f"the model fails on the rows (HTTP {status}): {said}") from None
    except runtime.exceptions.ClientError as error:
        if error_code(error) == "ValidationError" and "not found" in error_message(error).lower():
            raise PreconditionError(f"there is no endpoint {endpoint} that serves") from None
        raise


def _container_message(text: str) -> str:
    """What a container said, on one line and without the rows it was said of. MLflow's says it in JSON."""
    try:
        said = json.loads(text)
        text = str(said.get("message", text)) if isinstance(said, dict) else text
    except json.JSONDecodeError:
        pass
    for preface in _PREFACES:
        text = preface.sub("", text)
    line = " ".join(text.split()) or "it gives no reason"
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"


def _predictions(answer: bytes, endpoint: str, *, expected: int) -> list[Any]:
    try:
        found = json.loads(answer)
        predictions = found["predictions"] if isinstance(found, dict) else found
    except (json.JSONDecodeError, KeyError, UnicodeDecodeError):
        raise PlatformError(f"{endpoint} answers with something else than MLflow's predictions") from None
    if not isinstance(predictions, list) or len(predictions) != expected:
        raise PlatformError(f"{endpoint} does not answer with one prediction per row ({expected} rows were sent)")
    # A model that returns a table answers with records of one column.
    return [next(iter(row.values())) if isinstance(row, dict) and len(row) == 1 else row for row in predictions]
