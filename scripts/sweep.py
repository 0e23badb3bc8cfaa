"""Search for the best parameters of a model: a parent run, and a child run for each trial."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError
from mlflow_platform import tracking, tracking_server
from mlflow_platform.session import open_environment
from mlflow_platform.sweeps import space, strategy
from training.params import DATASETS, DEFAULT_FAMILIES, FAMILIES, GRIDS, Dataset, with_changes

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from mlflow_platform.environment import Environment
    from mlflow_platform.sweeps.journal import Logged
    from mlflow_platform.sweeps.search import Sweep

app = make_app()

# The metrics of each data set: the first is the default. True: larger is better.
_METRICS: Mapping[Dataset, Mapping[str, bool]] = {
    "iris": {"accuracy": True, "f1_macro": True},
    "diabetes": {"rmse": False, "mae": False, "r2": True},
}
_STRATEGIES: tuple[strategy.StrategyName, ...] = ("grid", "random", "bayesian")
_TRIALS = 20

DatasetName = Annotated[str, typer.Option(help=f"What to train on: {' or '.join(DATASETS)}.")]
Family = Annotated[str | None, typer.Option(help=f"The model family: {', '.join(FAMILIES)}. Default: the data set's.")]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUES",
        help="Values to try: 2,3,5 or 0.01..0.3 or 0.001..1:log, with :50 for 50 points. May be repeated. "
        "Default: the family's grid.",
    ),
]
StrategyOption = Annotated[str, typer.Option("--strategy", help=f"The search: {', '.join(_STRATEGIES)}.")]
Trials = Annotated[
    int | None,
    typer.Option(min=1, max=space.MOST_TRIALS, help=f"Number of trials. Default: the whole grid, else {_TRIALS}."),
]
Jobs = Annotated[int | None, typer.Option(min=1, max=64, help="Parallel processes. Default: the number of cores.")]
MetricName = Annotated[str | None, typer.Option(metavar="NAME", help="The metric. Default: accuracy or rmse.")]
Prune = Annotated[bool, typer.Option("--prune", help="Stop trials that are worse than the median of earlier ones.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The seed of the search.")]
Name = Annotated[str | None, typer.Option(help="The sweep's name. Default: derived from its settings.")]
ExperimentName = Annotated[str | None, typer.Option(help="The experiment. Default: DATASET-sweeps.")]


@dataclass(frozen=True)
class Options:
    """The options of a sweep, checked."""

    dataset: Dataset
    family: str
    axes: tuple[space.Axis, ...]
    strategy: strategy.StrategyName
    trials: int | None
    jobs: int
    metric: str
    prune: bool
    seed: int
    texts: tuple[str, ...]

    @property
    def settings(self) -> dict[str, str]:
        """What identifies the sweep: everything but the number of processes."""
        return {
            "sweep.dataset": self.dataset,
            "sweep.family": self.family,
            "sweep.space": " ".join(self.texts),
            "sweep.strategy": self.strategy,
            "sweep.trials": str(self.trials or ""),
            "sweep.metric": self.metric,
            "sweep.prune": str(self.prune).lower(),
            "sweep.seed": str(self.seed),
        }

    @property
    def name(self) -> str:
        """A name that the same settings give again, so that the same command resumes a sweep."""
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()
        return f"{self.dataset}-{self.family}-{self.strategy}-{digest[:6]}"


@app.command()
def sweep(
    env: Env = "staging",
    local: Local = False,
    dataset: DatasetName = "iris",
    family: Family = None,
    param: Params = None,
    strategy_: StrategyOption = "grid",
    trials: Trials = None,
    jobs: Jobs = None,
    metric: MetricName = None,
    prune: Prune = False,
    seed: Seed = 7,
    name: Name = None,
    experiment: ExperimentName = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Try many parameters, in parallel processes. Each trial is a run below the sweep's run.

    A sweep that was interrupted continues where it stopped when you run the same command again.
    """
    options = _options(dataset, family, param or [], strategy_, metric)(
        trials=trials, jobs=jobs or os.cpu_count() or 1, prune=prune, seed=seed
    )
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        tracking_server.require_running(session.client("sagemaker"), environment.server)
        console.progress("loading MLflow")
        tracking.prepare(os.environ)
        client = tracking.connect(environment.server, session)
        _search(console, client, environment, options, name or options.name, experiment or f"{options.dataset}-sweeps")


def _search(
    console: Console, client: MlflowClient, environment: Environment, options: Options, name: str, experiment: str
) -> None:
    from mlflow_platform.sweeps.journal import Journal
    from mlflow_platform.sweeps.pool import open_pool
    from mlflow_platform.sweeps.search import Sweep
    from training.trial import run as trial

    maximize = _METRICS[options.dataset][options.metric]
    search, most = strategy.make(options.strategy, options.axes, maximize=maximize, seed=options.seed)
    count = options.trials or (most if options.strategy == "grid" else None) or _TRIALS
    experiment_id = tracking.experiment_id(client, experiment)
    journal = Journal(client, experiment_id, name=name, tags=environment.tags)
    began = time.monotonic()
    work = Sweep(
        train=partial(trial, options.dataset, options.family),
        strategy=search,
        journal=journal,
        metric=options.metric,
        maximize=maximize,
        trials=min(count, most or count),
        prune=options.prune,
    )
    finished = journal.open(json.dumps(options.settings, sort_keys=True))
    work.resume(finished)
    if finished:
        console.progress(f"resuming {name}: {len(finished)} of {work.trials} trials are finished")

    def report(logged: Logged) -> None:
        value = f"{options.metric} {logged.metrics[options.metric]:.4f}"
        stopped = ", stopped early" if logged.stopped else ""
        console.progress(f"{len(work.done)} of {work.trials}: {value}{stopped}  {logged.point}")

    console.progress(f"{work.trials - len(finished)} trials in {options.jobs} processes")
    with open_pool(options.jobs) as pool:
        work.run(pool, options.jobs, report)
    _finish(console, client, work, options, name, experiment_id)
    best = work.best
    console.result(
        {
            "sweep": name,
            "parent_run": journal.parent,
            "experiment_id": experiment_id,
            "trials": len(work.done),
            "new_trials": len(work.done) - len(finished),
            "stopped_early": sum(logged.stopped for logged in work.done),
            options.metric: best.metrics[options.metric] if best else None,
            "best_run": best.run_id if best else None,
            "best_parameters": best.point if best else None,
            "seconds": round(time.monotonic() - began, 1),
            "register_it": _command(options, environment, best) if best else None,
        }
    )


def _finish(
    console: Console, client: MlflowClient, work: Sweep, options: Options, name: str, experiment_id: str
) -> None:
    """Write table and charts to the parent run, and end it."""
    from mlflow_platform.comparison import page, reading, table

    console.progress("drawing the charts")
    rows = list(reading.runs(client, experiment_id, f"tags.`mlflow.parentRunId` = '{work.journal.parent}'"))
    with TemporaryDirectory() as folder:
        page.write(table.make(rows, options.metric, maximize=work.maximize), f"Sweep {name}", Path(folder))
        work.journal.close(work.best, options.settings, folder)


def _command(options: Options, environment: Environment, best: Logged) -> str:
    """The command that trains the best model again, which is reproducible, and registers it."""
    values: dict[str, Any] = json.loads(best.point)
    words = ["python", "scripts/log_run.py", *environment.ref.options.split(), "--dataset", options.dataset]
    words += ["--family", options.family]
    words += [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    return shlex.join([*words, "--register", options.dataset, "--alias", "champion"])


def _options(dataset: str, family: str | None, texts: list[str], search: str, metric: str | None) -> partial[Options]:
    data = next((known for known in DATASETS if known == dataset), None)
    if data is None:
        raise InputError(f"there is no data set {dataset!r}. --dataset takes {' or '.join(DATASETS)}.")
    family = family or DEFAULT_FAMILIES[data]
    if family not in FAMILIES:
        raise InputError(f"there is no model family {family!r}. --family takes {', '.join(FAMILIES)}.")
    if family == "xgboost" and data == "iris":
        raise InputError("the family xgboost is for regression. Use --family boosting or forest for iris.")
    chosen = next((known for known in _STRATEGIES if known == search), None)
    if chosen is None:
        raise InputError(f"there is no strategy {search!r}. --strategy takes {', '.join(_STRATEGIES)}.")
    metric = metric or next(iter(_METRICS[data]))
    if metric not in _METRICS[data]:
        raise InputError(f"there is no metric {metric!r} of {data}. --metric takes {', '.join(_METRICS[data])}.")
    texts = texts or list(GRIDS[family])
    base = FAMILIES[family]
    axes = space.parse(texts, {field.name: type(getattr(base, field.name)) for field in fields(base)})
    for axis in axes:
        for value in axis.extremes:
            try:
                with_changes(base, [f"{axis.name}={value}"])
            except ValueError as error:
                raise InputError(f"--param: {error}") from None
    if chosen == "grid":
        space.grid(axes)
    return partial(
        Options, dataset=data, family=family, axes=tuple(axes), strategy=chosen, metric=metric, texts=tuple(texts)
    )


if __name__ == "__main__":
    run(app)
