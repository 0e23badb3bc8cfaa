"""Trains on a table of your own: a CSV, JSON or Parquet file with the target in one column.

The model is a random forest. Numbers are used as they are, missing ones too. Text is encoded as one column for each of
its 50 most frequent values; missing text is the empty text. Text, booleans and up to 20 different whole numbers are
classes, other numbers are a regression.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError
from mlflow_platform.validation import files, rows, tasks
from mlflow_platform.validation.predictions import Predictions
from mlflow_platform.validation.signature import Signature
from mlflow_platform.validation.table import Table, quoted
from mlflow_platform.validation.values import as_text, looks_numeric
from training import models
from training.checks import LARGEST, decorated
from training.data import Split
from training.params import ForestParams
from training.result import Training
from training.scores import score, too_large

if TYPE_CHECKING:
    import pandas as pd

_FEWEST_ROWS = 10
_MOST_VALUES = 50
_LARGEST_INTEGER = 2**63
# A column in which this share of the values are numbers, and more than so many different ones, is one of numbers.
_MOST_NUMBERS, _MOST_CODES = 0.8, 20


def train(path: Path, target: str, params: ForestParams, report: models.Report | None = None) -> Training:
    """Train on a file.

    `report` receives each step and its held-out score, and may raise to stop the training.

    Raises:
        InputError: the file cannot be read or used; see `task_of`.
        DivergedError: a score is NaN or infinite.
    """
    prepared, task = _read(path, target)
    frame = _frame(prepared)
    if task == "regression" and (problem := too_large(frame[target])):
        raise InputError(f"{path.name}: {problem}")
    split = _split(frame, target, task, params, str(path))
    fitted = _fit(split, task, params, report or (lambda *_: None))
    predictions = fitted.model.predict(split.features(split.held_out))
    return Training(path.stem, params, split, fitted, predictions, score(task, split, predictions))


def task_of(path: Path, target: str) -> models.Task:
    """Whether the column of a file is to be classified or predicted as a number.

    Raises:
        InputError: the file cannot be read or used; see `files.read` and `rows.prepare`. Or it has fewer than 10 rows,
            only one class, or a column of lists or objects.
    """
    return _read(path, target)[1]


def _read(path: Path, target: str) -> tuple[rows.Rows, models.Task]:
    table = files.read(path, target)
    prepared = rows.prepare(_with_times_as_text(table), target, task=None, signature=Signature(), origin=str(path))
    prepared = replace(prepared, features={name: _as_written(table, name, prepared) for name in prepared.features})
    if len(prepared) < _FEWEST_ROWS:
        raise InputError(f"{path.name} has {len(prepared)} rows. Training needs at least {_FEWEST_ROWS}.")
    for name, values in prepared.features.items():
        if any(isinstance(value, (list, dict)) for value in values):
            raise InputError(f"the column {name!r} holds lists or objects: training takes numbers, booleans and text")
        _check_numbers(path, name, values)
        _check_finite(path, name, values)
    for name, values in {**prepared.features, target: prepared.truth}.items():
        _check_name_and_text(path, name, values)
    _check_numbers(path, target, prepared.truth)
    task = tasks.decide(prepared, Predictions(prepared.truth))
    if len(set(prepared.truth)) < 2:
        what = "class" if task == "classification" else "value"
        raise InputError(f"every row of {path.name} has the same {what} in {target!r}: there is nothing to learn.")
    return prepared, task


def _with_times_as_text(table: Table) -> Table:
    """The table with times and dates in the form in which validation sends them to a model that takes text."""
    columns = {
        name: [as_text(value) if isinstance(value, date) else value for value in values]
        for name, values in table.columns.items()
    }
    return replace(table, columns=columns)


def _as_written(table: Table, name: str, prepared: rows.Rows) -> Sequence[Any]:
    """A feature; as a CSV file writes it if it is booleans and missing values, which become a column of text."""
    values = prepared.features[name]
    is_text = table.is_text and None in values and any(isinstance(value, bool) for value in values)
    return table.columns[name] if is_text else values


def _check_numbers(path: Path, name: str, values: Sequence[Any]) -> None:
    """Refuse a column of text in which most values are numbers, or have a sign: it would be encoded as categories.

    Numbers with a leading zero are numbers here, so that a column of postal codes is none of those.

    Raises:
        InputError: naming the first other value; or see `decorated`.
    """
    present = [(row, value) for row, value in enumerate(values, 1) if value is not None and value != ""]
    others = [(row, value) for row, value in present if isinstance(value, str) and not looks_numeric(value)]
    if any(isinstance(value, str) for _, value in present) and (first := decorated(value for _, value in present)):
        raise InputError(
            f"{path.name}: {name!r} has numbers such as {first!r}: write them as 1234.5, without other characters."
        )
    numbers = {value for _, value in present} - {value for _, value in others}
    if others and len(present) - len(others) >= _MOST_NUMBERS * len(present) and len(numbers) > _MOST_CODES:
        row, value = others[0]
        raise InputError(
            f"{path.name}: most values of {name!r} are numbers, and {quoted(value)} in row {row} is none. Correct or "
            "remove it, or leave the field empty."
        )


def _check_finite(path: Path, name: str, values: Sequence[Any]) -> None:
    """Refuse infinite numbers, and those that are infinite in 32 bits: no model here can be trained on them.

    Raises:
        InputError: naming the first one.
    """
    for row, value in enumerate(values, 1):
        if isinstance(value, (int, float)) and abs(value) > LARGEST:
            what = "infinite" if abs(value) == math.inf else f"beyond {LARGEST:.2g}"
            raise InputError(
                f"{path.name}: {name!r} is {what} in row {row}. Correct or remove the row, or leave the field empty."
            )


def _check_name_and_text(path: Path, name: str, values: Sequence[Any]) -> None:
    """Refuse what the held-out rows, a CSV file, cannot hold: a column without a name, and NUL characters.

    Raises:
        InputError: naming the first row.
    """
    if not name:
        raise InputError(f"{path.name} has a column without a name. Give it one, or remove it.")
    for row, value in enumerate(values, 1):
        if isinstance(value, str) and "\0" in value:
            raise InputError(f"{path.name}: the text in row {row} of {name!r} has a NUL character. Remove it.")


def _frame(prepared: rows.Rows) -> pd.DataFrame:
    """Features as numbers, booleans or text, and last the target."""
    import numpy as np
    import pandas as pd

    truth: Any = list(prepared.truth)
    if not any(isinstance(value, str) for value in truth) and not all(isinstance(value, bool) for value in truth):
        # True and 1 are one class.
        truth = [int(value) if isinstance(value, bool) else value for value in truth]
    # Beyond 64 bits only text is exact.
    long = any(isinstance(value, int) and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER for value in truth)
    if any(isinstance(value, str) for value in truth) or (long and not any(isinstance(v, float) for v in truth)):
        truth = np.array([str(value) for value in truth], dtype=object)
    columns = {name: _feature(values) for name, values in prepared.features.items()}
    return pd.DataFrame({**columns, prepared.target: truth})


def _feature(values: Sequence[Any]) -> Any:
    import numpy as np

    present = [value for value in values if value is not None]
    if present and len(present) == len(values) and all(isinstance(value, bool) for value in values):
        return np.array(values, dtype=bool)
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in present):
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array(["" if value is None else str(value) for value in values], dtype=object)


def _split(frame: pd.DataFrame, target: str, task: models.Task, params: ForestParams, source: str) -> Split:
    from sklearn.model_selection import train_test_split

    strata = None
    if task == "classification":
        counts = frame[target].value_counts()
        smaller = min(params.held_out, 1 - params.held_out) * len(frame)
        # scikit-learn needs two rows of each class, and room for each class in both parts.
        strata = frame[target] if counts.min() >= 2 and smaller >= len(counts) else None
    train_, rest = train_test_split(frame, test_size=params.held_out, random_state=params.seed, stratify=strata)
    return Split(train_.reset_index(drop=True), rest.reset_index(drop=True), target, source)


def _fit(split: Split, task: models.Task, params: ForestParams, report: models.Report) -> models.Fitted:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    features = split.features(split.train)
    text = [name for name in features if features[name].dtype.kind not in "bf"]
    encoder = OneHotEncoder(handle_unknown="ignore", max_categories=_MOST_VALUES, sparse_output=False)
    columns = ColumnTransformer([("text", encoder, text)], remainder="passthrough").fit(features)
    forest = models.new_forest(params, task)
    inputs = [columns.transform(split.features(part)) for part in (split.train, split.held_out)]
    labels = [models.labels(part[split.target], task) for part in (split.train, split.held_out)]
    history = models.grow(forest, params, inputs, labels, task, report)
    return models.Fitted(Pipeline([("columns", columns), ("forest", forest)]), task, "sklearn", history)
