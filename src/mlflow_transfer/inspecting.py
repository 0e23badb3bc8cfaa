"""What a place holds, counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mlflow_transfer.records import DELETED
from mlflow_transfer.source import Source


async def inspect(source: Source) -> dict[str, Any]:
    """Count everything; histories and files are not read.

    Returns:
        The version and the counts.
    """
    counts: Counter[str] = Counter()
    async for experiment in source.experiments():
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
    for model in await source.registered_models():
        counts["prompts" if model.is_prompt else "registered models"] += 1
        counts["model versions"] += len(model.versions)
    return {"version": source.version or None, "holds": {what: count for what, count in counts.items() if count}}
