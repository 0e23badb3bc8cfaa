"""Which registered models go along when only some experiments are chosen."""

from __future__ import annotations

from collections.abc import Collection

from mlflow_transfer.records import RegisteredModel
from mlflow_transfer.sources.base import Source


async def registered_models(source: Source, experiment_ids: Collection[str] | None) -> list[RegisteredModel]:
    """All registered models; where experiments are chosen, those whose every version comes from one of them.

    A model is moved whole or not at all: its version numbers would not be its own otherwise.
    """
    models = await source.registered_models()
    if experiment_ids is None:
        return models
    runs = {version.run_id for model in models for version in model.versions}
    chosen = {run.id for run in await source.runs_by_id(sorted(runs - {""})) if run.experiment_id in experiment_ids}
    return [model for model in models if model.versions and {one.run_id for one in model.versions} <= chosen]
