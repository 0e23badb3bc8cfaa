"""The MLflow client of an environment: how it is connected, and what is asked of the registry through it."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PreconditionError

if TYPE_CHECKING:
    from boto3 import Session
    from mlflow import MlflowClient

    from mlflow_platform.environment import TrackingServer

# The names that SageMaker gives model package groups and endpoints take no others; a model named otherwise
# would be registered in MLflow and silently stay out of SageMaker's registry.
_MODEL_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")

_QUIET = {
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own seven retries make a person wait four minutes for bad news; these take about half a minute.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}


def prepare(environ: MutableMapping[str, str]) -> None:
    """Set what MLflow reads from the environment, before it is imported. A person's own settings win."""
    for name, value in _QUIET.items():
        environ.setdefault(name, value)


def connect(server: TrackingServer, session: Session) -> MlflowClient:
    """A client of the environment's server and registry, which is from now on this process's one.

    The sagemaker-mlflow plugin signs each request for the server that the *global* tracking URI names, whatever
    URI the client itself was made with: here is the one place that sets it, and a process has one environment.
    Given a session, the plugin spares itself a new one for each request.
    """
    import mlflow
    import sagemaker_mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(server.arn)
    mlflow.set_registry_uri(server.arn)
    sagemaker_mlflow.set_session(session)
    return mlflow.MlflowClient()


def check_client(server: TrackingServer, client_version: str | None = None) -> None:
    """See that this machine's MLflow can log a model to the environment's server.

    MLflow 3 logs models through an API (`/logged-models`) that servers of MLflow 2 lack.

    Raises:
        PreconditionError: the server is too old.
    """
    client = client_version or version("mlflow")
    if int(client.split(".")[0]) >= 3 > int(server.mlflow_version.split(".")[0]):
        raise PreconditionError(
            f"{server.name} runs MLflow {server.mlflow_version}, to which MLflow {client} here "
            'cannot log a model: set mlflow_version = "3.0" and apply, or log with an MLflow 2 client'
        )


def check_model_name(name: str) -> None:
    """See that a registered model's name is one that SageMaker takes as well.

    Raises:
        InputError: it has other characters, or is too long.
    """
    if not _MODEL_NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a model: take at most 63 letters, digits and hyphens (SageMaker's registry "
            "and endpoints know no others)"
        )


def experiment_id(client: MlflowClient, name: str) -> str:
    """The id of the experiment with that name, which is created if there is none.

    Raises:
        InputError: it has been deleted; MLflow keeps the name.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Somebody else has created it since.
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        raise InputError(f"the experiment {name!r} has been deleted: restore it in the UI or give another name")
    return str(found.experiment_id)


def register(client: MlflowClient, *, name: str, model_uri: str, run_id: str, alias: str | None) -> str:
    """Make a logged model the next version of a registered model, and point an alias at it. Returns the version."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model_id = model_uri.removeprefix("models:/")
    created: Any = client.create_model_version(name, model_uri, run_id=run_id, model_id=model_id)
    if alias:
        client.set_registered_model_alias(name, alias, created.version)
    return str(created.version)
