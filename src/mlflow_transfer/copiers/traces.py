"""Copies traces: the record, its tags, and its spans if they are stored as a file."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from mlflow_transfer.context import CopyContext
from mlflow_transfer.copiers.artifacts import ArtifactCopier, FileSet
from mlflow_transfer.copiers.experiments import ExperimentCopier
from mlflow_transfer.fitting import fit_trace
from mlflow_transfer.links import Kind, Link
from mlflow_transfer.losses import trace_losses
from mlflow_transfer.records import Experiment, Trace, without_own_tags
from mlflow_transfer.rewrite import rewrite_ids
from mlflow_transfer.selection import Selection


class TraceCopier:
    """Copies the traces of experiments."""

    def __init__(
        self, context: CopyContext, experiments: ExperimentCopier, artifacts: ArtifactCopier, selection: Selection
    ) -> None:
        self._context, self._experiments = context, experiments
        self._artifacts, self._selection = artifacts, selection

    async def copy(self, experiment: Experiment) -> None:
        """Copy the traces of an experiment that are new or changed."""
        async for traces in self._context.source.traces(experiment.id):
            self._context.progress.total("traces", len(traces))
            async with asyncio.TaskGroup() as tasks:
                for trace in traces:
                    tasks.create_task(self._context.unless_refused(f"trace {trace.id}", self._copy(trace)))

    async def _copy(self, trace: Trace) -> None:
        summary = self._context.summary
        link = self._context.links.get(Kind.TRACE, trace.id)
        summary.add_losses(trace_losses(trace))
        trace, losses = fit_trace(trace, self._context.limits)
        summary.add_losses(losses)
        if link is not None and link.same_id:
            await self._artifacts.copy(FileSet(f"trace {trace.id}", trace.artifact_uri, link.target_uri, same=True))
            summary.updated_one("traces", changed=False)
        elif link is not None and not self._selection.lacks_trace(trace):
            summary.updated_one("traces", changed=False)
        elif link is not None and link.whole:
            await self._change_tags(trace, link)
            summary.updated_one("traces", changed=True)
        else:
            if link is not None and trace.own_fields:
                # Only the call that creates a trace sets these fields, and the source may have got them since.
                experiment_id = await self._experiments.revive(trace.experiment_id)
                await self._context.destination.traces.delete(experiment_id, link.target)
                link = None
            await self._fill(trace, link or await self._create(trace))
            summary.created_one("traces")
        self._context.progress.advance("traces")

    async def _create(self, trace: Trace) -> Link:
        context = self._context
        metadata = {
            key: rewrite_ids(value, context.target) if key.startswith("mlflow.") else value
            for key, value in trace.metadata.items()
        }
        experiment_id = await self._experiments.revive(trace.experiment_id)
        plain = replace(trace, tags=without_own_tags(trace.tags))
        created = await context.destination.traces.create(plain, experiment_id, metadata)
        link = Link(trace.id, created.id, trace.artifact_uri, created.artifact_uri)
        context.links.put(Kind.TRACE, link)
        return link

    async def _fill(self, trace: Trace, link: Link) -> None:
        """Copy the spans, and end the trace. The trace may exist from an interrupted copy."""
        await self._artifacts.copy(FileSet(f"trace {trace.id}", trace.artifact_uri, link.target_uri))
        if trace.status != "IN_PROGRESS":
            await self._context.destination.traces.end(link.target, trace)

    async def _change_tags(self, trace: Trace, link: Link) -> None:
        """Set and remove tags. Nothing else of a trace changes after its end."""
        destination = self._context.destination
        there = without_own_tags((await destination.traces.get(link.target)).tags)
        wanted = without_own_tags(trace.tags)
        for key in () if self._context.lost.may_hide(trace.id) else there.keys() - wanted.keys():
            await destination.traces.untag(link.target, key)
        for key, value in wanted.items():
            if there.get(key) != value:
                await destination.traces.tag(link.target, key, value)
