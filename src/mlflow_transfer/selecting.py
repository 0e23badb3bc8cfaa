"""Reads the experiments of a source, and the registered models that belong to the chosen ones."""

from __future__ import annotations

from collections.abc import Collection

from mlflow_common.errors import PreconditionError
from mlflow_transfer.records import Experiment, RegisteredModel
from mlflow_transfer.sources.base import Source


async def all_experiments(source: Source) -> list[Experiment]:
    """All experiments of a source.

    Raises:
        PreconditionError: there are none. MLflow creates the first one itself, so this is another place, or the
            credentials may not read experiments.
    """
    found = [one async for one in source.experiments()]
    if not found and not source.losses():
        raise PreconditionError(
            f"{source.name} has no experiments, and MLflow always has one: check the place, and that these credentials "
            "may read experiments"
        )
    return found


async def registered_models(source: Source, experiment_ids: Collection[str] | None) -> list[RegisteredModel]:
    """All registered models, or those whose versions all come from the chosen experiments.

    A model is transferred completely or not at all, because its version numbers would differ otherwise.

    Args:
        experiment_ids: the chosen experiments; None means all.
    """
    models = await source.registered_models()
    if experiment_ids is None:
        return models
    runs = {version.run_id for model in models for version in model.versions}
    chosen = {run.id for run in await source.runs_by_id(sorted(runs - {""})) if run.experiment_id in experiment_ids}
    return [model for model in models if model.versions and {one.run_id for one in model.versions} <= chosen]
