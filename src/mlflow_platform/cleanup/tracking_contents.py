"""Reads from a tracking server what a clean-up judges: experiments, runs, logged models, registered versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError
from mlflow_platform.cleanup.references import References
from mlflow_platform.paging import all_results

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PAGE = 1000
# The server accepts at most this many experiments in one search.
_EXPERIMENTS_AT_ONCE = 100
# mlflow.entities.ViewType.ALL, without the import.
_ALL = 3
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class LoggedModel:
    """A logged model of MLflow 3: its id, the run that logged it, and its folder."""

    id: str
    run_id: str
    location: str


@dataclass
class Contents:
    """What a tracking server holds, deleted runs and experiments included. Experiments are names by id."""

    experiments: dict[str, str] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    models: dict[str, LoggedModel] = field(default_factory=dict)

    def models_of(self) -> dict[str, list[LoggedModel]]:
        """The logged models by the run that logged them."""
        found: dict[str, list[LoggedModel]] = {}
        for model in self.models.values():
            found.setdefault(model.run_id, []).append(model)
        return found

    def children_of(self) -> dict[str, list[str]]:
        """The ids of the child runs by that of their parent."""
        found: dict[str, list[str]] = {}
        for run in self.runs.values():
            if parent := run.data.tags.get(_PARENT):
                found.setdefault(parent, []).append(run.info.run_id)
        return found


def read_contents(client: MlflowClient) -> Contents:
    """Read experiments, runs and logged models."""
    experiments = {one.experiment_id: one.name for one in _all(client.search_experiments, view_type=_ALL)}
    found = Contents(experiments)
    ids = list(experiments)
    for start in range(0, len(ids), _EXPERIMENTS_AT_ONCE):
        some = ids[start : start + _EXPERIMENTS_AT_ONCE]
        for run in _all(client.search_runs, experiment_ids=some, run_view_type=_ALL):
            found.runs[run.info.run_id] = run
        for model in _logged_models(client, some):
            found.models[model.model_id] = LoggedModel(
                model.model_id, model.source_run_id or "", model.artifact_location
            )
    return found


def registered(client: MlflowClient) -> References:
    """Protect what every registered model version refers to; versions with an alias are named by it."""
    aliases: dict[tuple[str, str], str] = {}
    for model in _all(client.search_registered_models):
        for alias, version in model.aliases.items():
            aliases[model.name, str(version)] = alias
    references = References()
    found = list(_all(client.search_model_versions))
    # An alias is the better reason.
    for version in sorted(found, key=lambda one: (one.name, str(one.version)) not in aliases):
        alias = aliases.get((version.name, str(version.version)))
        which = f"models:/{version.name}/{version.version}" + (f" (@{alias})" if alias else "")
        references.add(f"registered as {which}", version.run_id, version.source, getattr(version, "model_id", None))
    return references


def experiment_ids(contents: Contents, wanted: frozenset[str]) -> set[str]:
    """The ids of the experiments with these names or ids; all of them if none is wanted.

    Raises:
        InputError: there is no such experiment, or one has the name and another one the id.
    """
    if not wanted:
        return set(contents.experiments)
    for name in sorted(wanted & set(contents.experiments)):
        other = next((id_ for id_, known in contents.experiments.items() if known == name and id_ != name), None)
        if other:
            raise InputError(
                f"{name!r} is the id of the experiment {contents.experiments[name]!r} and the name of the experiment "
                f"{other}. Give the other one of name and id."
            )
    found = {id_ for id_, name in contents.experiments.items() if id_ in wanted or name in wanted}
    missing = wanted - found - {contents.experiments[id_] for id_ in found}
    if missing:
        raise InputError(f"there is no experiment {min(missing)!r}. Give the name or the id of an experiment.")
    return found


def ended(run: Run) -> datetime:
    """When a run ended or, if that is not known or cannot be, started.

    Everybody who may write can set the end of any run, but not its start: an end in 1970 would make a new run old.
    """
    return datetime.fromtimestamp(max(run.info.end_time or 0, run.info.start_time or 0) / 1000, UTC)


def _logged_models(client: MlflowClient, experiments: list[str]) -> Iterator[Any]:
    from mlflow.exceptions import MlflowException

    try:
        yield from all_results(client.search_logged_models, experiment_ids=experiments)
    except MlflowException as error:
        # Servers of MLflow 2 have no such API. After another error, existing models would look like orphans.
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise


def _all(search: Any, **given: Any) -> Iterator[Any]:
    return all_results(search, max_results=_PAGE, **given)
