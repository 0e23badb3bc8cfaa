"""Thresholds: what a metric must reach for a validation to pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow_common.errors import InputError
from mlflow_common.numbers import short
from mlflow_platform.validation.rows import Task

_OF_TASK: dict[Task, tuple[str, ...]] = {
    "classification": ("accuracy", "f1_macro", "precision_macro", "recall_macro", "roc_auc", "missing_predictions"),
    "regression": ("r2", "rmse", "mae"),
}
_OF_ALL = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "requests_per_second", "local_agreement", "rows")
LOWER_IS_BETTER = frozenset(
    ["rmse", "mae", "missing_predictions", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms"]
)
# These are from 0 to 1.
_SHARES = frozenset(["accuracy", "f1_macro", "precision_macro", "recall_macro", "roc_auc", "local_agreement"])
METRICS = (*_OF_TASK["classification"], *_OF_TASK["regression"], *_OF_ALL)


@dataclass(frozen=True)
class Threshold:
    """A limit for a metric. `metric` is None for the main metric of the task (accuracy or R²)."""

    metric: str | None
    limit: float


@dataclass(frozen=True)
class Verdict:
    """A metric compared with its threshold. `value` is None if the metric could not be computed."""

    metric: str
    limit: float
    value: float | None

    @property
    def passed(self) -> bool:
        """Whether the metric reaches the limit."""
        if self.value is None:
            return False
        return self.value <= self.limit if self.metric in LOWER_IS_BETTER else self.value >= self.limit

    @property
    def wanted(self) -> str:
        """The limit in words."""
        return f"{'at most' if self.metric in LOWER_IS_BETTER else 'at least'} {self.limit:g}"

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.metric} could not be computed from these rows, and it has a threshold"
        side = "above" if self.metric in LOWER_IS_BETTER else "below"
        return f"{self.metric} is {short(self.value)}, {side} the threshold of {self.limit:g}"


def parse(texts: Sequence[str]) -> list[Threshold]:
    """Thresholds written as `METRIC=LIMIT`, or as a number alone.

    Raises:
        InputError: the limit is not a number, every or no value would reach it, or the metric is unknown.
    """
    found: list[Threshold] = []
    for text in texts:
        name, separator, number = text.rpartition("=")
        try:
            limit = float(number)
        except ValueError:
            limit = math.nan
        if not math.isfinite(limit) or (separator and not name):
            raise InputError(f"--threshold takes METRIC=NUMBER or a number, not {text!r}")
        if name and name not in METRICS:
            raise InputError(f"--threshold: there is no metric {name!r} (there are: {', '.join(METRICS)})")
        if name in _SHARES and not 0 <= limit <= 1:
            raise InputError(f"--threshold {text}: {name} is from 0 to 1. Write {name}=0.9 for 90 percent.")
        found.append(Threshold(name or None, limit))
    return found


def check_task(thresholds: Sequence[Threshold], task: Task) -> None:
    """Check that each metric exists for the task.

    Raises:
        InputError: a metric belongs to the other task.
    """
    for threshold in thresholds:
        if not applies(threshold, task):
            known = ", ".join(_OF_TASK[task])
            raise InputError(f"--threshold {threshold.metric}: the rows are a {task}, which has {known}")


def applies(threshold: Threshold, task: Task) -> bool:
    """Whether the threshold is for a metric of the task."""
    return threshold.metric is None or threshold.metric in (*_OF_TASK[task], *_OF_ALL)


def judge(thresholds: Sequence[Threshold], metrics: dict[str, float], judged_by: str) -> list[Verdict]:
    """Compare metrics with thresholds. `judged_by` is the metric for thresholds without a name."""
    named = [(threshold.metric or judged_by, threshold.limit) for threshold in thresholds]
    # The metric is only logged if predictions are missing.
    known = {"missing_predictions": 0.0, **metrics}
    return [Verdict(metric, limit, known.get(metric)) for metric, limit in named]
