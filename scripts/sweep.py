"""Search for the best parameters of a model: a parent run, and a child run for each trial."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, cast

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
    from mlflow_platform.sweeps.outcome import Outcome, Watch
    from mlflow_platform.sweeps.search import Sweep

app = make_app()

# The metrics of each task: the first is the default. True: larger is better.
_METRICS: Mapping[str, Mapping[str, bool]] = {
    "classification": {"accuracy": True, "f1_macro": True},
    "regression": {"rmse": False, "mae": False, "r2": True},
}
_TASKS: Mapping[Dataset, str] = {"iris": "classification", "diabetes": "regression"}
_STRATEGIES: tuple[strategy.StrategyName, ...] = ("grid", "random", "bayesian")
_TRIALS = 20

DatasetName = Annotated[str, typer.Option(help=f"What to train on: {' or '.join(DATASETS)}.")]
Data = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Train random forests on a CSV, JSON or Parquet file of your own instead."),
]
Target = Annotated[str | None, typer.Option(metavar="COL", help="The column of --data that holds the truth.")]
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
    """The options of a sweep, checked. `dataset` names the data set or the file, and `data` is the file's column."""

    dataset: str
    data: tuple[Path, str] | None
    maximize: bool
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
            **_settings_of(self.data),
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
    data: Data = None,
    target: Target = None,
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
    if (data is None) != (target is None):
        raise InputError("--data FILE and --target COL go together")
    if target == "":
        raise InputError("--target is empty: name a column of the file of --data")
    file = (data, target) if data and target else None
    options = _options(_source(dataset, file, family), family, param or [], strategy_, metric)(
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

    search, most = strategy.make(options.strategy, options.axes, maximize=options.maximize, seed=options.seed)
    count = options.trials or (most if options.strategy == "grid" else None) or _TRIALS
    experiment_id = tracking.experiment_id(client, experiment)
    journal = Journal(client, experiment_id, name=name, tags=environment.tags)
    began = time.monotonic()
    work = Sweep(
        train=_trial(options),
        strategy=search,
        journal=journal,
        metric=options.metric,
        maximize=options.maximize,
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


def _trial(options: Options) -> Callable[[Mapping[str, object], Watch | None], Outcome]:
    from training import trial

    if options.data:
        return partial(trial.run_on_file, *options.data)
    return partial(trial.run, cast("Dataset", options.dataset), options.family)


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
    words = ["python", "scripts/log_run.py", *environment.ref.options.split()]
    if options.data:
        words += ["--data", str(options.data[0]), "--target", options.data[1]]
    else:
        words += ["--dataset", options.dataset, "--family", options.family]
    words += [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    # Names of files may have characters that names of models cannot have.
    name = re.sub("[^A-Za-z0-9]+", "-", options.dataset).strip("-") or "model"
    return shlex.join([*words, "--register", name, "--alias", "champion"])


@dataclass(frozen=True)
class Source:
    """What a sweep trains on: a data set or a column of a file, its task, and the family that it trains by default."""

    name: str
    data: tuple[Path, str] | None
    task: str
    family: str


def _source(dataset: str, file: tuple[Path, str] | None, family: str | None) -> Source:
    if file:
        if not file[0].is_file():
            raise InputError(f"there is no file {file[0]}")
        if family not in (None, "forest"):
            raise InputError("--data FILE trains random forests: leave out --family")
        from training import tables

        return Source(file[0].stem, file, tables.task_of(*file), "forest")
    data = next((known for known in DATASETS if known == dataset), None)
    if data is None:
        raise InputError(f"there is no data set {dataset!r}. --dataset takes {' or '.join(DATASETS)}.")
    return Source(data, None, _TASKS[data], DEFAULT_FAMILIES[data])


def _settings_of(file: tuple[Path, str] | None) -> dict[str, str]:
    """What identifies a file: its content, so that the sweep of a changed file is another sweep."""
    if file is None:
        return {}
    return {"sweep.target": file[1], "sweep.data": hashlib.sha256(file[0].read_bytes()).hexdigest()}


def _options(source: Source, family: str | None, texts: list[str], search: str, metric: str | None) -> partial[Options]:
    family = family or source.family
    if family not in FAMILIES:
        raise InputError(f"there is no model family {family!r}. --family takes {', '.join(FAMILIES)}.")
    if family == "xgboost" and source.task == "classification":
        raise InputError(f"the family xgboost is for regression. Use --family boosting or forest for {source.name}.")
    chosen = next((known for known in _STRATEGIES if known == search), None)
    if chosen is None:
        raise InputError(f"there is no strategy {search!r}. --strategy takes {', '.join(_STRATEGIES)}.")
    metrics = _METRICS[source.task]
    metric = metric or next(iter(metrics))
    if metric not in metrics:
        raise InputError(f"there is no metric {metric!r} of {source.name}. --metric takes {', '.join(metrics)}.")
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
        Options,
        dataset=source.name,
        data=source.data,
        maximize=metrics[metric],
        family=family,
        axes=tuple(axes),
        strategy=chosen,
        metric=metric,
        texts=tuple(texts),
    )


if __name__ == "__main__":
    run(app)
