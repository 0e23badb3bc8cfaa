"""Search for the best parameters of a model: a parent run, and a child run for each trial."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError, PlatformError
from mlflow_common.numbers import short
from mlflow_common.waiting import SystemClock
from mlflow_platform import tracking, tracking_server
from mlflow_platform.factory import jobs as factory_jobs
from mlflow_platform.session import open_environment
from mlflow_platform.sweeps import job_files, space, strategy, tuning_job
from training.params import DATASETS, DEFAULT_FAMILIES, FAMILIES, GRIDS, Dataset, with_changes
from training.pipeline import CONSTANTS

if TYPE_CHECKING:
    from boto3 import Session
    from mlflow import MlflowClient

    from mlflow_platform.environment import Environment
    from mlflow_platform.sweeps.journal import Journal, Logged
    from mlflow_platform.sweeps.outcome import Outcome, Watch

app = make_app()

# The metrics of each task: the first is the default. True: larger is better.
_METRICS: Mapping[str, Mapping[str, bool]] = {
    "classification": {"accuracy": True, "f1_macro": True},
    "regression": {"rmse": False, "mae": False, "r2": True},
}
_TASKS: Mapping[Dataset, str] = {"iris": "classification", "diabetes": "regression"}
_STRATEGIES: tuple[strategy.StrategyName, ...] = ("grid", "random", "bayesian")
_TRIALS = 20
_PARALLEL = 2
# What MLflow's filters cannot find in the value of a tag, or what breaks lines.
_SPECIAL = re.compile(r"""['"`\\\x00-\x1f\x7f]""")

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
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1, max=64, help=f"Parallel processes, or jobs. Default: the number of cores, or {_PARALLEL} jobs."
    ),
]
On = Annotated[
    str,
    typer.Option(
        "--on",
        help="Where to train: here, or sagemaker (a tuning job, which stops a trial after "
        f"{tuning_job.LONGEST_TRIAL // 60} minutes).",
    ),
]
Image = Annotated[
    str | None, typer.Option(metavar="URI", help="The image of SageMaker's jobs, with its training toolkit.")
]
Role = Annotated[str | None, typer.Option(metavar="ARN", help="The role of the jobs. Default: the environment's.")]
Instance = Annotated[
    str | None, typer.Option("--instance-type", metavar="TYPE", help="The jobs' instances. Default: ml.m5.large.")
]
MetricName = Annotated[str | None, typer.Option(metavar="NAME", help="The metric. Default: accuracy or rmse.")]
Prune = Annotated[bool, typer.Option("--prune", help="Stop trials that are worse than the median of earlier ones.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The seed of the search.")]
Name = Annotated[str | None, typer.Option(help="The sweep's name. Default: derived from its settings.")]
ExperimentName = Annotated[str | None, typer.Option(help="The experiment. Default: DATASET-sweeps.")]


@dataclass(frozen=True)
class Options:
    """The options of a sweep, checked.

    `dataset` names the data set or the file. `data` are the file and its column, and `digest` is the file's SHA-256.
    """

    dataset: str
    data: tuple[Path, str] | None
    digest: str
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
    on: str = "here"

    @property
    def settings(self) -> dict[str, str]:
        """What identifies the sweep: everything but the number of processes."""
        return {
            "sweep.dataset": self.dataset,
            **({"sweep.target": self.data[1], "sweep.data": self.digest} if self.data else {}),
            "sweep.family": self.family,
            "sweep.space": " ".join(self.texts),
            "sweep.strategy": self.strategy,
            "sweep.trials": str(self.trials or ""),
            "sweep.metric": self.metric,
            "sweep.prune": str(self.prune).lower(),
            "sweep.seed": str(self.seed),
            **({"sweep.on": self.on} if self.on != "here" else {}),
        }

    @property
    def constants(self) -> dict[str, str]:
        """The hyperparameters that all training jobs of the sweep have in common."""
        own = {"target": self.data[1]} if self.data else {"dataset": self.dataset}
        return {**own, "family": self.family}

    @property
    def name(self) -> str:
        """A name that the same settings give again, so that the same command resumes a sweep."""
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()
        return f"{_SPECIAL.sub('-', self.dataset)}-{self.family}-{self.strategy}-{digest[:6]}"


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
    on: On = "here",
    image: Image = None,
    role: Role = None,
    instance_type: Instance = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Try many parameters, in parallel processes. Each trial is a run below the sweep's run.

    A sweep that was interrupted continues where it stopped when you run the same command again.
    """
    if (data is None) != (target is None):
        raise InputError("--data FILE and --target COL go together")
    if name and _SPECIAL.search(name):
        raise InputError("--name has a quote, a backslash or a control character. Leave it out.")
    file = (data, target) if data and target else None
    jobs_options = {"--image": image, "--role": role, "--instance-type": instance_type}
    _check_place(on, prune, [option for option, value in jobs_options.items() if value])
    options = _options(_source(dataset, file, family), family, param or [], strategy_, metric)(
        trials=trials, jobs=jobs or (_PARALLEL if on == "sagemaker" else os.cpu_count() or 1), prune=prune, seed=seed
    )
    options = replace(options, on=on)
    plan = _plan(options) if on == "sagemaker" else None
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        tracking_server.require_running(session.client("sagemaker"), environment.server)
        console.progress("loading MLflow")
        tracking.prepare(os.environ)
        client = tracking.connect(environment.server, session, ["experiments", "runs", "upload_artifacts"])
        work = _Work(console, client, environment, options, name or options.name)
        folder = experiment or f"{options.dataset}-sweeps"
        if plan is None:
            _search(work, folder)
        else:
            image = factory_jobs.image_of(environment, image, "SageMaker's training toolkit")
            role = factory_jobs.role_of(environment, role)
            _tune(work, folder, session, plan, (image, role, instance_type or "ml.m5.large"))


@dataclass(frozen=True)
class _Work:
    """What a sweep needs, wherever it trains."""

    console: Console
    client: MlflowClient
    environment: Environment
    options: Options
    name: str

    def journal(self, experiment_id: str) -> Journal:
        """The sweep's runs."""
        from mlflow_platform.sweeps.batch import log_batch
        from mlflow_platform.sweeps.journal import Journal

        version = {"data.version": self.options.digest[:16]} if self.options.data else {}
        return Journal(
            self.client,
            experiment_id,
            name=self.name,
            tags={**self.environment.tags, **version},
            log_batch=partial(log_batch, self.environment.server.arn),
        )

    @property
    def settings(self) -> str:
        """What identifies the sweep, as its run stores it."""
        return json.dumps(self.options.settings, sort_keys=True)


def _search(given: _Work, experiment: str) -> None:
    """Train in processes of this machine."""
    from mlflow_platform.sweeps.pool import open_pool
    from mlflow_platform.sweeps.search import Sweep

    console, options = given.console, given.options
    search, most = strategy.make(options.strategy, options.axes, maximize=options.maximize, seed=options.seed)
    count = options.trials or (most if options.strategy == "grid" else None) or _TRIALS
    experiment_id = tracking.experiment_id(given.client, experiment)
    journal = given.journal(experiment_id)
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
    finished = journal.open(given.settings)
    work.resume(finished)
    if finished:
        console.progress(f"resuming {given.name}: {len(finished)} of {work.trials} trials are finished")

    def report(logged: Logged) -> None:
        value = f"{options.metric} {short(logged.metrics[options.metric])}"
        stopped = ", stopped early" if logged.stopped else ""
        console.progress(f"{len(work.done)} of {work.trials}: {value}{stopped}  {logged.point}")

    console.progress(f"{work.trials - len(finished)} trials in {options.jobs} processes")
    with open_pool(options.jobs) as pool:
        work.run(pool, options.jobs, report)
    best = work.best
    _finish(given, journal, best, experiment_id)
    console.result(
        {
            "sweep": given.name,
            "parent_run": journal.parent,
            "experiment_id": experiment_id,
            "trials": len(work.done),
            "new_trials": len(work.done) - len(finished),
            "stopped_early": sum(logged.stopped for logged in work.done),
            options.metric: best.metrics[options.metric] if best else None,
            "best_run": best.run_id if best else None,
            "best_parameters": best.point if best else None,
            "seconds": round(time.monotonic() - began, 1),
            "register_it": _command(options, given.environment, best) if best else None,
        }
    )


def _check_place(on: str, prune: bool, given: list[str]) -> None:
    """Refuse options that do not go together with the place of the training."""
    if on not in ("here", "sagemaker"):
        raise InputError(f"--on takes here or sagemaker, not {on!r}.")
    if on == "here" and given:
        raise InputError(f"{given[0]} needs --on sagemaker: trials on this machine run in no job.")
    if on == "sagemaker" and prune:
        raise InputError("--prune does not work with --on sagemaker: SageMaker would need the metric of each step.")


def _plan(options: Options) -> tuning_job.Plan:
    """The search of a tuning job."""
    if options.strategy == "grid" and options.trials:
        raise InputError("SageMaker tries the whole grid: leave out --trials, or use --strategy random.")
    trials: int | None = None
    if options.strategy != "grid":
        trials = min(options.trials or _TRIALS, space.size(options.axes) or space.MOST_TRIALS)
    axes, metric, maximize = options.axes, options.metric, options.maximize
    plan = tuning_job.Plan(axes, options.strategy, metric, maximize, trials, options.jobs, options.seed)
    tuning_job.check(plan)
    return plan


def _tune(given: _Work, experiment: str, session: Session, plan: tuning_job.Plan, jobs: tuple[str, str, str]) -> None:
    """Train in the training jobs of a tuning job. `jobs` are their image, role and instance type."""
    from mlflow_platform.sweeps.journal import Logged

    console, options, environment = given.console, given.options, given.environment
    began = time.monotonic()
    experiment_id = tracking.experiment_id(given.client, experiment)
    journal = given.journal(experiment_id)
    journal.find(given.settings)
    name = tuning_job.name_of(journal.parent)
    job = tuning_job.TuningJob(session.client("sagemaker"), name, SystemClock())
    if job.exists():
        console.progress(f"found the tuning job {name}")
    else:
        console.progress("uploading the code and the data" if options.data else "uploading the code")
        s3 = session.client("s3")
        data = job_files.upload_data(environment, s3, options.data[0], options.digest) if options.data else None
        code = job_files.upload_code(environment, s3, packages=data is not None)
        variables = factory_jobs.mlflow_variables(environment.server.arn, experiment, CONSTANTS)
        variables["PARENT_RUN_ID"] = journal.parent
        outputs = f"{environment.artifact_store}/pipelines/sweeps"
        setup = tuning_job.Setup(*jobs, code, f"{outputs}/models", options.constants, variables, data=data)
        job.start(tuning_job.request(name, plan, setup, environment.tags))
        console.progress(f"started the tuning job {name}")
    best, counters = job.follow(console.progress)
    query = f"tags.`mlflow.parentRunId` = '{journal.parent}' and tags.`sagemaker.job` = '{best.job}'"
    runs = given.client.search_runs([experiment_id], query, max_results=1)
    if not runs:
        raise PlatformError(f"the best training job {best.job} has no run below {journal.parent} in {experiment}.")
    data = runs[0].data
    # Choices are texts for SageMaker, and numbers for the training.
    point = json.dumps({key: json.loads(value) for key, value in sorted(best.values.items())})
    logged = Logged(runs[0].info.run_id, point, data.params, data.metrics, stopped=False)
    _finish(given, journal, logged, experiment_id)
    console.result(
        {
            "sweep": given.name,
            "tuning_job": name,
            "parent_run": journal.parent,
            "experiment_id": experiment_id,
            "trials": counters.get("Completed", 0),
            "failed_trials": counters.get("NonRetryableError", 0),
            "stopped_trials": counters.get("Stopped", 0),
            options.metric: data.metrics.get(options.metric, best.value),
            "best_run": logged.run_id,
            "best_training_job": best.job,
            "best_parameters": point,
            "seconds": round(time.monotonic() - began, 1),
            "register_it": _command(options, environment, logged),
        }
    )


def _trial(options: Options) -> Callable[[Mapping[str, object], Watch | None], Outcome]:
    from training import trial

    if options.data:
        return partial(trial.run_on_file, *options.data)
    return partial(trial.run, cast("Dataset", options.dataset), options.family)


def _finish(given: _Work, journal: Journal, best: Logged | None, experiment_id: str) -> None:
    """Write table and charts to the parent run, and end it."""
    from mlflow_platform.comparison import page, reading, table

    options = given.options
    given.console.progress("drawing the charts")
    rows = list(reading.runs(given.client, experiment_id, f"tags.`mlflow.parentRunId` = '{journal.parent}'"))
    with TemporaryDirectory() as folder:
        title = f"Sweep {given.name}"
        page.write(table.make(rows, options.metric, maximize=options.maximize), title, Path(folder))
        journal.close(best, options.settings, folder)


def _command(options: Options, environment: Environment, best: Logged) -> str:
    """The command that trains the best model again, which is reproducible, and registers it."""
    values: dict[str, Any] = json.loads(best.point)
    words = [".venv/bin/python", "scripts/log_run.py", *environment.ref.options.split()]
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
    """What a sweep trains on: a data set or a column of a file, its task, and the family that it trains by default.

    `digest` identifies the file's content, so that the sweep of a changed file is another sweep.
    """

    name: str
    data: tuple[Path, str] | None
    task: str
    family: str
    digest: str = ""


def _source(dataset: str, file: tuple[Path, str] | None, family: str | None) -> Source:
    if file:
        if not file[0].is_file():
            raise InputError(f"there is no file {file[0]}")
        if family not in (None, "forest"):
            raise InputError("--data FILE trains random forests: leave out --family")
        from training import tables

        task = tables.task_of(*file)
        return Source(file[0].stem, file, task, "forest", hashlib.sha256(file[0].read_bytes()).hexdigest())
    data = next((known for known in DATASETS if known == dataset), None)
    if data is None:
        raise InputError(f"there is no data set {dataset!r}. --dataset takes {' or '.join(DATASETS)}.")
    return Source(data, None, _TASKS[data], DEFAULT_FAMILIES[data])


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
        digest=source.digest,
        maximize=metrics[metric],
        family=family,
        axes=tuple(axes),
        strategy=chosen,
        metric=metric,
        texts=tuple(texts),
    )


if __name__ == "__main__":
    run(app)
