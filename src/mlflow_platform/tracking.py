"""The MLflow client of a tracking server: connecting it, and the experiments and models used through it."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.compatibility import matrix as compatibility
from mlflow_platform.compatibility.matrix import Matrix, Operation

if TYPE_CHECKING:
    from boto3 import Session
    from mlflow import MlflowClient

    from mlflow_platform.environment import TrackingServer

# SageMaker's names of model package groups and endpoints. A model with any other name would be registered in MLflow,
# but silently be missing from SageMaker's registry.
_MODEL_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
# MLflow's rules for aliases (mlflow/utils/validation.py).
_ALIAS, _NO_ALIAS = re.compile(r"[\w-]{1,255}"), re.compile(r"latest|v\d+", re.IGNORECASE)

_QUIET = {
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's default of seven retries takes four minutes to fail; this takes about half a minute.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}


def prepare(environ: MutableMapping[str, str]) -> None:
    """Set the variables that MLflow reads when it is imported. The user's own settings take precedence."""
    for name, value in _QUIET.items():
        environ.setdefault(name, value)


def connect(server: TrackingServer, session: Session, needs: Iterable[Operation]) -> MlflowClient:
    """Connect this process to a tracking server and its registry, and return a client for these operations.

    The sagemaker-mlflow plugin signs every request for the server of the *global* tracking URI, whatever URI a client
    was created with. Only this function sets it, and a process uses one environment. With a session given, the plugin
    does not create a new one for each request.

    Raises:
        PreconditionError: this machine's MLflow cannot do one of the operations with the server.
    """
    check_client(server, needs)
    not_in_databricks()
    import mlflow
    import sagemaker_mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(server.arn)
    mlflow.set_registry_uri(server.arn)
    sagemaker_mlflow.set_session(session)
    return mlflow.MlflowClient()


def not_in_databricks() -> None:
    """Tell MLflow that Databricks' runtime is not installed, unless it is.

    MLflow tries to import it several times for each request and each run. Without an entry in `sys.modules`, each of
    these looks through all folders of `sys.path`: a fifth of the processor time of a small request.
    Source: https://docs.python.org/3/reference/import.html#the-module-cache
    """
    if "dbruntime" not in sys.modules and find_spec("dbruntime") is None:
        sys.modules["dbruntime"] = None  # type: ignore[assignment]


def check_client(
    server: TrackingServer,
    needs: Iterable[Operation],
    client_version: str | None = None,
    matrix: Matrix | None = None,
) -> None:
    """Check with the measured matrix that this machine's MLflow can do these operations with the server.

    For example, MLflow 3 logs models through an API (`/logged-models`) that MLflow 2 servers do not have.

    Raises:
        PreconditionError: it cannot.
    """
    client, measured, wanted = client_version or version("mlflow"), matrix or compatibility.load(), list(needs)
    unable = measured.unable(client, server.mlflow_version, wanted)
    if not unable:
        return
    raise PreconditionError(
        f"{server.name} runs MLflow {server.mlflow_version}, and the MLflow {client} on this machine cannot "
        f"{', '.join(measured.described(one) for one in unable)} there. "
        f"{measured.repair(server.mlflow_version, wanted, server.environment.make_options)}."
    )


def check_model_name(name: str) -> None:
    """Check that SageMaker accepts a registered model's name too.

    Raises:
        InputError: it has other characters, or is too long.
    """
    if not _MODEL_NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a valid model name. Name it with --register: at most 63 letters, digits and hyphens, as "
            "SageMaker's registry and endpoints require."
        )


def check_alias(alias: str) -> None:
    """Check that MLflow accepts an alias of a model version, before a model is trained for it.

    Raises:
        InputError: it does not.
    """
    if not _ALIAS.fullmatch(alias) or _NO_ALIAS.fullmatch(alias):
        raise InputError(
            f"{alias!r} is not a valid alias. Use at most 255 letters, digits, hyphens and underscores, but neither "
            "`latest` nor a version such as `v1`."
        )


def experiment_id(client: MlflowClient, name: str) -> str:
    """Return the id of the experiment with that name. It is created if it does not exist.

    Raises:
        InputError: it has been deleted. MLflow does not release the name.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Another process has created it meanwhile.
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        raise InputError(f"the experiment {name!r} has been deleted. Restore it in the UI or choose another name.")
    return str(found.experiment_id)


def register(client: MlflowClient, *, name: str, model_uri: str, run_id: str, alias: str | None) -> str:
    """Register a logged model as the next version of a registered model, and set an alias. Returns the version."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # A model of MLflow 2 is a folder of its run and has no id.
    model_id = model_uri.removeprefix("models:/") if model_uri.startswith("models:/") else None
    created: Any = client.create_model_version(name, model_uri, run_id=run_id, model_id=model_id)
    if alias:
        client.set_registered_model_alias(name, alias, created.version)
    return str(created.version)
