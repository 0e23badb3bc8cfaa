"""One trial of a sweep: a training that can be stopped when its scores are worse than those of earlier trials."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow_platform.sweeps.outcome import Outcome, Stopped, Watch
from training.params import DEFAULT_FAMILIES, FAMILIES, Dataset, with_changes
from training.train import train


def run(dataset: Dataset, family: str | None, values: Mapping[str, object], watch: Watch | None) -> Outcome:
    """Train with these parameter values. A training that `watch` stops ends with the scores that it had.

    Raises:
        ValueError: a value is of the wrong type or out of range, or the family cannot learn the data set.
    """
    base = FAMILIES[family or DEFAULT_FAMILIES[dataset]]
    params = with_changes(base, [f"{name}={value}" for name, value in values.items()])
    constants = {"dataset": dataset, **params.as_strings()}
    steps: list[tuple[int, float]] = []

    def report(step: int, value: float) -> None:
        steps.append((step, value))
        if watch:
            watch.check(step, value)

    try:
        training = train(dataset, params, report)
    except Stopped:
        return Outcome(constants, {watch.metric: steps[-1][1]} if watch else {}, tuple(steps), stopped=True)
    return Outcome(constants, dict(training.metrics), tuple(steps))
