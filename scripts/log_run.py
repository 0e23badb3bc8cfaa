"""Train a model and log everything about it to an environment's tracking server."""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import InputError, error_message
from mlflow_platform import tracking, tracking_server
from mlflow_platform.session import open_environment
from training.params import DATASETS, DEFAULTS, Dataset, Params, with_changes

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from mlflow_platform.environment import Environment

app = make_app()


@app.command()
def log_run(
    env: Env = "staging",
    local: Local = False,
    dataset: Annotated[str, typer.Option(help=f"What to train on: {' or '.join(DATASETS)}.")] = "iris",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a training parameter. May be repeated."),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="The experiment to log to. Default: the data set's name.")
    ] = None,
    register: Annotated[
        str | None, typer.Option(metavar="NAME", help="Register the model as the next version of NAME.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="Point this alias at the registered version (needs --register).")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A tag for the run. May be repeated.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Train a model and log parameters, metrics, data sets, charts and the model itself.

    With --register NAME and --alias ALIAS you can then run `deploy_model.py models:/NAME@ALIAS`.
    """
    name, params = _parameters(dataset, set_ or [])
    tags = _tags(tag or [])
    if alias and not register:
        raise InputError("--alias needs --register NAME: an alias belongs to a registered model")
    if register:
        tracking.check_model_name(register)

    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment, session = open_environment(env, local=local)
        tracking.check_client(environment.server)
        sagemaker = session.client("sagemaker")
        tracking_server.require_running(sagemaker, environment.server)

        console.progress("loading MLflow and scikit-learn")
        tracking.prepare(os.environ)
        client = tracking.connect(environment.server, session)
        from mlflow_platform.validation import charts
        from training.record import record
        from training.train import train

        console.progress(f"training on {dataset}")
        training = train(name, params)

        with TemporaryDirectory() as folder:
            truth = training.split.held_out[training.split.target].to_numpy()
            charts.draw(training.fitted.task, truth, training.predictions, Path(folder))
            console.progress(f"logging to {environment.server.name}")
            began = time.monotonic()
            recorded = record(
                training,
                experiment_id=tracking.experiment_id(client, experiment or dataset),
                tags={**environment.tags, **tags},
                charts=Path(folder),
            )
        version = None
        if register:
            console.progress(f"registering {register}")
            version = tracking.register(
                client, name=register, model_uri=recorded.model_uri, run_id=recorded.run_id, alias=alias
            )
        seconds = time.monotonic() - began
        link = _link(console, sagemaker, environment, f"/experiments/{recorded.experiment_id}/runs/{recorded.run_id}")
        console.result(
            {
                "run_id": recorded.run_id,
                "experiment_id": recorded.experiment_id,
                **training.metrics,
                "logged_model": recorded.model_uri,
                "registered_model": register,
                "model_version": version,
                "alias": alias,
                "model_uri": f"models:/{register}/{version}" if version else None,
                "seconds_logging": round(seconds, 3),
                "ui_link": link,
            }
        )


def _parameters(dataset: str, changes: list[str]) -> tuple[Dataset, Params]:
    name = next((known for known in DATASETS if known == dataset), None)
    if name is None:
        raise InputError(f"there is no data set {dataset!r}: --dataset takes {' or '.join(DATASETS)}")
    try:
        return name, with_changes(DEFAULTS[name], changes)
    except ValueError as error:
        raise InputError(f"--set: {error}") from None


def _tags(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for key, separator, _ in pairs:
        if not key or not separator:
            raise InputError(f"--tag takes KEY=VALUE, not {key!r}")
    return {key: value for key, _, value in pairs}


def _link(console: Console, sagemaker: SageMakerClient, environment: Environment, fragment: str) -> str | None:
    """A link to the run in the UI. None, with a message, if the caller may not open the UI."""
    try:
        return tracking_server.ui_link(sagemaker, environment.server, fragment)
    except sagemaker.exceptions.ClientError as error:
        console.progress(f"no link to the UI was made: {error_message(error)}")
        return None


if __name__ == "__main__":
    run(app)
