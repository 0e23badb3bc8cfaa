"""Where a model lies: from what people call it (`models:/iris@champion`, `runs:/…`, `s3://…`) to its files."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError, PreconditionError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN_ID/PATH or s3://BUCKET/PATH"
_ALIASED = re.compile(r"models:/([^/@]+)@([^/@]+)")
_VERSIONED = re.compile(r"models:/([^/@]+)/([0-9]+)")
_IN_RUN = re.compile(r"runs:/([0-9a-f]{32})/(.+)")
_IN_S3 = re.compile(r"s3://([^/]+)/(.+)")
ARCHIVE_SUFFIX = ".tar.gz"


@dataclass(frozen=True)
class Model:
    """A model found. `uri` names it for good: an alias has become the version that it pointed at.

    `location` is the S3 URI of a model folder, or of a finished model.tar.gz.
    """

    uri: str
    location: str
    name: str | None = None
    version: str | None = None
    run_id: str | None = None

    def in_run(self, run_id: str | None) -> Model:
        """The same model, with the run that its own files name where nothing else has."""
        return self if self.run_id else replace(self, run_id=run_id)


def check_uri(uri: str) -> None:
    """See that a URI has one of the forms that `find` knows, before anything is asked.

    Raises:
        InputError: it has not.
    """
    if not any(form.fullmatch(uri) for form in (_ALIASED, _VERSIONED, _IN_RUN, _IN_S3)):
        raise InputError(f"{uri!r} is not a model: give {_FORMS}")


def is_tracked(uri: str) -> bool:
    """Whether finding the model takes the tracking server."""
    return not uri.startswith("s3://")


def registered_name(uri: str) -> str | None:
    """The registered model's name, if the URI has one."""
    match = _ALIASED.fullmatch(uri) or _VERSIONED.fullmatch(uri)
    return match[1] if match else None


def find(uri: str, client: MlflowClient | None) -> Model:
    """Find a model. `client` may be None for an S3 URI.

    Raises:
        InputError: no such model, alias, version, run or path.
        PreconditionError: its files do not lie in S3.
    """
    check_uri(uri)
    if client is None or not is_tracked(uri):
        return Model(uri=uri, location=uri.rstrip("/"))
    model = _in_run(uri, client) if uri.startswith("runs:/") else _registered(uri, client)
    if not model.location.startswith("s3://"):
        raise PreconditionError(f"the files of {uri} lie at {model.location}, and an endpoint reads S3 only")
    return model


def _registered(uri: str, client: MlflowClient) -> Model:
    from mlflow.exceptions import MlflowException

    try:
        if match := _ALIASED.fullmatch(uri):
            version = client.get_model_version_by_alias(match[1], match[2])
        else:
            name, number = uri.removeprefix("models:/").split("/")
            version = client.get_model_version(name, number)
        location = client.get_model_version_download_uri(version.name, version.version)
    except MlflowException as error:
        # A server answers an unknown alias with INVALID_PARAMETER_VALUE, and the rest with the other.
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        raise InputError(_unknown(uri, client)) from None
    return Model(
        uri=f"models:/{version.name}/{version.version}",
        location=location,
        name=version.name,
        version=str(version.version),
        run_id=version.run_id or None,
    )


def _unknown(uri: str, client: MlflowClient) -> str:
    """What exactly is unknown: the model, its alias or its version, and what there is instead."""
    from mlflow.exceptions import MlflowException

    name = registered_name(uri) or ""
    try:
        model = client.get_registered_model(name)
    except MlflowException:
        return f"there is no registered model {name!r}: log one with `log_run.py --register {name}`"
    if match := _ALIASED.fullmatch(uri):
        known = ", ".join(sorted(model.aliases)) or "no alias yet"
        return f"the model {name} has no alias {match[2]!r} (it has: {known})"
    versions = sorted(int(found.version) for found in client.search_model_versions(f"name = '{name}'"))
    match versions:
        case []:
            known = "none"
        case [only]:
            known = f"version {only}"
        case [first, *_, last]:
            known = f"versions {first} to {last}"
    return f"the model {name} has no version {uri.rpartition('/')[2]} (it has: {known})"


def _in_run(uri: str, client: MlflowClient) -> Model:
    from mlflow.exceptions import MlflowException

    run_id, path = uri.removeprefix("runs:/").split("/", 1)
    path = path.rstrip("/")
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise InputError(f"there is no run {run_id}") from None
    # MLflow 3 keeps a run's models beside the run, MLflow 2 among its artifacts.
    outputs = run.outputs.model_outputs if run.outputs else []
    models = {model.name: model for model in (client.get_logged_model(out.model_id) for out in outputs)}
    if path in models:
        return Model(uri=uri, location=models[path].artifact_location, run_id=run_id)
    if any(file.path == f"{path}/MLmodel" for file in client.list_artifacts(run_id, path)):
        return Model(uri=uri, location=f"{run.info.artifact_uri.rstrip('/')}/{path}", run_id=run_id)
    known = ", ".join(sorted(models)) or "none"
    raise InputError(f"the run {run_id} has no model {path!r} (it has: {known})")
