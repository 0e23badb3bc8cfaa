"""Copies runs: parameters, tags, metric histories, inputs, outputs and files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from mlflow_transfer.context import CopyContext
from mlflow_transfer.copiers.artifacts import ArtifactCopier, FileSet
from mlflow_transfer.copiers.batch_writer import BatchWriter
from mlflow_transfer.copiers.experiments import ExperimentCopier
from mlflow_transfer.copiers.run_creator import RunCreator
from mlflow_transfer.fingerprints import run_fingerprint
from mlflow_transfer.histories import sums_of_both
from mlflow_transfer.limits import LONG_VALUES, adapt
from mlflow_transfer.links import Kind, Link, State
from mlflow_transfer.listings import Listings
from mlflow_transfer.prefetch import growing, prefetch
from mlflow_transfer.records import ACTIVE, DELETED, PARENT_RUN, Experiment, History, Run, point_key
from mlflow_transfer.restore_in_place import link_points
from mlflow_transfer.rewrite import rewrite_own_tags, split_tags
from mlflow_transfer.selection import Selection
from mlflow_transfer.sources.base import GROUP_RUNS

_RUNS_AT_ONCE = 24


@dataclass(frozen=True)
class Parts:
    """The collaborators of `RunCopier`, in addition to the context."""

    experiments: ExperimentCopier
    creator: RunCreator
    artifacts: ArtifactCopier
    selection: Selection
    listings: Listings


class RunCopier:
    """Copies the runs of experiments.

    The last batch of a run stores its fingerprint in a tag. A run without it is incomplete, and the next copy completes
    it.
    """

    def __init__(self, context: CopyContext, parts: Parts, recreated_models: set[str]) -> None:
        """Prepare to copy.

        Args:
            recreated_models: the destination's ids of logged models that were created again in an experiment that is
                the same on both sides.
        """
        self._context, self._parts, self._recreated = context, parts, recreated_models

    async def copy(self, experiment: Experiment) -> None:
        """Copy the runs of an experiment that are new or changed."""
        async with asyncio.TaskGroup() as tasks:
            slots = asyncio.Semaphore(_RUNS_AT_ONCE)

            async def write(run: Run, history: History) -> None:
                try:
                    await self._context.unless_refused(f"run {run.id}", self._write(run, history))
                finally:
                    slots.release()

            # Prefetch as many as one group has: a server returns the points of a group within seconds.
            async with aclosing(prefetch(self._unwritten(experiment), GROUP_RUNS)) as unwritten:
                async for run, history in unwritten:
                    await slots.acquire()
                    tasks.create_task(write(run, history))

    async def _unwritten(self, experiment: Experiment) -> AsyncGenerator[tuple[Run, History], None]:
        """The runs that are missing or different at the destination, with their points."""
        context, selection = self._context, self._parts.selection
        async for runs in self._parts.listings.runs(experiment.id):
            wanted = [run for run in runs if selection.moves(run)]
            context.progress.total("runs", len(wanted))
            # A parent may be copied after its child, for example if its experiment is selected later.
            parents = (run.tags.get(PARENT_RUN, "") for run in wanted if selection.is_unchanged(run))
            await self._parts.creator.ensure_all(one for one in parents if one)
            late = await self._gained_points(wanted) if context.options.thorough else frozenset[str]()
            todo = [run for run in wanted if run.id in late or not await self._is_complete(run)]
            for group in growing(todo, GROUP_RUNS):
                await context.source.link(group)
                async with aclosing(context.source.histories(group)) as histories:
                    async for run, history in histories:
                        yield run, history

    async def _gained_points(self, runs: Sequence[Run]) -> frozenset[str]:
        """The runs that appear unchanged but have points that are missing at the destination.

        Listings do not show a point that was logged for an earlier step than a metric's last one.
        """
        context, selection = self._context, self._parts.selection
        alike = [run for run in runs if selection.is_unchanged(run) and not selection.is_same(run)]
        alike = [run for run in alike if not selection.stays_deleted(run)]
        targets = {run.id: link.target for run in alike if (link := context.links.get(Kind.RUN, run.id)) is not None}
        there = {run.id: run for run in await context.destination.reader.runs_by_id(list(targets.values()))}
        pairs = [(run, there[targets[run.id]]) for run in alike if targets[run.id] in there]
        late = set()
        async with aclosing(
            sums_of_both(context.source, context.destination.reader, pairs, context.limits.takes_point)
        ) as both:
            async for run, _, ours, theirs in both:
                if any(theirs.get(key) != one for key, one in ours.items()):
                    late.add(run.id)
        return frozenset(late)

    async def _is_complete(self, run: Run) -> bool:
        """Whether a run has not changed since it was copied. This also checks its files."""
        context = self._context
        link = context.links.get(Kind.RUN, run.id)
        if link is not None and link.same_id:
            await self._restore_in_place(run, link)
            return True
        if link is None or not self._parts.selection.is_unchanged(run):
            return False
        context.links.put(Kind.RUN, replace(link, source_uri=run.artifact_uri))
        files = FileSet(f"run {run.id}", run.artifact_uri, link.target_uri, whole=True)
        await self._parts.artifacts.copy(files)
        context.summary.updated_one("runs", changed=False)
        context.progress.advance("runs")
        return True

    async def _write(self, run: Run, history: History) -> None:
        existing = self._context.links.get(Kind.RUN, run.id)
        link = await self._parts.creator.ensure(run)
        # Only a run that this process created is known to be empty.
        if existing is not None and existing.state is not State.EMPTY:
            await self._update(run, link, history)
            self._context.summary.updated_one("runs", changed=True)
        else:
            await self._fill(run, link, history)
            self._context.summary.created_one("runs")
        self._context.progress.advance("runs")

    async def _fill(self, run: Run, link: Link, history: History) -> None:
        """Write the whole content of a run that is still empty."""
        context = self._context
        fitting, long, losses = adapt(run, context.limits)
        context.summary.add_losses(losses)
        _, later = split_tags(fitting.tags, run.id, context.target)
        async with asyncio.TaskGroup() as tasks:
            files = tasks.create_task(self._copy_files(run, link, long))
            await self._log_links(fitting, link.target, present_outputs=frozenset())
            writer = BatchWriter(context, run, link.target, files)
            writer.tags(rewrite_own_tags(later, run.id, link.target, context.target))
            writer.params(fitting.params)
            await writer.write(history, context.scratch.model_points(run.id))
        await self._finish(run, link, ("RUNNING", None))

    async def _update(self, run: Run, link: Link, history: History) -> None:
        """Write what is missing or has changed, after an interrupted copy or a change of the source."""
        context, destination = self._context, self._context.destination
        target = await destination.runs.get(link.target)
        if target.lifecycle_stage == DELETED:
            await self._parts.experiments.revive(run.experiment_id)
            await destination.runs.set_stage(link.target, ACTIVE)
        fitting, long, losses = adapt(run, context.limits)
        context.summary.add_losses(losses)
        now, later = split_tags(fitting.tags, run.id, context.target)
        tags = {**now, **rewrite_own_tags(later, run.id, link.target, context.target)}
        update = context.strategy.update_run(target, tags, fitting.name)
        for key in () if context.lost.may_hide(run.id) else update.removed_tags:
            await destination.runs.untag(link.target, key)
        model_points = context.scratch.model_points(run.id)
        present = await destination.models.linked_points({one.model_id for one in model_points})
        missing = [one for one in model_points if (one.model_id, link.target, point_key(one.point)) not in present]
        try:
            for key in sorted({*target.latest, *run.latest}):
                async for chunk in destination.reader.history(link.target, key):
                    context.scratch.add_present(run.id, chunk)
            async with asyncio.TaskGroup() as tasks:
                files = tasks.create_task(self._copy_files(run, link, long))
                await self._log_links(fitting, link.target, frozenset(one for one, _ in target.model_outputs))
                writer = BatchWriter(context, run, link.target, files, existing=target)
                writer.tags(update.tags)
                writer.params({key: value for key, value in fitting.params.items() if key not in target.params})
                await writer.write(history, missing)
        finally:
            context.scratch.drop_present(run.id)
        name = update.name if update.name != target.name else None
        await self._finish(run, link, (target.status, target.end_time), name)

    async def _finish(self, run: Run, link: Link, present: tuple[str, int | None], name: str | None = None) -> None:
        destination = self._context.destination
        if (run.status, run.end_time) != present or name is not None:
            await destination.runs.update(link.target, run.status, run.end_time, name)
        if run.lifecycle_stage == DELETED:
            await destination.runs.set_stage(link.target, DELETED)
        whole = run_fingerprint(run, self._context.target)
        done = Link(
            run.id, link.target, run.artifact_uri, link.target_uri, State.WHOLE, whole, stage=run.lifecycle_stage
        )
        self._context.links.put(Kind.RUN, done)

    async def _log_links(self, run: Run, target: str, present_outputs: frozenset[str]) -> None:
        """Log the inputs and outputs of a run, as far as they exist at the destination."""
        context = self._context
        inputs = [model for one in run.model_inputs if (model := context.target(one))]
        outputs = [(model, step) for one, step in run.model_outputs if (model := context.target(one))]
        outputs = [(model, step) for model, step in outputs if model not in present_outputs]
        if not context.features.logged_models:
            inputs, outputs = [], []
        if run.inputs or inputs:
            await context.destination.runs.log_inputs(target, run.inputs, inputs)
        if outputs:
            await context.destination.runs.log_outputs(target, outputs)

    async def _copy_files(self, run: Run, link: Link, long: Mapping[str, str]) -> None:
        again = link.state is not State.EMPTY
        await self._parts.artifacts.copy(FileSet(f"run {run.id}", run.artifact_uri, link.target_uri, again=again))
        if long:
            content = json.dumps(long, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
            await self._parts.artifacts.write(link.target_uri, LONG_VALUES, content)

    # --- runs that are the same on both sides --------------------------------------------------------------------

    async def _restore_in_place(self, run: Run, link: Link) -> None:
        """Restore missing parts of a run that is the same on both sides: files, stage, links to recreated models."""
        context = self._context
        context.links.put(Kind.RUN, replace(link, source_uri=run.artifact_uri))
        if link.deleted:
            # Restoring its experiment restored all its runs.
            revived = self._parts.experiments.was_revived(run.experiment_id)
            if run.lifecycle_stage == ACTIVE and not revived:
                await context.destination.runs.set_stage(link.target, ACTIVE)
            elif run.lifecycle_stage == DELETED and revived:
                await context.destination.runs.set_stage(link.target, DELETED)
        await self._parts.artifacts.copy(FileSet(f"run {run.id}", run.artifact_uri, link.target_uri, same=True))
        await self._link_recreated_models(run)
        context.summary.updated_one("runs", changed=not self._parts.selection.is_unchanged(run))
        context.progress.advance("runs")

    async def _link_recreated_models(self, run: Run) -> None:
        """Link a run that is the same on both sides to its logged models that were created again."""
        if not self._recreated or run.lifecycle_stage == DELETED:
            return
        context = self._context
        await context.source.link([run])
        inputs = [one for one in run.model_inputs if context.target(one) in self._recreated]
        outputs = [(one, step) for one, step in run.model_outputs if context.target(one) in self._recreated]
        if inputs or outputs:
            (there,) = await context.destination.reader.runs_by_id([run.id])
            inputs = [one for one in inputs if context.target(one) not in there.model_inputs]
            present = frozenset(one for one, _ in there.model_outputs)
            await self._log_links(replace(run, inputs=[], model_inputs=inputs, model_outputs=outputs), run.id, present)
        points = [one for one in context.scratch.model_points(run.id) if one.model_id in self._recreated]
        context.summary.add_losses(await link_points(context.destination, run.id, points))
