"""Train a model and log everything about it to an environment's tracking server."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError, error_message
from mlflow_common.key_values import parse_key_values
from mlflow_platform import tracking, tracking_server
from mlflow_platform.session import open_environment
from training.params import DATASETS, DEFAULT_FAMILIES, FAMILIES, Dataset, ForestParams, Params, with_changes

if TYPE_CHECKING:
    from boto3 import Session
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.compatibility.matrix import Operation
    from mlflow_platform.environment import Environment

app = make_app()
# The environment's tags, and those that a run's validation reads (training/record.py, whose import takes seconds).
_RESERVED = {"project", "environment", "evaluation.target", "evaluation.task"}


DatasetName = Annotated[str, typer.Option(help=f"What to train on: {' or '.join(DATASETS)}.")]
Family = Annotated[str | None, typer.Option(help=f"The model family: {', '.join(FAMILIES)}. Default: the data set's.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a training parameter. May be repeated."),
]
Experiment = Annotated[
    str | None, typer.Option(help="The experiment to log to. Default: the name of the data set or of the file.")
]
Register = Annotated[str | None, typer.Option(metavar="NAME", help="Register the model as the next version of NAME.")]
Alias = Annotated[str | None, typer.Option(help="Point this alias at the registered version (needs --register).")]
Tags = Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A tag for the run. May be repeated.")]


Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Train a random forest on a CSV, JSON or Parquet file of your own, instead of a data set.",
    ),
]
Target = Annotated[str | None, typer.Option(metavar="COL", help="The column of --data that holds the truth.")]


@dataclass(frozen=True)
class Options:
    """The options of a training, checked. `data` is a file and the name of its column with the truth."""

    dataset: Dataset
    params: Params
    data: tuple[Path, str] | None
    experiment: str
    register: str | None
    alias: str | None
    tags: dict[str, str]

    @property
    def needs(self) -> list[Operation]:
        """What the MLflow client must be able to do."""
        logging: list[Operation] = ["experiments", "runs", "dataset_inputs", "upload_artifacts", "log_model"]
        registering: list[Operation] = ["registry", "aliases"] if self.alias else ["registry"]
        return logging + registering * (self.register is not None)


@app.command()
def log_run(
    env: Env = "staging",
    local: Local = False,
    dataset: DatasetName = "iris",
    family: Family = None,
    data: Data = None,
    target: Target = None,
    set_: Changes = None,
    experiment: Experiment = None,
    register: Register = None,
    alias: Alias = None,
    tag: Tags = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Train a model and log parameters, metrics, data sets, charts and the model itself.

    With --register NAME and --alias ALIAS you can then run `deploy_model.py models:/NAME@ALIAS`.
    """
    if (data is None) != (target is None):
        raise InputError("--data FILE and --target COL go together")
    if data and family not in (None, "forest"):
        raise InputError("--data FILE trains a random forest: leave out --family")
    file = (data, target) if data and target else None
    name, params = (
        (DATASETS[0], _changed(ForestParams(), set_ or [])) if file else _parameters(dataset, family, set_ or [])
    )
    if file and not file[0].is_file():
        raise InputError(f"there is no file {file[0]}")
    options = Options(
        name,
        params,
        file,
        experiment or (file[0].stem if file else name),
        register,
        alias,
        parse_key_values(tag or [], "--tag"),
    )
    if alias and not register:
        raise InputError("--alias needs --register NAME: an alias belongs to a registered model")
    if register:
        tracking.check_model_name(register)
    if alias:
        tracking.check_alias(alias)
    if reserved := sorted(_RESERVED & options.tags.keys()):
        raise InputError(f"--tag {reserved[0]}: this key is reserved. Choose another one.")

    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        tracking.check_client(environment.server, options.needs)
        tracking_server.require_running(session.client("sagemaker"), environment.server)
        _train_and_log(console, environment, session, options)


def _train_and_log(console: Console, environment: Environment, session: Session, options: Options) -> None:
    console.progress("loading MLflow and scikit-learn")
    tracking.prepare(os.environ)
    client = tracking.connect(environment.server, session, options.needs)
    from mlflow_platform.validation import charts
    from training import tables
    from training.record import record
    from training.train import train

    console.progress(f"training on {options.data[0] if options.data else options.dataset}")
    try:
        if options.data and isinstance(options.params, ForestParams):
            training = tables.train(*options.data, options.params)
        else:
            training = train(options.dataset, options.params)
    except ValueError as error:
        raise InputError(f"{error} Change --set.") from None
    with TemporaryDirectory() as folder:
        truth = training.split.held_out[training.split.target].to_numpy()
        charts.draw(training.fitted.task, truth, training.predictions, Path(folder))
        console.progress(f"logging to {environment.server.name}")
        began = time.monotonic()
        recorded = record(
            training,
            experiment_id=tracking.experiment_id(client, options.experiment),
            tags={**environment.tags, **options.tags},
            charts=Path(folder),
        )
    name, version = options.register, None
    if name:
        console.progress(f"registering {name}")
        version = tracking.register(
            client, name=name, model_uri=recorded.model_uri, run_id=recorded.run_id, alias=options.alias
        )
    seconds = time.monotonic() - began
    fragment = f"/experiments/{recorded.experiment_id}/runs/{recorded.run_id}"
    console.result(
        {
            "run_id": recorded.run_id,
            "experiment_id": recorded.experiment_id,
            **training.metrics,
            "logged_model": recorded.model_uri,
            "registered_model": name,
            "model_version": version,
            "alias": options.alias,
            "model_uri": f"models:/{name}/{version}" if version else None,
            "seconds_logging": round(seconds, 3),
            "ui_link": _link(console, session.client("sagemaker"), environment, fragment),
        }
    )


def _parameters(dataset: str, family: str | None, changes: list[str]) -> tuple[Dataset, Params]:
    name = next((known for known in DATASETS if known == dataset), None)
    if name is None:
        raise InputError(f"there is no data set {dataset!r}. --dataset takes {' or '.join(DATASETS)}.")
    family = family or DEFAULT_FAMILIES[name]
    if family not in FAMILIES:
        raise InputError(f"there is no model family {family!r}. --family takes {', '.join(FAMILIES)}.")
    if family == "xgboost" and name == "iris":
        raise InputError("the family xgboost is for regression. Use --family boosting or forest for iris.")
    return name, _changed(FAMILIES[family], changes)


def _changed(params: Params, changes: list[str]) -> Params:
    try:
        return with_changes(params, changes)
    except ValueError as error:
        raise InputError(f"--set: {error}") from None


def _link(console: Console, sagemaker: SageMakerClient, environment: Environment, fragment: str) -> str | None:
    """A link to the run in the UI. None, with a message, if the caller may not open the UI."""
    try:
        return tracking_server.ui_link(sagemaker, environment.server, fragment)
    except sagemaker.exceptions.ClientError as error:
        console.progress(f"no link to the UI was made: {error_message(error)}")
        return None


if __name__ == "__main__":
    run(app)
