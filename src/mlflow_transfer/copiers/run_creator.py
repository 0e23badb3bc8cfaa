"""Creates runs at the destination, each exactly once and after its parent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from mlflow_transfer.context import CopyContext
from mlflow_transfer.copiers.experiments import ExperimentCopier
from mlflow_transfer.limits import adapt
from mlflow_transfer.links import Kind, Link, State
from mlflow_transfer.records import PARENT_RUN, Run
from mlflow_transfer.rewrite import split_tags
from mlflow_transfer.selection import Selection


class RunCreator:
    """Creates a run at the destination for each run of the source. The run may be empty at first."""

    def __init__(self, context: CopyContext, experiments: ExperimentCopier, selection: Selection) -> None:
        self._context, self._experiments, self._selection = context, experiments, selection
        self._creating: dict[str, asyncio.Task[Link]] = {}
        # The runs whose creation waits for the creation of their parent.
        self._awaited: dict[str, str] = {}

    async def ensure_all(self, ids: Iterable[str]) -> None:
        """Create the runs that the destination does not have."""
        unknown = [one for one in dict.fromkeys(ids) if self._context.links.get(Kind.RUN, one) is None]
        for run in await self._context.source.runs_by_id(unknown):
            if self._experiments.exists(run.experiment_id) and self._selection.moves(run):
                await self._context.unless_refused(f"run {run.id}", self.ensure(run))

    async def ensure(self, run: Run) -> Link:
        """The run's link. Several tasks may call this concurrently; one of them creates the run."""
        link = self._context.links.get(Kind.RUN, run.id)
        if link is not None and link.source_uri:
            return link
        task = self._creating.get(run.id)
        if task is None:
            task = self._creating[run.id] = asyncio.create_task(self._create(run))
            task.add_done_callback(lambda _: self._creating.pop(run.id, None))
        return await asyncio.shield(task)

    async def _create(self, run: Run) -> Link:
        context = self._context
        link = context.links.get(Kind.RUN, run.id)
        if link is None:
            parent = run.tags.get(PARENT_RUN)
            if parent and not self._waits_for(parent, run.id):
                self._awaited[run.id] = parent
                try:
                    await self.ensure_all([parent])
                finally:
                    del self._awaited[run.id]
            fitting, _, _ = adapt(run, context.limits)
            now, _ = split_tags(fitting.tags, run.id, context.target)
            experiment_id = await self._experiments.revive(run.experiment_id)
            created = await context.destination.runs.create(fitting, experiment_id, now)
            link = Link(run.id, created.id, "", created.artifact_uri, State.EMPTY)
        link = replace(link, source_uri=run.artifact_uri)
        context.links.put(Kind.RUN, link)
        return link

    def _waits_for(self, run_id: str, other: str) -> bool:
        """Whether a run, directly or through its parents, waits for the other one. The parent tags can form a cycle."""
        while run_id != other and run_id in self._awaited:
            run_id = self._awaited[run_id]
        return run_id == other
