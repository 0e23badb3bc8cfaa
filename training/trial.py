"""One trial of a sweep: a training that can be stopped when its scores are worse than those of earlier trials."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from mlflow_platform.sweeps.outcome import Outcome, Stopped, Watch
from training import models, tables
from training.params import DEFAULT_FAMILIES, FAMILIES, Dataset, ForestParams, with_changes
from training.result import Training
from training.scores import ERRORS
from training.train import train


def run(dataset: Dataset, family: str | None, values: Mapping[str, object], watch: Watch | None) -> Outcome:
    """Train with these parameter values. A training that `watch` stops ends with the scores that it had.

    Raises:
        ValueError: a value is of the wrong type or out of range, or the family cannot learn the data set.
    """
    base = FAMILIES[family or DEFAULT_FAMILIES[dataset]]
    params = with_changes(base, [f"{name}={value}" for name, value in values.items()])
    constants = {"dataset": dataset, **params.as_strings()}
    return _watched(constants, lambda report: train(dataset, params, report), watch)


def run_on_file(path: Path, target: str, values: Mapping[str, object], watch: Watch | None) -> Outcome:
    """Train a random forest on a file with these parameter values; otherwise as `run`.

    Raises:
        InputError: the file cannot be used.
        ValueError: a value is of the wrong type or out of range.
    """
    params = cast("ForestParams", with_changes(ForestParams(), [f"{name}={value}" for name, value in values.items()]))
    constants = {"dataset": path.stem, "target": target, **params.as_strings()}
    return _watched(constants, lambda report: tables.train(path, target, params, report), watch)


def _watched(constants: dict[str, str], training: Callable[[models.Report], Training], watch: Watch | None) -> Outcome:
    began = time.time()
    steps: list[tuple[int, float]] = []

    def report(step: int, value: float) -> None:
        if not math.isfinite(value):
            # It would spoil the medians by which other trials are stopped. The training may recover.
            return
        steps.append((step, value))
        if watch:
            watch.check(step, value)

    try:
        done = training(report)
    except models.DivergedError:
        # Such a trial is written, and never the best one.
        return Outcome(constants, dict.fromkeys(ERRORS, math.nan), tuple(steps), began=began)
    except Stopped:
        scores = {watch.metric: steps[-1][1]} if watch else {}
        return Outcome(constants, scores, tuple(steps), stopped=True, began=began)
    return Outcome(constants, dict(done.metrics), tuple(steps), began=began)
