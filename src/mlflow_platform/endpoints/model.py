"""Finds a model's files from its URI: `models:/iris@champion`, `models:/m-…`, `runs:/…` or `s3://…`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PreconditionError
from mlflow_platform.compatibility.matrix import Operation
from mlflow_platform.environment import lies_in
from mlflow_platform.paging import all_results

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FORMS = (
    "models:/NAME@ALIAS, models:/NAME/VERSION, models:/NAME/latest, models:/NAME/STAGE, models:/m-ID, "
    "runs:/RUN_ID/PATH or s3://BUCKET/PATH"
)
_ALIASED = re.compile(r"models:/([^/@]+)@([^/@]+)")
_VERSIONED = re.compile(r"models:/([^/@]+)/([0-9]+)")
# The highest version, of all or in a stage, in any case (mlflow.store.artifact.utils.models, `_parse_model_uri`).
_LATEST = re.compile(r"models:/([^/@]+)/(latest|None|Staging|Production|Archived)", re.IGNORECASE)
# What log_model returns in MLflow 3 (mlflow.store.tracking, `_generate_model_id`).
_LOGGED = re.compile(r"models:/(m-[0-9a-f]{32})")
# A message names at most so many registered models.
_NAMED = 8
_IN_RUN = re.compile(r"runs:/([0-9a-f]{32})/(.+)")
_IN_S3 = re.compile(r"s3://([^/]+)/(.+)")
ARCHIVE_SUFFIX = ".tar.gz"
# The folder of a model that was logged to the root of a run's artifacts.
_RUN_ROOT = "."


@dataclass(frozen=True)
class Model:
    """A model that was found. `uri` does not change its meaning later: an alias is replaced by its version.

    `location` is the S3 URI of a model folder, or of a finished model.tar.gz.
    """

    uri: str
    location: str
    name: str | None = None
    version: str | None = None
    run_id: str | None = None

    def in_run(self, run_id: str | None) -> Model:
        """The same model, with the run that its own files name if nothing else has named one."""
        return self if self.run_id else replace(self, run_id=run_id)


def check_uri(uri: str) -> None:
    """Check that a URI has one of the forms that `find` knows, without asking a server.

    Raises:
        InputError: it does not.
    """
    if not any(form.fullmatch(uri) for form in (_ALIASED, _VERSIONED, _LATEST, _LOGGED, _IN_RUN, _IN_S3)):
        raise InputError(f"{uri!r} is not a model URI. Use {_FORMS}.")


def is_tracked(uri: str) -> bool:
    """Whether finding the model requires the tracking server."""
    return not uri.startswith("s3://")


def needs(uri: str) -> list[Operation]:
    """What an MLflow client must be able to do to find the model."""
    if uri.startswith("runs:/"):
        return ["runs", "list_artifacts"]
    if _LOGGED.fullmatch(uri):
        return ["logged_models"]
    return ["registry", "aliases"] if _ALIASED.fullmatch(uri) else ["registry"]


def registered_name(uri: str) -> str | None:
    """The registered model's name, if the URI contains one."""
    match = _ALIASED.fullmatch(uri) or _VERSIONED.fullmatch(uri) or _LATEST.fullmatch(uri)
    return match[1] if match else None


def find(uri: str, client: MlflowClient | None, stores: Sequence[str] | None = None) -> Model:
    """Find a model. `client` may be None for an S3 URI.

    With `stores`, a location that the server names must be in one of them. An S3 URI that the caller gives need not.

    Raises:
        InputError: there is no such model, alias, version, run or path.
        PreconditionError: the model's files are not in S3, or not in these stores.
    """
    check_uri(uri)
    if client is None or not is_tracked(uri):
        return Model(uri=uri, location=uri.rstrip("/"))
    if uri.startswith("runs:/"):
        model = _in_run(uri, client, stores)
    elif match := _LOGGED.fullmatch(uri):
        model = _logged(match[1], client)
    else:
        model = _registered(uri, client)
    if not model.location.startswith("s3://"):
        raise PreconditionError(
            f"the files of {uri} are stored at {model.location}, but an endpoint can only read S3. Log the model to an "
            "experiment whose artifacts are stored in S3."
        )
    check_location(model.uri, model.location, stores)
    return model


def check_location(uri: str, location: str, stores: Sequence[str] | None) -> None:
    """Check that a location that a server names is in one of the stores, unless any will do (None).

    Anyone who may register a model version can give it any source. An operator who deploys it would read that
    bucket with the operator's rights, and store a copy where others can read it.

    Raises:
        PreconditionError: it is not.
    """
    if stores is not None and location.startswith("s3://") and not lies_in(location, stores):
        raise PreconditionError(
            f"the files of {uri} are at {location}, outside of this environment's artifact stores "
            f"({', '.join(stores)}). If you trust that location, name the S3 URI itself as the model, or add its store "
            "to former_artifact_store_uris."
        )


def _registered(uri: str, client: MlflowClient) -> Model:
    from mlflow.exceptions import MlflowException

    try:
        if match := _ALIASED.fullmatch(uri):
            version = client.get_model_version_by_alias(match[1], match[2])
        else:
            name, number = _numbered(uri, client)
            version = client.get_model_version(name, number)
        location = client.get_model_version_download_uri(version.name, version.version)
    except MlflowException as error:
        # A server answers an unknown alias with INVALID_PARAMETER_VALUE, and everything else with the other code.
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


def _numbered(uri: str, client: MlflowClient) -> tuple[str, str]:
    """The name and the version of a URI without an alias."""
    match = _LATEST.fullmatch(uri)
    if match is None:
        name, number = uri.removeprefix("models:/").split("/")
        return name, number
    name, stage = match[1], match[2].lower()
    versions = _versions(name, client, None if stage == "latest" else stage)
    if not versions:
        # So that an unknown model is named as such.
        client.get_registered_model(name)
        raise InputError(f"the model {name} has no version" + ("." if stage == "latest" else f" in stage {match[2]}."))
    return name, str(versions[-1])


def _unknown(uri: str, client: MlflowClient) -> str:
    """Say what is unknown (the model, its alias or its version) and what exists instead."""
    from mlflow.exceptions import MlflowException

    name = registered_name(uri) or ""
    try:
        model = client.get_registered_model(name)
    except MlflowException:
        names = sorted(one.name for one in client.search_registered_models(max_results=_NAMED + 1))
        known = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "") or "none"
        return (
            f"there is no registered model {name!r} (there are: {known}). Register one with "
            "`.venv/bin/python scripts/log_run.py --register NAME`."
        )
    if match := _ALIASED.fullmatch(uri):
        known = ", ".join(sorted(model.aliases)) or "no alias yet"
        return f"the model {name} has no alias {match[2]!r} (it has: {known})."
    versions = _versions(name, client)
    match versions:
        case []:
            known = "none"
        case [only]:
            known = f"version {only}"
        case [first, *_, last]:
            known = f"versions {first} to {last}"
    return f"the model {name} has no version {uri.rpartition('/')[2]} (it has: {known})."


def _versions(name: str, client: MlflowClient, stage: str | None = None) -> list[int]:
    """The numbers of a model's versions, of all or of those in a stage (in lower case), in order."""
    # MLflow's filters have no escape: a name is quoted with the quotes that it does not contain itself.
    quote = '"' if "'" in name else "'"
    found = all_results(client.search_model_versions, f"name = {quote}{name}{quote}")
    in_stage = [version for version in found if stage is None or version.current_stage.lower() == stage]
    return sorted(int(version.version) for version in in_stage)


def _logged(model_id: str, client: MlflowClient) -> Model:
    from mlflow.exceptions import MlflowException

    try:
        found: Any = client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise InputError(f"there is no logged model {model_id}.") from None
    return Model(uri=f"models:/{model_id}", location=found.artifact_location, run_id=found.source_run_id or None)


def _in_run(uri: str, client: MlflowClient, stores: Sequence[str] | None) -> Model:
    from mlflow.exceptions import MlflowException

    run_id, given = uri.removeprefix("runs:/").split("/", 1)
    path = posixpath.normpath(given).lstrip("/") or _RUN_ROOT
    if ".." in path.split("/"):
        raise InputError(f"the path {given!r} leads out of the run's artifacts. Name a folder below them.")
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise InputError(f"there is no run {run_id}.") from None
    # MLflow 3 stores a run's models beside the run, MLflow 2 among its artifacts.
    outputs = run.outputs.model_outputs if run.outputs else []
    logged = [client.get_logged_model(output.model_id) for output in outputs]
    # If several models have one name, such as the checkpoints of a training, the newest counts, as for MLflow.
    models = {model.name: model for model in sorted(logged, key=lambda model: int(model.creation_timestamp))}
    if path in models:
        return Model(uri=uri, location=models[path].artifact_location, run_id=run_id)
    root = run.info.artifact_uri.rstrip("/")
    check_location(uri, root, stores)
    folder, mlmodel = (None, "MLmodel") if path == _RUN_ROOT else (path, f"{path}/MLmodel")
    if any(file.path == mlmodel for file in client.list_artifacts(run_id, folder)):
        return Model(uri=uri, location=f"{root}/{folder}" if folder else root, run_id=run_id)
    known = ", ".join(sorted(models)) or "none"
    raise InputError(f"the run {run_id} has no model {path!r} (it has: {known}).")
