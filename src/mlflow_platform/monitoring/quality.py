"""The quality of a model's predictions on the rows whose truth has arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlflow_common.errors import PlatformError
from mlflow_platform.validation import predictions, rows, scoring, thresholds
from mlflow_platform.validation.invocation import Answers
from mlflow_platform.validation.rows import Rows, Task
from mlflow_platform.validation.signature import Signature
from mlflow_platform.validation.table import Table
from mlflow_platform.validation.thresholds import Threshold

# The main metric of a task, by which a drop is judged.
MAIN: Mapping[Task, str] = {"classification": "accuracy", "regression": "rmse"}
_LEVEL = 0.01


@dataclass(frozen=True)
class QualityLimits:
    """When quality is too low.

    Attributes:
        rows: fewer rows with truth are not judged.
        drop: how much worse than the reference the main metric may be: accuracy by so much, RMSE by this share of it.
        thresholds: limits of single metrics. Those of another task do not apply.
    """

    rows: int = 30
    drop: float = 0.1
    thresholds: Sequence[Threshold] = ()


@dataclass(frozen=True)
class Quality:
    """The quality in a window.

    Attributes:
        rows: the captured rows. `with_truth` of them were scored.
        task: classification or regression; None if nothing was scored.
        metrics: as validation names them, without latencies.
        problem: why the rows could not be scored; empty if they were, or if there are none.
        notes: sentences that a reader must know to trust the metrics.
        failures: in what the quality is too low.
    """

    rows: int
    with_truth: int
    task: Task | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""
    notes: Sequence[str] = ()
    failures: Sequence[str] = ()

    @property
    def share(self) -> float:
        """The share of rows that have truth."""
        return self.with_truth / self.rows if self.rows else 0.0


def score(
    predicted: Sequence[Any], truth: Sequence[str], *, count: int, task: Task | None, signature: Signature
) -> Quality:
    """Score predictions against truth.

    Args:
        predicted, truth: one of each for each row with truth; the truth as text.
        count: the rows of the window, with and without truth.
        task, signature: of the model, where known.
    """
    if not truth:
        return Quality(count, 0)
    try:
        found = predictions.interpret(predicted, "the endpoint")
        table = Table("the truth", {"truth": list(truth)}, is_text=True)
        values = rows.read_truth(table, "truth", task, signature)
        prepared = Rows({}, values, "truth", task, "captured", signature, texts=truth)
        validation = scoring.compare(prepared, Answers(found, (), 0.0))
    except PlatformError as error:
        return Quality(count, len(truth), problem=error.message)
    metrics = {name: value for name, value in validation.metrics.items() if name != "rows"}
    return Quality(count, len(truth), validation.task, metrics, notes=validation.notes)


def judged(quality: Quality, reference: Mapping[str, float], limits: QualityLimits) -> Quality:
    """The quality with its failures filled in: see `failures`."""
    return replace(quality, failures=failures(quality, reference, limits))


def failures(quality: Quality, reference: Mapping[str, float], limits: QualityLimits) -> list[str]:
    """In what the quality of a window is too low; empty if it is not, or if too few rows have truth.

    Args:
        quality: of the window.
        reference: the model's metrics when it was validated or trained, by the same names.
        limits: when quality is too low.
    """
    if quality.task is None or quality.with_truth < limits.rows:
        return []
    found = []
    name = MAIN[quality.task]
    if name in reference and name in quality.metrics and _is_worse(quality, name, reference[name], limits.drop):
        found.append(f"{name} is {quality.metrics[name]:.4g}, and was {reference[name]:.4g} before the deployment")
    applicable = [each for each in limits.thresholds if each.metric is None or each.metric in quality.metrics]
    judged_by = scoring.JUDGED_BY[quality.task]
    verdicts = thresholds.judge(applicable, dict(quality.metrics), judged_by)
    return found + [str(verdict) for verdict in verdicts if not verdict.passed]


def unjudged(quality: Quality, limits: QualityLimits) -> list[str]:
    """The metrics of the task that have a threshold and could not be computed."""
    if quality.task is None:
        return []
    # `missing_predictions` is only computed if predictions are missing.
    known = {*quality.metrics, "missing_predictions"}
    wanted = [each.metric for each in limits.thresholds if each.metric and thresholds.applies(each, quality.task)]
    return [metric for metric in wanted if metric not in known]


def _is_worse(quality: Quality, name: str, reference: float, drop: float) -> bool:
    value = quality.metrics[name]
    if name != "accuracy":
        return value > reference * (1 + drop)
    from scipy import stats

    # A few rows may all be hard ones: the drop must be more than chance gives.
    right = round(value * quality.with_truth)
    chance = stats.binomtest(right, quality.with_truth, min(max(reference, 0.0), 1.0), alternative="less").pvalue
    return value < reference - drop and bool(chance < _LEVEL)
