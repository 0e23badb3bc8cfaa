"""Copies the traces of an experiment: the record, its tags, and its spans where those are a file."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_transfer.checkpoint import Link
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import Experiment, Trace, digest, without_own_tags
from mlflow_transfer.rewrite import rewrite_ids

if TYPE_CHECKING:
    from mlflow_transfer.copying import Copying

TRACE = "trace"
# Since MLflow 3.5 a server may keep a trace's spans in its database, and says so (mlflow/tracing/constant.py).
_SPANS = "mlflow.trace.spansLocation"
_IN_DATABASE = "TRACKING_STORE"


class Traces:
    """The traces of one copy."""

    def __init__(self, copying: Copying) -> None:
        self._copying = copying

    async def copy(self, experiment: Experiment) -> None:
        """Copy what is new or changed."""
        async for traces in self._copying.source.traces(experiment.id):
            self._copying.progress.total("traces", len(traces))
            async with asyncio.TaskGroup() as tasks:
                for trace in traces:
                    tasks.create_task(self._copy(trace))

    async def _copy(self, trace: Trace) -> None:
        copying, summary = self._copying, self._copying.summary
        known = copying.checkpoint.get(TRACE, trace.id)
        summary.losses += losses_of(trace)
        if known is not None and known.own:
            await copying.copy_artifacts(trace.artifact_uri, known.target_uri, again=True, own=True)
            summary.count(summary.unchanged, "traces")
        elif known is not None and not copying.lacks(TRACE, trace.id, trace_state(trace)):
            summary.count(summary.unchanged, "traces")
        elif known is not None and known.state:
            await self._change(trace, known)
            summary.count(summary.changed, "traces")
        else:
            await self._make(trace, known)
            summary.count(summary.created, "traces")
        copying.progress.advance("traces")

    async def _make(self, trace: Trace, known: Link | None) -> None:
        """Create a trace, or complete one whose copy broke off."""
        copying = self._copying
        if known is None:
            metadata = {
                key: rewrite_ids(value, copying.checkpoint.target) if key.startswith("mlflow.") else value
                for key, value in trace.metadata.items()
            }
            experiment = await copying.revive(trace.experiment_id)
            plain = replace(trace, tags=without_own_tags(trace.tags))
            created = await copying.destination.create_trace(plain, experiment.target, metadata)
            known = Link(trace.id, created.id, trace.artifact_uri, created.artifact_uri)
            copying.checkpoint.put(TRACE, known)
        await copying.copy_artifacts(trace.artifact_uri, known.target_uri, again=True)
        if trace.status != "IN_PROGRESS":
            await copying.destination.end_trace(known.target, trace)

    async def _change(self, trace: Trace, known: Link) -> None:
        """Bring tags that were set or deleted since; a trace that has ended changes in nothing else."""
        destination = self._copying.destination
        there = without_own_tags((await destination.trace(known.target)).tags)
        wanted = without_own_tags(trace.tags)
        for key in there.keys() - wanted.keys():
            await destination.untag_trace(known.target, key)
        for key, value in wanted.items():
            if there.get(key) != value:
                await destination.tag_trace(known.target, key, value)


def trace_state(trace: Trace) -> str:
    """How far a trace is: empty until it has ended, else what changes with its status and tags."""
    if trace.status == "IN_PROGRESS":
        return ""
    return f"{trace.status} {digest(sorted(without_own_tags(trace.tags).items()))}"


def losses_of(trace: Trace) -> list[Loss]:
    """What of a trace is not moved."""
    if trace.tags.get(_SPANS) != _IN_DATABASE:
        return []
    return [Loss(f"trace {trace.id}", "its spans are in the source's database, which its API does not let out")]
