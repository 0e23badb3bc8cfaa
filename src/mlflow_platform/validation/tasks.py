"""Decides whether predictions are classes or numbers if neither the model nor an option says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow_common.errors import InputError
from mlflow_platform.validation.predictions import Predictions
from mlflow_platform.validation.rows import Rows, Task
from mlflow_platform.validation.table import quoted
from mlflow_platform.validation.values import looks_numeric, number_in

# More distinct numbers than this are not classes.
_MOST_CLASSES = 20


def decide(rows: Rows, predictions: Predictions) -> Task:
    """Return the rows' task if it is known, else decide by truth and predictions.

    Text, booleans and class probabilities mean classification. Numbers mean regression if one of them is a fraction or
    the truth has more than 20 different ones, else classification.

    Raises:
        InputError: the truth has two values, such as 0 and 1, and the predictions are fractions: these may be
            probabilities, decision values or numbers. Or the predictions are numbers, and the truth has numbers and
            other text, or numbers with a plus sign or leading zeros.
    """
    if rows.task:
        return rows.task
    present = [value for value in predictions.values if value is not None]
    if not predictions.is_vector and _are_numbers(present) and not _are_whole(present):
        _check_truth(rows, present)
    if predictions.is_vector or not _are_numbers(rows.truth) or not _are_numbers(present):
        return "classification"
    classes = set(rows.truth)
    if len(classes) > _MOST_CLASSES or not _are_whole(classes):
        return "regression"
    if _are_whole(present):
        # Truth like 1.0 and 2.0 may be either: classes, if no other number is predicted.
        floats = any(isinstance(value, float) for value in rows.truth)
        return "regression" if floats and not classes.issuperset(present) else "classification"
    if classes <= {0, 1} and all(0 <= value <= 1 for value in present):
        raise InputError(
            f"the truth in {rows.target!r} is 0 or 1 and the predictions lie between: give --task classification if "
            "they are probabilities of class 1, or --task regression"
        )
    if len(classes) == 2 < len(rows.truth):
        lower, upper = sorted(classes)
        fraction = next(value for value in present if not _are_whole([value]))
        raise InputError(
            f"the truth in {rows.target!r} has only the values {lower:g} and {upper:g}, and the predictions are "
            f"fractions (as {quoted(fraction)}): give --task regression, or let the model predict classes"
        )
    return "regression"


def _check_truth(rows: Rows, predicted: Sequence[Any]) -> None:
    """Refuse truth of numbers and a few other texts, such as `NaN`, where the model predicts fractions.

    Truth of numbers such as `+0.5` and `00.5` is text only.
    """
    texts = [value for value in rows.truth if isinstance(value, str) and number_in(value) is None]
    if texts and any(map(looks_numeric, texts)):
        raise InputError(
            f"the model predicts numbers (as {quoted(predicted[0])}), and the truth in {rows.target!r} has numbers "
            f"such as {quoted(next(filter(looks_numeric, texts)))}, which may be text: give --task regression or "
            "--task classification"
        )
    if texts and len(texts) < len(rows.truth):
        raise InputError(
            f"the model predicts numbers (as {quoted(predicted[0])}), and the truth in {rows.target!r} has numbers and "
            f"text (as {quoted(texts[0])}): remove these rows, or give --task classification"
        )


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether all are numbers. Booleans are classes."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _are_whole(values: Sequence[Any] | set[Any]) -> bool:
    return all(isinstance(value, int) or value.is_integer() for value in values)
