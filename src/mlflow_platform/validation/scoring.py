"""Compares an endpoint's predictions with the truth, and computes the metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.validation import classes as classification
from mlflow_platform.validation import tasks
from mlflow_platform.validation.classes import Classes
from mlflow_platform.validation.invocation import Answers
from mlflow_platform.validation.predictions import Predictions
from mlflow_platform.validation.rows import Rows, Task
from mlflow_platform.validation.signature import Signature
from mlflow_platform.validation.table import listed, quoted
from mlflow_platform.validation.values import UnusableError, as_float, number_in

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# The main metric of each task: a threshold without a name applies to it.
JUDGED_BY: Mapping[Task, str] = {"classification": "accuracy", "regression": "r2"}
# From this share of rows on, predictions of classes that the truth lacks are more than rare classes.
_MANY_UNKNOWN = 0.1


@dataclass(frozen=True)
class Probabilities:
    """Probabilities in an array of rows by classes. `classes` has each column's class; a row without any is NaN."""

    classes: Sequence[int]
    values: Array


@dataclass(frozen=True)
class Validation:
    """An endpoint's answers compared with the truth.

    Attributes:
        task: classification or regression.
        truth, predicted: one value per row, for people to read. In a regression they are floats.
        metrics: named as they are logged.
        classes: truth and predictions as classes; None for a regression.
        probabilities: of the classes, where the model predicts them; their classes are those of `classes`.
    """

    rows: Rows
    answers: Answers
    task: Task
    truth: Sequence[Any]
    predicted: Sequence[Any]
    metrics: Mapping[str, float]
    classes: Classes | None = None
    probabilities: Probabilities | None = None

    @property
    def judged_by(self) -> str:
        """The main metric of the task: a threshold without a name applies to it."""
        return JUDGED_BY[self.task]

    @property
    def notes(self) -> Sequence[str]:
        """Sentences that a reader must know to trust the metrics."""
        return self.classes.notes if self.classes else ()

    @property
    def wrong(self) -> Sequence[int]:
        """The numbers (from 0) of the rows that a classification predicted wrongly."""
        if self.classes is None:
            return ()
        pairs = zip(self.classes.truth, self.classes.predicted, strict=True)
        return [number for number, (true, predicted) in enumerate(pairs) if true != predicted]


def compare(rows: Rows, answers: Answers) -> Validation:
    """Score an endpoint's answers against the truth.

    Raises:
        InputError: truth and predictions cannot be compared.
        PlatformError: a regression's predictions are missing (null, NaN) or infinite.
    """
    task = tasks.decide(rows, answers.predictions)
    if task == "classification":
        return _classification(rows, answers)
    return _regression(rows, answers)


def latency(answers: Answers) -> dict[str, float]:
    """Percentiles of the requests' durations, in milliseconds, and requests per second; empty if none were timed."""
    import numpy as np

    if not answers.durations:
        return {}

    p50, p95, p99 = np.percentile(np.asarray(answers.durations) * 1000, [50, 95, 99])
    found = {"latency_p50_ms": float(p50), "latency_p95_ms": float(p95), "latency_p99_ms": float(p99)}
    if answers.elapsed > 0:
        found["requests_per_second"] = len(answers.durations) / answers.elapsed
    return found


def _classification(rows: Rows, answers: Answers) -> Validation:
    import numpy as np
    from sklearn import metrics

    if _are_texts_classes(rows, answers.predictions):
        rows = replace(rows, truth=rows.texts)
    predicted, names, vectors = _as_classes(rows, answers.predictions)
    # Align the class names together with the predictions, so that both have the same numbers.
    stated = names or rows.signature.class_names
    aligned = classification.align(rows.truth, [*predicted, *names], target=rows.target, stated=stated)
    classes = _with_note_on_unknown(replace(aligned, predicted=aligned.predicted[: len(rows)]), rows.target)
    probabilities = None
    if vectors is not None:
        numbers = aligned.predicted[len(rows) :]
        _check_names(rows, names, numbers, aligned.known)
        probabilities = Probabilities(numbers, vectors)
    labels = sorted({*classes.truth, *classes.predicted} - {-1})
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        classes.truth, classes.predicted, labels=labels, average="macro", zero_division=0
    )
    scores = {
        "accuracy": float(np.mean(np.asarray(classes.truth) == np.asarray(classes.predicted))),
        "f1_macro": float(f1),
        "precision_macro": float(precision),
        "recall_macro": float(recall),
    }
    area = roc_auc(classes, probabilities) if probabilities else None
    if area is not None:
        scores["roc_auc"] = area
    if answers.predictions.missing:
        scores["missing_predictions"] = float(answers.predictions.missing)
    scores |= {**latency(answers), "rows": float(len(rows))}
    shown = [*classes.names, classification.NO_PREDICTION]
    return Validation(
        rows=rows,
        answers=answers,
        task="classification",
        truth=[shown[number] for number in classes.truth],
        predicted=[shown[number] for number in classes.predicted],
        metrics=scores,
        classes=classes,
        probabilities=probabilities,
    )


def _with_note_on_unknown(classes: Classes, target: str) -> Classes:
    """The classes, with a note if the truth seems to name them otherwise than the model.

    It does if many predictions are classes that the truth lacks, while some of its classes are never predicted.
    """
    unknown = [number for number in classes.predicted if number >= classes.known]
    unused = sorted(set(range(classes.known)) - set(classes.predicted))
    if not unknown or not unused or len(unknown) < _MANY_UNKNOWN * len(classes.truth):
        return classes
    guessed, true = (listed([classes.names[number] for number in each]) for each in (sorted(set(unknown)), unused))
    note = (
        f"{len(unknown)} of {len(classes.truth)} rows are predicted as classes that the truth in {target!r} does not "
        f"have ({guessed}), and some of its classes are never predicted ({true}). Check that both have the same names."
    )
    return replace(classes, notes=(*classes.notes, note))


def _are_texts_classes(rows: Rows, predictions: Predictions) -> bool:
    """Whether texts of the truth that are one number, such as `1.1` and `1.10`, are different classes.

    They are if the model predicts text, and one of its predictions is such a text. Else the truth is numbers.
    """
    present = [value for value in predictions.values if value is not None]
    is_text = all(isinstance(value, str) for value in present)
    if not rows.texts or not is_text or classification.kind_of(rows.truth) != "number":
        return False
    written: dict[Any, set[str]] = {}
    for value, text in zip(rows.truth, rows.texts, strict=True):
        written.setdefault(value, set()).add(text)
    return any(len(texts) > 1 and not texts.isdisjoint(present) for texts in written.values())


def _as_classes(rows: Rows, predictions: Predictions) -> tuple[Sequence[Any], Sequence[Any], Array | None]:
    """The predicted class of each row; and the classes' names and probabilities, where the model gives these."""
    import numpy as np

    if predictions.is_vector:
        count = len(next(value for value in predictions.values if value is not None))
        names = _class_names(rows, predictions, count)
        vectors = np.asarray([value or [math.nan] * count for value in predictions.values], dtype=float)
        most = [None if np.isnan(row).any() else names[int(np.argmax(row))] for row in vectors]
        return most, names, vectors
    if not _are_chances(rows, predictions):
        return predictions.values, (), None
    chances = np.asarray([math.nan if value is None else float(value) for value in predictions.values])
    predicted = [None if math.isnan(chance) else int(chance >= 0.5) for chance in chances]
    return predicted, (0, 1), np.column_stack([1 - chances, chances])


def _check_names(rows: Rows, names: Sequence[Any], numbers: Sequence[int], known: int) -> None:
    if len(set(numbers)) < len(numbers):
        raise InputError(f"two of the model's probabilities are of the same class: {listed(names)}")
    if min(numbers) >= known:
        raise InputError(
            f"the model predicts probabilities of {listed(names)}, and the truth in {rows.target!r} (as "
            f"{quoted(rows.truth[0])}) is none of these: name the classes with --classes NAME,NAME,…"
        )


def _are_chances(rows: Rows, predictions: Predictions) -> bool:
    """Whether predictions are probabilities of class 1: numbers between 0 and 1, where the truth is 0 or 1."""
    is_binary = all((number_in(value) if isinstance(value, str) else value) in (0, 1) for value in rows.truth)
    return is_binary and predictions.may_be_chances


def _class_names(rows: Rows, predictions: Predictions, count: int) -> Sequence[Any]:
    """The classes' names: from --classes or the model's metadata, the answer, or the signature; else 0, 1, …

    Raises:
        InputError: there are no names and the truth does not show that they are 0, 1, …; or the number of names is
            wrong.
    """
    names: Sequence[Any] = stated_names(predictions, rows.signature, count)
    if not names and _are_numbered(rows.truth, count):
        names = range(count)
    if not names:
        raise InputError(
            f"the model predicts {count} probabilities per row without the names of the classes, and the truth in "
            f"{rows.target!r} does not show that they are 0 to {count - 1}: name them with --classes NAME,NAME,…, or "
            "in the model's metadata (`classes`)"
        )
    if len(names) != count:
        raise InputError(
            f"the model predicts {count} probabilities per row, and {len(names)} classes are named: {listed(names)}"
        )
    return names


def stated_names(predictions: Predictions, signature: Signature, count: int) -> Sequence[str]:
    """The names of `count` classes: from --classes or the model's metadata, the answer, or the signature; else empty.

    The names 0, 1, … in this order say nothing: pandas gives them to columns without names.
    """
    if given := signature.class_names:
        # Also where the answer has names of its own, such as `p_a` for the class `a`.
        return predictions.names if set(given) == set(predictions.names) else given
    outputs = [column.name for column in signature.outputs if column.name is not None]
    positions = [str(number) for number in range(count)]
    found = (predictions.names, outputs if len(outputs) == count else [])
    return next((names for names in found if names and list(names) != positions), ())


def _are_numbered(truth: Sequence[Any], count: int) -> bool:
    """Whether the truth shows that the classes are 0, 1, …: it has the first, the last, and no other values.

    Truth of 1 and 2 may be of the classes 0, 1, 2 or of 1, 2, 3: their probabilities are in different columns.
    """
    numbers = {value for value in truth if isinstance(value, (int, float))}
    return len(numbers) == len(set(truth)) and {0, count - 1} <= numbers <= set(range(count))


def roc_auc(classes: Classes, probabilities: Probabilities) -> float | None:
    """The area under the ROC curve; with several classes, the mean of each against the rest. None if undefined."""
    from sklearn import metrics

    curves = [one_against_rest(classes, probabilities, number) for number in range(classes.known)]
    areas = [float(metrics.roc_auc_score(*curve)) for curve in curves if curve is not None]
    return sum(areas) / len(areas) if len(areas) == classes.known > 1 else None


def one_against_rest(classes: Classes, probabilities: Probabilities, number: int) -> tuple[Array, Array] | None:
    """For each row with a prediction: whether it is of the class, and the probability of the class.

    None if the curve is undefined: the class has no probabilities, no rows or all rows.
    """
    import numpy as np

    if number not in probabilities.classes:
        return None
    chances = probabilities.values[:, list(probabilities.classes).index(number)]
    present = ~np.isnan(chances)
    positive = np.asarray(classes.truth)[present] == number
    if positive.all() or not positive.any():
        return None
    return positive, chances[present]


def _regression(rows: Rows, answers: Answers) -> Validation:
    import numpy as np
    from sklearn import metrics

    truth = np.asarray([_number(value, f"the truth in {rows.target!r}") for value in rows.truth])
    predicted = np.asarray(_predicted_numbers(answers.predictions))
    scores: dict[str, float] = {}
    with np.errstate(over="ignore", invalid="ignore"):
        # R² compares the errors with those of the mean, which are zero if all rows have the same truth.
        if np.ptp(truth) > 0:
            scores["r2"] = float(metrics.r2_score(truth, predicted))
        scores["rmse"] = float(metrics.root_mean_squared_error(truth, predicted))
        scores["mae"] = float(metrics.mean_absolute_error(truth, predicted))
    scores |= {**latency(answers), "rows": float(len(rows))}
    if bad := next((name for name, value in scores.items() if not math.isfinite(value)), None):
        raise PlatformError(f"{bad} is beyond what a floating-point number holds: the predictions are too far off")
    return Validation(rows, answers, "regression", truth.tolist(), predicted.tolist(), scores)


def _predicted_numbers(predictions: Predictions) -> list[float]:
    if predictions.is_vector:
        count = len(next(value for value in predictions.values if value is not None))
        raise InputError(f"the model predicts {count} numbers per row, and a regression needs one")
    if predictions.missing:
        raise PlatformError(
            f"the model predicts nothing (null or NaN) for {predictions.missing} of {len(predictions)} rows, and a "
            "regression cannot be scored without them"
        )
    numbers = [_number(value, "the predictions") for value in predictions.values]
    infinite = sum(math.isinf(number) for number in numbers)
    if infinite:
        raise PlatformError(f"the model predicts infinity for {infinite} of {len(numbers)} rows")
    return numbers


def _number(value: Any, what: str) -> float:
    try:
        return as_float(int(value) if isinstance(value, bool) else value)
    except UnusableError:
        raise InputError(f"{what} are not numbers (as {quoted(value)}): give --task classification") from None
