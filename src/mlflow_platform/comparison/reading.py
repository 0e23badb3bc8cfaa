"""Read the runs of an experiment, or of a parent run, from a tracking server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError
from mlflow_platform.comparison.table import Row
from mlflow_platform.paging import all_results
from mlflow_platform.sweeps.journal import SETTINGS
from mlflow_platform.validation.table import listed

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE = 1000


def experiment_id(client: MlflowClient, name: str) -> str:
    """The id of an existing experiment.

    Raises:
        InputError: there is none of that name. The message names those that exist.
    """
    found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        known = sorted(experiment.name for experiment in all_results(client.search_experiments))
        raise InputError(f"there is no experiment {name!r}. There are {listed(known) or 'none'}.")
    return str(found.experiment_id)


def runs(client: MlflowClient, experiment: str, where: str = "") -> Iterator[Row]:
    """The runs of an experiment (its id) that match an MLflow filter, without deleted ones."""
    for run in all_results(client.search_runs, [experiment], where, max_results=_PAGE):
        info, data = run.info, run.data
        if SETTINGS in data.tags:
            # The parent run of a sweep is not a training run.
            continue
        yield Row(info.run_id, info.run_name or "", info.status, info.start_time, data.params, data.metrics)
