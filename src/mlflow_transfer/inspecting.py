"""Counts the contents of a source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mlflow_transfer.losses import Loss, trace_losses
from mlflow_transfer.records import DELETED
from mlflow_transfer.selecting import all_experiments
from mlflow_transfer.sources.base import Source


@dataclass(frozen=True)
class Contents:
    """The contents of a source.

    Args:
        version: the version of MLflow; None if it is unknown.
        counts: the number of objects of each kind.
        losses: what exists and cannot be read.
    """

    version: str | None
    counts: dict[str, int]
    losses: list[Loss]


async def inspect(source: Source) -> Contents:
    """Count everything. Metric histories and files are not read."""
    counts: Counter[str] = Counter()
    losses: list[Loss] = []
    for experiment in await all_experiments(source):
        counts["experiments"] += 1
        counts["deleted experiments"] += experiment.lifecycle_stage == DELETED
        async for runs in source.runs(experiment.id):
            counts["runs"] += len(runs)
            counts["deleted runs"] += sum(run.lifecycle_stage == DELETED for run in runs)
            counts["metrics"] += sum(len(run.latest) for run in runs)
            counts["params"] += sum(len(run.params) for run in runs)
            counts["tags"] += sum(len(run.tags) for run in runs)
        async for models in source.logged_models(experiment.id):
            counts["logged models"] += len(models)
        async for traces in source.traces(experiment.id):
            counts["traces"] += len(traces)
            losses += [loss for trace in traces for loss in trace_losses(trace)]
    for model in await source.registered_models():
        counts["prompts" if model.is_prompt else "registered models"] += 1
        counts["model versions"] += len(model.versions)
    held = {what: count for what, count in counts.items() if count}
    found = source.losses()
    # A backup has recorded the losses of its traces already.
    known = {loss.place for loss in found}
    return Contents(source.version or None, held, [*found, *(loss for loss in losses if loss.place not in known)])
