"""Search for the best parameters of a model family on prepared data. Each trial is a run below the current run.

As a program it is the entry point `tune` of the MLflow project. It writes `best.json`, which `train.py --tuned` reads.
The held-out rows choose nothing: the trials are scored on a part of the training rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import prepared
from training.data import Split
from training.models import DivergedError
from training.params import DEFAULTS, FAMILIES, GRIDS, Params, with_changes
from training.reporting import fail, log_facts, shown
from training.train import BEST, choose, train_split

if TYPE_CHECKING:
    from training.prepared import Facts

Point = dict[str, str]
_SHARE = 0.25


def points(family: str, trials: int, seed: int) -> list[Point]:
    """The family's grid; if it is larger than `trials`, that many points of it, drawn at random.

    An axis `low..high:log:n` of the grid has n values with equal ratios.
    """
    axes = [[(name, value) for value in _values(text)] for name, text in (one.split("=", 1) for one in GRIDS[family])]
    grid = [dict(point) for point in itertools.product(*axes)]
    return grid if len(grid) <= trials else random.Random(seed).sample(grid, trials)  # noqa: S311 not for secrets


def _values(text: str) -> list[str]:
    if ".." not in text:
        return text.split(",")
    ends, _, count = text.split(":")
    low, high = (float(end) for end in ends.split(".."))
    number = int(count)
    return [f"{low * (high / low) ** (index / (number - 1)):.6g}" for index in range(number)]


def search(
    split: Split, facts: Facts, base: Params, trials: Sequence[Point]
) -> Iterator[tuple[Point, dict[str, float]]]:
    """Train each point on a part of the training rows, and score it on the others.

    A point whose training diverges has no scores.

    Raises:
        DivergedError: all of them do.
    """
    from sklearn.model_selection import train_test_split

    classes = split.train[split.target]
    strata = classes if facts.task == "classification" and classes.value_counts().min() >= 2 else None
    if strata is not None and _SHARE * len(classes) < classes.nunique():
        strata = None
    parts = train_test_split(split.train, test_size=_SHARE, random_state=base.seed, stratify=strata)
    inner = Split(parts[0].reset_index(drop=True), parts[1].reset_index(drop=True), split.target, split.source)
    diverged = []
    for point in trials:
        params = with_changes(base, [f"{name}={value}" for name, value in point.items()])
        try:
            metrics = dict(train_split(facts.name, inner, facts.task, params).metrics)
        except DivergedError as error:
            diverged.append(error)
            metrics = {}
        yield point, metrics
    if len(diverged) == len(trials):
        raise diverged[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, log the trials, write the best parameters. Returns the exit status, which is 2 for wrong input."""
    parser = argparse.ArgumentParser(description="Search for the best parameters on prepared data.")
    parser.add_argument("--prepared", default="", metavar="DIR", help="what prepare.py wrote (default: iris)")
    parser.add_argument("--family", default="", help=f"{', '.join(FAMILIES)} (default: suits the data)")
    parser.add_argument("--trials", type=int, default=6, help="the number of trials (default: 6)")
    parser.add_argument("--seed", type=int, default=7, help="the seed of the search and the models")
    parser.add_argument("--output", default="tuned", metavar="DIR", help="the folder for best.json")
    options = parser.parse_args(arguments)
    try:
        if options.trials < 1:
            raise ValueError(f"trials must be at least 1, not {options.trials}")
        split, facts = _data(options.prepared, options.seed)
        base = choose(options.family or None, facts.task, None, [f"seed={options.seed}"])
        log_facts(facts)
        _run(split, facts, base, points(_family(base), options.trials, options.seed), Path(options.output))
    except ValueError as error:
        return fail(error)
    return 0


def _data(folder: str, seed: int) -> tuple[Split, Facts]:
    if folder:
        return prepared.read(Path(folder))
    from training.data import load

    split = load("iris", seed=seed, held_out=DEFAULTS["iris"].held_out)
    facts = prepared.Facts("iris", split.target, "classification", "", len(split.train), len(split.held_out))
    return split, facts


def _family(params: Params) -> str:
    return next(name for name, other in FAMILIES.items() if type(other) is type(params))


def _run(split: Split, facts: Facts, base: Params, trials: Sequence[Point], output: Path) -> None:
    import mlflow

    metric, best = ("accuracy", max) if facts.task == "classification" else ("rmse", min)
    client = mlflow.MlflowClient()
    done = []
    with mlflow.start_run() as parent:
        for point, metrics in search(split, facts, base, trials):
            _log(client, parent.info, point, metrics)
            done.append((point, metrics))
            score = f"{metric} {shown(metrics[metric])}" if metrics else "diverged"
            sys.stdout.write(f"{len(done)} of {len(trials)}: {score}  {point}\n")
        point, metrics = best((one for one in done if one[1]), key=lambda one: one[1][metric])
        chosen = with_changes(base, [f"{name}={value}" for name, value in point.items()])
        mlflow.log_params({f"best.{name}": value for name, value in point.items()})
        mlflow.log_metrics({f"best.{name}": value for name, value in metrics.items()})
    params = {field.name: asdict(chosen)[field.name] for field in fields(chosen) if field.name != "held_out"}
    output.mkdir(parents=True, exist_ok=True)
    found = {"family": _family(base), "params": params, "metrics": metrics}
    (output / BEST).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"best: {metric} {shown(metrics[metric])}  {point}\n")


def _log(client: Any, parent: Any, point: Point, metrics: dict[str, float]) -> None:
    """Log a trial in three requests. One without scores has failed."""
    from mlflow.entities import Metric, Param

    tags = {"mlflow.parentRunId": parent.run_id, **json.loads(os.environ.get("PIPELINE_TAGS", "{}"))}
    run_id = client.create_run(parent.experiment_id, tags=tags).info.run_id
    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
        params=[Param(name, value) for name, value in point.items()],
    )
    client.set_terminated(run_id, "FINISHED" if metrics else "FAILED")


if __name__ == "__main__":
    sys.exit(main())
