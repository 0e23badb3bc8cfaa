"""Copies a source into a destination: only what is new or changed, in an order that may stop anywhere.

Order: experiments, logged models (each after the run that made it), runs, traces, registered models, deletions.
A run gets its fingerprint, in a tag, with its last batch: without it the run is not whole, and is completed next time.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TypeVar

from mlflow_transfer.artifacts import can_list_in_bulk, checksum, copy_file, listing_digest, owned
from mlflow_transfer.batches import Batch, Batches
from mlflow_transfer.checkpoint import Checkpoint, Link
from mlflow_transfer.destination import STATUS_NUMBERS, Destination
from mlflow_transfer.histories import sums_of_both
from mlflow_transfer.limits import LONG_VALUES, Limits, adapt
from mlflow_transfer.listings import Listings
from mlflow_transfer.losses import Loss
from mlflow_transfer.options import Options
from mlflow_transfer.prefetch import ahead, growing
from mlflow_transfer.progress import Progress, Tally
from mlflow_transfer.records import (
    ACTIVE,
    DELETED,
    FINGERPRINT,
    MODEL_VERSIONS,
    PARENT_RUN,
    RUN_NAME,
    SOURCE_ID,
    SOURCE_TIME,
    Experiment,
    History,
    LoggedModel,
    ModelPoint,
    Point,
    RegisteredModel,
    Run,
    digest,
    fingerprint,
    point_key,
    without_own_tags,
)
from mlflow_transfer.registry import Registry
from mlflow_transfer.restore_in_place import same_experiment, tie_points
from mlflow_transfer.rewrite import rewrite_ids, split_tags
from mlflow_transfer.selecting import registered_models
from mlflow_transfer.source import GROUP_RUNS, Features, Source
from mlflow_transfer.stores import Item, Proxy, Store
from mlflow_transfer.tasks import first_error
from mlflow_transfer.traces import TRACE, Traces, trace_state

EXPERIMENT, RUN, MODEL = "experiment", "run", "model"
_RUNS_AT_ONCE = 24
_SEARCHED_AT_ONCE = 100
_LISTED_AT_ONCE = 5000

T = TypeVar("T")
_Key = tuple[str, str, int, int]


@dataclass
class Summary:
    """What was done."""

    created: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)

    def count(self, kind: dict[str, int], what: str) -> None:
        """One more."""
        kind[what] = kind.get(what, 0) + 1


class Copying:
    """One copy. `run` does it all."""

    def __init__(
        self,
        source: Source,
        destination: Destination,
        checkpoint: Checkpoint,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.source, self.destination, self.checkpoint = source, destination, checkpoint
        self.options = options or Options()
        self.progress: Progress = progress or Tally()
        self.summary = Summary()
        self.limits = Limits.of(destination.reader.version)
        self._creating: dict[str, asyncio.Task[Link]] = {}
        self._experiments: dict[str, Link] = {}
        self._present: dict[str, Experiment] = {}
        # Experiments that both sides have as the very same, and logged models in them that had to be made anew.
        self._same: set[str] = set()
        self._made: set[str] = set()
        self._remade: set[str] = set()
        self._listed: dict[str, asyncio.Task[None]] = {}
        self._referenced: set[str] = set()
        # What the destination has twice of one thing: the kind, the lesser copy, and its experiment there.
        self._twins: list[tuple[str, Link, str]] = []
        # Runs whose creation waits for their parent's.
        self._awaited: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(self.options.threads, thread_name_prefix="artifact")
        self.both = Features(logged_models=False, traces=False, prompts=False)
        self.experiments: list[Experiment] = []
        self.registered: list[RegisteredModel] = []
        self.listings = Listings(source)
        self._prepared = False
        self._stopping = False

    async def run(self) -> Summary:
        """Copy everything.

        Raises:
            PlatformError: something stood in the way for good; what was done stays and the next run goes on from it.
        """
        try:
            await self._copy()
        except BaseExceptionGroup as group:
            raise first_error(group) from group
        finally:
            self._stopping = True
            self._threads.shutdown(wait=True, cancel_futures=True)
        return self.summary

    async def prepare(self) -> None:
        """Learn what there is to copy and what the destination has of it already. Writes nothing."""
        ours, theirs = await asyncio.gather(self.source.features(), self.destination.reader.features())
        self.both = Features(
            ours.logged_models and theirs.logged_models, ours.traces and theirs.traces, ours.prompts and theirs.prompts
        )
        self.experiments = self.options.chosen([one async for one in self.source.experiments()], self.source.name)
        chosen = {one.id for one in self.experiments} if self.options.experiments else None
        self.registered = await registered_models(self.source, chosen)
        self._referenced = {one.run_id for model in self.registered for one in model.versions if one.run_id}
        try:
            # What both sides have, read at once.
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.rebuild(self.experiments))
                tasks.create_task(self.listings.read(experiment.id for experiment in self.experiments))
        except BaseExceptionGroup as group:
            raise first_error(group) from group
        self._prepared = True

    async def _copy(self) -> None:
        if not self._prepared:
            await self.prepare()
        await self._remove_twins()
        experiments = self.experiments
        self.progress.total("experiments", len(experiments))
        for experiment in experiments:
            await self._ensure_experiment(experiment)
        if self.both.logged_models:
            for experiment in experiments:
                await self._copy_models(experiment)
        for experiment in experiments:
            await self._copy_runs(experiment)
            self.progress.advance("experiments")
        if self.both.traces:
            for experiment in experiments:
                await Traces(self).copy(experiment)
        registered = [model for model in self.registered if self.both.prompts or not model.is_prompt]
        registry = Registry(
            self.destination, self.checkpoint, self.summary, self.progress, additive=self.options.additive
        )
        await registry.copy(registered)
        for experiment in experiments:
            await self._settle_stage(experiment)
        if self.destination.unsure:
            # A create whose answer was lost may have been carried out after it was looked for.
            await self.rebuild(experiments)
            await self._remove_twins()

    # --- what the destination has already ------------------------------------------------------------------------

    async def rebuild(self, experiments: Sequence[Experiment]) -> None:
        """Fill the checkpoint from the destination's tags, and note what it has twice.

        In an experiment that both sides have as the same one, ids are the same too.
        """
        names = {experiment.name: experiment for experiment in experiments}
        ids = {experiment.id: experiment for experiment in experiments}
        for kind in (EXPERIMENT, RUN, MODEL, TRACE):
            self.checkpoint.forget(kind)
        renamed: dict[str, Experiment] = {}
        async for found in self.destination.reader.experiments():
            original = ids.get(found.tags.get(SOURCE_ID, ""))
            if found.id in ids and same_experiment(ids[found.id], found):
                self._same.add(found.id)
                self._link_experiment(ids[found.id], found)
            elif found.name in names and names[found.name].id not in self._same:
                self._link_experiment(names[found.name], found)
            elif original is not None and found.tags.get(SOURCE_TIME) == str(original.creation_time):
                renamed[original.id] = found
        for experiment_id, found in renamed.items():
            if experiment_id not in self._experiments:
                self._link_experiment(ids[experiment_id], found)
        for experiment_id in self._same:
            async for runs in self.destination.reader.runs(experiment_id):
                for run in runs:
                    self.checkpoint.put(RUN, Link(run.id, run.id, "", run.artifact_uri, run.lifecycle_stage))
        there = [link.target for link in self._experiments.values()]
        for start in range(0, len(there), _SEARCHED_AT_ONCE):
            await self._rebuild_runs(there[start : start + _SEARCHED_AT_ONCE])
        for experiment_id in there:
            own = experiment_id in self._same
            if self.both.logged_models:
                async for models in self.destination.reader.logged_models(experiment_id):
                    for model in models:
                        if own:
                            self.checkpoint.put(MODEL, Link(model.id, model.id, "", model.artifact_uri, ACTIVE))
                        if source_id := model.tags.get(SOURCE_ID):
                            state = model.tags.get(FINGERPRINT, "")
                            link = Link(source_id, model.id, "", model.artifact_uri, state)
                            self._put_copy(MODEL, link, experiment_id)
            if self.both.traces:
                async for traces in self.destination.reader.traces(experiment_id):
                    for trace in traces:
                        if own:
                            self.checkpoint.put(TRACE, Link(trace.id, trace.id, "", trace.artifact_uri, ACTIVE))
                        if source_id := trace.tags.get(SOURCE_ID):
                            link = Link(source_id, trace.id, "", trace.artifact_uri, trace_state(trace))
                            self._put_copy(TRACE, link, experiment_id)

    def _put_copy(self, kind: str, link: Link, experiment_id: str) -> None:
        """Link a copy; of two the more complete one, which with equal ones is the first."""
        twin = self.checkpoint.get(kind, link.source)
        if twin is None or twin.target == link.target:
            self.checkpoint.put(kind, link)
        elif not twin.own:
            better, worse = (link, twin) if link.state > twin.state else (twin, link)
            self.checkpoint.put(kind, better)
            self._twins.append((kind, worse, experiment_id))

    async def _remove_twins(self) -> None:
        twins, self._twins = self._twins, []
        for kind, worse, experiment_id in twins:
            if kind == RUN:
                await self.destination.disown_run(worse.target, deleted=worse.state.endswith(DELETED))
            elif kind == MODEL:
                await self.destination.delete_logged_model(worse.target)
            else:
                await self.destination.delete_trace(experiment_id, worse.target)

    async def _rebuild_runs(self, experiment_ids: list[str]) -> None:
        async for run in self.destination.reader.tagged_runs(experiment_ids, SOURCE_ID):
            source_id = run.tags[SOURCE_ID]
            self._put_copy(RUN, Link(source_id, run.id, "", run.artifact_uri, _state_of(run)), run.experiment_id)

    def _link_experiment(self, source: Experiment, target: Experiment) -> None:
        self._present[source.id] = target
        link = Link(source.id, target.id, source.artifact_location, target.artifact_location, target.lifecycle_stage)
        self._experiments[source.id] = link
        self.checkpoint.put(EXPERIMENT, link)

    # --- experiments ---------------------------------------------------------------------------------------------

    async def _ensure_experiment(self, experiment: Experiment) -> None:
        tags = without_own_tags(experiment.tags)
        link = self._experiments.get(experiment.id)
        if link is None:
            own = {SOURCE_ID: experiment.id, SOURCE_TIME: str(experiment.creation_time)}
            wanted = Experiment(experiment.id, experiment.name, "", ACTIVE, {**tags, **own})
            created = await self.destination.create_experiment(wanted, own_root(experiment))
            self._link_experiment(experiment, created)
            self._made.add(experiment.id)
            self.summary.count(self.summary.created, "experiments")
            return
        target = self._present[experiment.id]
        if self.options.additive:
            self.summary.count(self.summary.unchanged, "experiments")
            return
        if experiment.id in self._same:
            gone = target.lifecycle_stage == DELETED and experiment.lifecycle_stage == ACTIVE
            if gone:
                await self.revive(experiment.id)
            self.summary.count(self.summary.changed if gone else self.summary.unchanged, "experiments")
            return
        missing = {key: value for key, value in tags.items() if target.tags.get(key) != value}
        if SOURCE_ID not in target.tags:
            missing |= {SOURCE_ID: experiment.id, SOURCE_TIME: str(experiment.creation_time)}
        renamed = experiment.name != target.name
        if (missing or renamed) and target.lifecycle_stage == DELETED:
            await self.revive(experiment.id)
        if renamed:
            await self.destination.rename_experiment(link.target, experiment.name)
        for key, value in missing.items():
            await self.destination.tag_experiment(link.target, key, value)
        self.summary.count(self.summary.changed if missing or renamed else self.summary.unchanged, "experiments")

    async def revive(self, experiment_id: str) -> Link:
        """The experiment's link, once it takes new runs: a deleted one is restored until everything is in it."""
        link = self._experiments[experiment_id]
        if link.state == DELETED:
            await self.destination.set_experiment_stage(link.target, ACTIVE)
            link = Link(link.source, link.target, link.source_uri, link.target_uri, ACTIVE)
            self._experiments[experiment_id] = link
        return link

    async def _settle_stage(self, experiment: Experiment) -> None:
        link = self._experiments[experiment.id]
        before = self._present[experiment.id].lifecycle_stage
        if self.options.additive and experiment.id not in self._made:
            # What came into an experiment that somebody deleted there goes with it.
            if link.state != before:
                await self.destination.set_experiment_stage(link.target, before)
            return
        left_alone = experiment.id in self._same and before == ACTIVE
        if experiment.lifecycle_stage == link.state or left_alone:
            return
        if experiment.lifecycle_stage == ACTIVE:
            await self.revive(experiment.id)
            return
        await self.destination.set_experiment_stage(link.target, DELETED)
        # Deleting an experiment deletes its runs. Those that are active in the source are restored one by one.
        async for runs in self.source.runs(experiment.id):
            for run in runs:
                known = self.checkpoint.get(RUN, run.id)
                if run.lifecycle_stage == ACTIVE and known is not None:
                    await self.destination.set_run_stage(known.target, ACTIVE)

    # --- logged models -------------------------------------------------------------------------------------------

    async def _copy_models(self, experiment: Experiment) -> None:
        async for models in self.source.logged_models(experiment.id):
            self.progress.total("models", len(models))
            makers = [model.source_run_id for model in models if model.source_run_id]
            self._referenced.update(makers)
            await self._ensure_runs(makers)
            async with asyncio.TaskGroup() as tasks:
                for model in models:
                    tasks.create_task(self._copy_model(model))

    async def _copy_model(self, model: LoggedModel) -> None:
        run = self.checkpoint.target(model.source_run_id) if model.source_run_id else None
        known = self.checkpoint.get(MODEL, model.id)
        if known is not None and known.own:
            self.checkpoint.put(MODEL, replace(known, source_uri=model.artifact_uri))
            self.checkpoint.add_model_points(model.points)
            await self.copy_artifacts(model.artifact_uri, known.target_uri, again=True, own=True)
            self.summary.count(self.summary.unchanged, "logged models")
            self.progress.advance("models")
            return
        state = model_state(model)
        if known is None:
            now, later = split_tags(model.tags, model.id, self.checkpoint.target)
            link = await self.revive(model.experiment_id)
            created = await self.destination.create_logged_model(model, link.target, run or "", now)
            known = Link(model.id, created.id, model.artifact_uri, created.artifact_uri)
            self.checkpoint.put(MODEL, known)
            tags = self._own(later, model.id, created.id)
            self.summary.count(self.summary.created, "logged models")
        elif not self.lacks(MODEL, model.id, state):
            tags, state = {}, known.state
            self.summary.count(self.summary.unchanged, "logged models")
        else:
            tags = self._own(_model_tags(model), model.id, known.target)
            there = without_own_tags((await self.destination.logged_model(known.target)).tags)
            for key in there.keys() - tags.keys() - {MODEL_VERSIONS}:
                await self.destination.untag_logged_model(known.target, key)
            self.summary.count(self.summary.changed, "logged models")
        known = Link(model.id, known.target, model.artifact_uri, known.target_uri, known.state)
        self.checkpoint.put(MODEL, known)
        if model.experiment_id in self._same:
            self._remade.add(known.target)
        self.checkpoint.add_model_points(ModelPoint(known.target, *point[1:]) for point in model.points)
        whole = known.state == state
        await self.copy_artifacts(model.artifact_uri, known.target_uri, again=bool(known.state), whole=whole)
        if known.state != state:
            if model.status in STATUS_NUMBERS and model.status != "LOGGED_MODEL_PENDING":
                await self.destination.finalize_logged_model(known.target, model.status)
            await self.destination.tag_logged_model(known.target, {**tags, FINGERPRINT: state})
            self.checkpoint.put(MODEL, Link(model.id, known.target, model.artifact_uri, known.target_uri, state))
        self.progress.advance("models")

    def _own(self, tags: Mapping[str, str], source_id: str, target_id: str) -> dict[str, str]:
        def target(found: str) -> str | None:
            return target_id if found == source_id else self.checkpoint.target(found)

        return {key: rewrite_ids(value, target) if key.startswith("mlflow.") else value for key, value in tags.items()}

    # --- runs ----------------------------------------------------------------------------------------------------

    async def _copy_runs(self, experiment: Experiment) -> None:
        async with asyncio.TaskGroup() as tasks:
            slots = asyncio.Semaphore(_RUNS_AT_ONCE)

            async def write(run: Run, history: History) -> None:
                try:
                    await self._write_run(run, history)
                finally:
                    slots.release()

            # As many as are read in one group: a server gives a group's points in some seconds.
            async with aclosing(ahead(self._unwritten(experiment), GROUP_RUNS)) as unwritten:
                async for run, history in unwritten:
                    await slots.acquire()
                    tasks.create_task(write(run, history))

    async def _unwritten(self, experiment: Experiment) -> AsyncGenerator[tuple[Run, History], None]:
        """The runs that the destination lacks, or holds otherwise, with their points."""
        async for runs in self.listings.runs(experiment.id):
            wanted = [run for run in runs if self.moves(run)]
            self.progress.total("runs", len(wanted))
            # A parent may come after its child was copied, such as one that is moved by its experiment's name.
            parents = (run.tags.get(PARENT_RUN, "") for run in wanted if self.is_unchanged(run))
            await self._ensure_runs(one for one in parents if one)
            late = await self._gained_late(wanted) if self.options.thorough else frozenset[str]()
            todo = [run for run in wanted if run.id in late or not await self._is_whole(run)]
            for group in growing(todo, GROUP_RUNS):
                await self.source.link(group)
                async with aclosing(self.source.histories(group)) as histories:
                    async for run, history in histories:
                        yield run, history

    def has_same(self, experiment: Experiment) -> bool:
        """Whether the destination has this very experiment: what both sides hold of it is then left as it is."""
        return experiment.id in self._same

    def moves(self, run: Run) -> bool:
        """Whether a run is to be copied. A deleted one that was copied before it was deleted is deleted there too."""
        wanted = self.options.include_deleted or run.id in self._referenced
        return run.lifecycle_stage == ACTIVE or wanted or self.checkpoint.get(RUN, run.id) is not None

    def lacks(self, kind: str, source_id: str, state: str) -> bool:
        """Whether the destination has a logged model or trace not at all, or otherwise."""
        known = self.checkpoint.get(kind, source_id)
        # What is whole in a server that people work with is theirs.
        kept = known is not None and bool(known.state) and self.options.additive
        return known is None or not (known.own or kept or known.state == state)

    def is_unchanged(self, run: Run) -> bool:
        """Whether a run takes no more (it is finished or deleted) and was copied whole since it last changed.

        One that the destination has as the very same is only taken out of its trash.
        """
        known = self.checkpoint.get(RUN, run.id)
        if known is not None and known.own:
            return known.state == ACTIVE or run.lifecycle_stage == DELETED
        if self._is_left_deleted(run):
            return True
        final = run.finished or run.lifecycle_stage == DELETED
        return known is not None and final and known.state == self._wanted_state(run)

    def _wanted_state(self, run: Run) -> str:
        """How a run stands at the destination once it is copied whole: as `_state_of` tells of one there."""
        parent = run.tags.get(PARENT_RUN, "")
        there = (parent != run.id and self.checkpoint.target(parent)) or parent
        return f"{fingerprint(run)} {run.status} {run.end_time} {there} {run.lifecycle_stage}"

    def _is_left_deleted(self, run: Run) -> bool:
        """Whether a run was copied whole to a destination that is in use, and somebody deleted either since."""
        known = self.checkpoint.get(RUN, run.id)
        if not self.options.additive or known is None or known.state in {"", "new"}:
            return False
        return known.state.endswith(f" {DELETED}") or run.lifecycle_stage == DELETED

    async def _is_whole(self, run: Run) -> bool:
        """Whether nothing of a run changed since it was copied whole."""
        known = self.checkpoint.get(RUN, run.id)
        if known is not None and known.own:
            await self._keep_run(run, known)
            return True
        if known is None or not self.is_unchanged(run):
            return False
        self.checkpoint.put(RUN, Link(run.id, known.target, run.artifact_uri, known.target_uri, known.state))
        if self.options.artifacts:
            await self.copy_artifacts(run.artifact_uri, known.target_uri, again=True, whole=True)
        self.summary.count(self.summary.unchanged, "runs")
        self.progress.advance("runs")
        return True

    async def _gained_late(self, runs: Sequence[Run]) -> frozenset[str]:
        """Those of the runs that look unchanged and have points that the destination lacks.

        A point that was logged for an older step than a metric's last one shows in no listing.
        """
        alike = [run for run in runs if self.is_unchanged(run) and not self.checkpoint.is_own(RUN, run.id)]
        alike = [run for run in alike if not self._is_left_deleted(run)]
        targets = {run.id: link.target for run in alike if (link := self.checkpoint.get(RUN, run.id)) is not None}
        there = {run.id: run for run in await self.destination.reader.runs_by_id(list(targets.values()))}
        pairs = [(run, there[targets[run.id]]) for run in alike if targets[run.id] in there]
        late = set()
        async with aclosing(sums_of_both(self.source, self.destination.reader, pairs)) as both:
            async for run, _, ours, theirs in both:
                if any(self.limits.takes_name(key) and theirs.get(key) != one for key, one in ours.items()):
                    late.add(run.id)
        return frozenset(late)

    async def _keep_run(self, run: Run, known: Link) -> None:
        """See to what a run lacks that is the very same: its files, its stage, its logged models made anew."""
        self.checkpoint.put(RUN, replace(known, source_uri=run.artifact_uri))
        if known.state == DELETED:
            # With its experiment all its runs came back.
            revived = self._present[run.experiment_id].lifecycle_stage != self._experiments[run.experiment_id].state
            if run.lifecycle_stage == ACTIVE and not revived:
                await self.destination.set_run_stage(known.target, ACTIVE)
            elif run.lifecycle_stage == DELETED and revived:
                await self.destination.set_run_stage(known.target, DELETED)
        await self.copy_artifacts(run.artifact_uri, known.target_uri, again=True, own=True)
        await self._tie_models(run)
        self.summary.count(self.summary.unchanged if self.is_unchanged(run) else self.summary.changed, "runs")
        self.progress.advance("runs")

    async def _tie_models(self, run: Run) -> None:
        """Tie a run that is the very same to those of its logged models that had to be made anew."""
        if not self._remade or run.lifecycle_stage == DELETED:
            return
        await self.source.link([run])
        inputs = [one for one in run.model_inputs if self.checkpoint.target(one) in self._remade]
        outputs = [(one, step) for one, step in run.model_outputs if self.checkpoint.target(one) in self._remade]
        if inputs or outputs:
            (there,) = await self.destination.reader.runs_by_id([run.id])
            inputs = [one for one in inputs if self.checkpoint.target(one) not in there.model_inputs]
            present = frozenset(one for one, _ in there.model_outputs)
            await self._log_links(replace(run, inputs=[], model_inputs=inputs, model_outputs=outputs), run.id, present)
        points = [one for one in self.checkpoint.model_points(run.id) if one.model_id in self._remade]
        self.summary.losses += await tie_points(self.destination, run.id, points)

    async def _ensure_runs(self, ids: Iterable[str]) -> None:
        """See that these runs exist at the destination, whole or not."""
        unknown = [one for one in dict.fromkeys(ids) if self.checkpoint.get(RUN, one) is None]
        for run in await self.source.runs_by_id(unknown):
            if run.experiment_id in self._experiments and self.moves(run):
                await self._ensure_run(run)

    async def _ensure_run(self, run: Run) -> Link:
        """The run's link; several tasks may ask at once, and one creates it."""
        known = self.checkpoint.get(RUN, run.id)
        if known is not None and known.source_uri:
            return known
        task = self._creating.get(run.id)
        if task is None:
            task = self._creating[run.id] = asyncio.create_task(self._create_run(run))
            task.add_done_callback(lambda _: self._creating.pop(run.id, None))
        return await asyncio.shield(task)

    def _is_above(self, run_id: str, other: str) -> bool:
        """Whether a run waits for the other as its parent, or its parent does: tags can say so in a circle."""
        while run_id != other and run_id in self._awaited:
            run_id = self._awaited[run_id]
        return run_id == other

    async def _create_run(self, run: Run) -> Link:
        known = self.checkpoint.get(RUN, run.id)
        if known is None:
            parent = run.tags.get(PARENT_RUN)
            if parent and not self._is_above(parent, run.id):
                self._awaited[run.id] = parent
                try:
                    await self._ensure_runs([parent])
                finally:
                    del self._awaited[run.id]
            fitting, _, _ = adapt(run, self.limits)
            now, _ = split_tags(fitting.tags, run.id, self.checkpoint.target)
            experiment = await self.revive(run.experiment_id)
            created = await self.destination.create_run(fitting, experiment.target, now)
            known = Link(run.id, created.id, "", created.artifact_uri, "new")
        link = Link(run.id, known.target, run.artifact_uri, known.target_uri, known.state)
        self.checkpoint.put(RUN, link)
        return link

    async def _write_run(self, run: Run, history: History) -> None:
        existed = self.checkpoint.get(RUN, run.id)
        link = await self._ensure_run(run)
        # Only a run that was created in this very process is known to be empty.
        if existed is not None and existed.state != "new":
            await self._mend_run(run, link, history)
            self.summary.count(self.summary.changed, "runs")
        else:
            await self._fill_run(run, link, history)
            self.summary.count(self.summary.created, "runs")
        self.progress.advance("runs")

    async def _fill_run(self, run: Run, link: Link, history: History) -> None:
        """Write everything of a run that is still empty."""
        fitting, long, losses = adapt(run, self.limits)
        self.summary.losses += losses
        _, later = split_tags(fitting.tags, run.id, self.checkpoint.target)
        async with asyncio.TaskGroup() as tasks:
            files = tasks.create_task(self._copy_run_artifacts(run, link, long))
            await self._log_links(run, link.target, present_outputs=frozenset())
            writer = _RunWriter(self, run, link.target, files)
            writer.tags(self._own(later, run.id, link.target))
            writer.params(fitting.params)
            await writer.write(history, self.checkpoint.model_points(run.id))
        await self._finish_run(run, link, ("RUNNING", None))

    async def _mend_run(self, run: Run, link: Link, history: History) -> None:
        """Write what a run lacks, or what changed: after a stop half-way, or a change at the source."""
        target = (await self.destination.reader.runs_by_id([link.target]))[0]
        if target.lifecycle_stage == DELETED:
            await self.revive(run.experiment_id)
            await self.destination.set_run_stage(link.target, ACTIVE)
        fitting, long, losses = adapt(run, self.limits)
        self.summary.losses += losses
        now, later = split_tags(fitting.tags, run.id, self.checkpoint.target)
        wanted = {**now, **self._own(later, run.id, link.target)}
        if self.options.additive:
            # What people set there stays.
            wanted = {key: value for key, value in wanted.items() if key not in target.tags}
            fitting = replace(fitting, name=target.name)
        else:
            for key in set(without_own_tags(target.tags)) - set(wanted) - {RUN_NAME}:
                await self.destination.delete_tag(link.target, key)
        models = self.checkpoint.model_points(run.id)
        present = await self.destination.linked_points({one.model_id for one in models})
        missing = [one for one in models if (one.model_id, link.target, point_key(one.point)) not in present]
        try:
            for key in sorted({*target.latest, *run.latest}):
                async for chunk in self.destination.reader.history(link.target, key):
                    self.checkpoint.see(run.id, chunk)
            async with asyncio.TaskGroup() as tasks:
                files = tasks.create_task(self._copy_run_artifacts(run, link, long))
                await self._log_links(run, link.target, frozenset(one for one, _ in target.model_outputs))
                writer = _RunWriter(self, run, link.target, files, mended=target)
                writer.tags({key: value for key, value in wanted.items() if target.tags.get(key) != value})
                writer.params({key: value for key, value in fitting.params.items() if key not in target.params})
                await writer.write(history, missing)
        finally:
            self.checkpoint.unsee(run.id)
        name = fitting.name if fitting.name != target.name else None
        await self._finish_run(run, link, (target.status, target.end_time), name)

    async def _finish_run(self, run: Run, link: Link, present: tuple[str, int | None], name: str | None = None) -> None:
        if (run.status, run.end_time) != present or name is not None:
            await self.destination.update_run(link.target, run.status, run.end_time, name)
        if run.lifecycle_stage == DELETED:
            await self.destination.set_run_stage(link.target, DELETED)
        self.checkpoint.put(RUN, Link(run.id, link.target, run.artifact_uri, link.target_uri, self._wanted_state(run)))

    async def _log_links(self, run: Run, target: str, present_outputs: frozenset[str]) -> None:
        """Log what a run read and made, as far as it exists at the destination."""
        inputs = [model for one in run.model_inputs if (model := self.checkpoint.target(one))]
        outputs = [(model, step) for one, step in run.model_outputs if (model := self.checkpoint.target(one))]
        outputs = [(model, step) for model, step in outputs if model not in present_outputs]
        if not self.both.logged_models:
            inputs, outputs = [], []
        if run.inputs or inputs:
            await self.destination.log_inputs(target, run.inputs, inputs)
        if outputs:
            await self.destination.log_outputs(target, outputs)

    # --- artifacts -----------------------------------------------------------------------------------------------

    async def _copy_run_artifacts(self, run: Run, link: Link, long: Mapping[str, str]) -> None:
        await self.copy_artifacts(run.artifact_uri, link.target_uri, again=link.state != "new")
        if long:
            content = json.dumps(long, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
            store = self.destination.reader.store(link.target_uri)
            await self.in_thread(partial(store.write, LONG_VALUES, [content], len(content)))

    async def copy_artifacts(
        self, source_uri: str, target_uri: str, *, again: bool, own: bool = False, whole: bool = False
    ) -> None:
        """Copy the files of a run, model or trace that the destination lacks.

        Args:
            again: the destination may hold some of them already.
            own: it holds the very same thing: a file that is there stays, however it changed.
            whole: it was copied whole and looks as it did. Where listing its folder costs a call, that is spared.
        """
        if not self.options.artifacts or not source_uri:
            return
        store = self.source.store(source_uri)
        thorough = self.options.thorough
        # By where they lie and not by what they belong to: a destination made anew holds nothing.
        known = self.checkpoint.artifacts(target_uri) if again and not own else ""
        if whole and known and isinstance(store, Proxy) and not thorough:
            return
        items = await self._list(store, self.source.store)
        found = listing_digest(items)
        if found == known or (own and not items):
            return
        target = self.destination.reader.store(target_uri)
        present = (
            {item.path: item.size for item in await self._list(target, self.destination.reader.store)} if again else {}
        )
        if own:
            missing = [item for item in items if item.path not in present]
        else:
            # A known digest that differs means that a file changed, maybe without changing its size.
            missing = [item for item in items if known or present.get(item.path) != item.size]
        if thorough and not (own or known):
            missing += await self._changed([item for item in items if item not in missing], store, target)
        self.progress.total("files", len(missing))
        self.progress.total("bytes", sum(item.size for item in missing))
        there = await asyncio.gather(
            *(self.in_thread(partial(self._copy_one, store, item, target)) for item in missing)
        )
        # What went since it was listed may come again, and is asked for next time.
        if not own and all(there):
            self.checkpoint.put_artifacts(target_uri, found)

    async def _changed(self, items: Sequence[Item], store: Store, target: Store) -> list[Item]:
        """Those of these files whose content is another there."""

        def differs(item: Item) -> bool:
            return checksum(store, item.path, self._rewritten) != checksum(target, item.path)

        found = await asyncio.gather(*(self.in_thread(partial(differs, item)) for item in items))
        return [item for item, different in zip(items, found, strict=True) if different]

    def _rewritten(self, text: str) -> str:
        return rewrite_ids(text, self.checkpoint.target)

    def _copy_one(self, store: Store, item: Item, target: Store) -> bool:
        there = copy_file(store, item, target, self.destination.client.retry, self._rewritten, self._moved)
        self.progress.advance("files")
        return there

    def _moved(self, size: int) -> None:
        if self._stopping:
            # In a thread, which nothing else can stop; what is half written is taken away.
            raise asyncio.CancelledError
        self.progress.advance("bytes", size)

    async def _list(self, store: Store, opened: Callable[[str], Store]) -> list[Item]:
        """A folder's files; one listing of an experiment's whole root serves all that lie below it."""
        root, _, folder = store.uri.rstrip("/").removesuffix("/artifacts").rpartition("/")
        if not can_list_in_bulk(store) or not store.uri.rstrip("/").endswith("/artifacts"):
            return await self.in_thread(lambda: sorted(store.list(), key=lambda item: item.path))
        if folder.startswith("m-"):
            # {experiment}/models/{model}/artifacts
            root, _, parent = root.rpartition("/")
            folder = f"{parent}/{folder}"
        if root not in self._listed:
            self._listed[root] = asyncio.create_task(self._list_all(opened(root), root))
        await asyncio.shield(self._listed[root])
        return self.checkpoint.listing(root, f"{folder}/artifacts")

    async def _list_all(self, store: Store, root: str) -> None:
        found = owned(store.list())
        while items := await self.in_thread(lambda: list(islice(found, _LISTED_AT_ONCE))):
            self.checkpoint.add_listing(root, items)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do blocking work beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class _RunWriter:
    """Logs a run's content in batches; the last one waits for the files and carries the fingerprint.

    In a run of several batches, the first goes alone, for it makes the rows of the latest values that the others
    only update; each metric's latest point goes with the last one, alone again, so that whatever order the server
    took the others in, the latest value is right.
    """

    _AT_ONCE = 4

    def __init__(
        self, copying: Copying, run: Run, target: str, files: asyncio.Task[None], *, mended: Run | None = None
    ) -> None:
        self._copying, self._run, self._target, self._files = copying, run, target, files
        self._mended = mended
        self._batches = Batches()
        self._sent = 0
        self._under_way: set[asyncio.Task[None]] = set()

    def tags(self, tags: Mapping[str, str]) -> None:
        """Add tags."""
        for key, value in tags.items():
            self._batches.tag(key, value)

    def params(self, params: Mapping[str, str]) -> None:
        """Add parameters."""
        for key, value in params.items():
            self._batches.param(key, value)

    async def write(self, history: History, models: Sequence[ModelPoint]) -> None:
        """Send everything, the points that belong to logged models with their links."""
        limits = self._copying.limits
        links: dict[_Key, list[ModelPoint]] = {}
        for model in models:
            links.setdefault(point_key(model.point), []).append(model)
        latest = {point_key(point) for point in self._run.latest.values()}
        last: list[Point] = []
        async for chunk in history:
            points = [point for point in chunk if limits.takes_name(point.key)]
            if self._mended is not None:
                points = self._copying.checkpoint.unseen(self._run.id, points)
            for point in points:
                if point_key(point) in latest:
                    last.append(point)
                else:
                    self._add(point, links)
            await self._send_full()
        for point in last:
            self._add(point, links)
        for rest in links.values():
            for link in rest:
                self._batches.link(link)
        whole = fingerprint(self._run)
        if self._mended is None or self._sent or len(self._batches) or self._mended.tags.get(FINGERPRINT) != whole:
            self._batches.tag(FINGERPRINT, whole)
        else:
            await self._files
            return
        self._batches.turn()
        *full, final = self._batches.taken()
        for batch in full:
            await self._send(batch)
        if self._under_way:
            await asyncio.gather(*self._under_way)
        await self._files
        await self._log(final)

    def _add(self, point: Point, links: dict[_Key, list[ModelPoint]]) -> None:
        """Add a point, with its link to a logged model if it has one; a further link has to go in another batch."""
        # A logged model's NaN is kept as 0 by the server, and a run's as NaN.
        stored = point._replace(value=0.0) if math.isnan(point.value) else point
        found = links.get(point_key(stored))
        if found:
            self._batches.link(found.pop()._replace(point=point))
        else:
            self._batches.point(point)

    async def _send_full(self) -> None:
        for batch in self._batches.taken():
            await self._send(batch)

    async def _send(self, batch: Batch) -> None:
        if self._sent == 0:
            await self._log(batch)
        else:
            while len(self._under_way) >= self._AT_ONCE:
                done, self._under_way = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            self._under_way.add(asyncio.create_task(self._log(batch)))
        self._sent += 1

    async def _log(self, batch: Batch) -> None:
        await self._copying.destination.log(self._target, batch)
        self._copying.progress.advance("points", len(batch.points) + len(batch.links))


def own_root(experiment: Experiment) -> str:
    """An experiment's artifact root where it was chosen by hand; empty where the server put it below its own.

    Only S3 roots mean the same at another server.
    """
    location = experiment.artifact_location.rstrip("/")
    by_server = location.endswith(f"/{experiment.id}")
    return location if location.startswith("s3://") and not by_server else ""


def model_state(model: LoggedModel) -> str:
    """Changes whenever anything of a logged model does that can be copied anew."""
    return digest([model.name, model.model_type, model.status, model.params, sorted(_model_tags(model).items())])


def _model_tags(model: LoggedModel) -> dict[str, str]:
    now, later = split_tags(model.tags, model.id, lambda _: None)
    return {**now, **later}


def _state_of(run: Run) -> str:
    """How a run stands at the destination; empty if it is not whole. Comparable to `_wanted_state`."""
    if FINGERPRINT not in run.tags:
        return ""
    parent = run.tags.get(PARENT_RUN, "")
    return f"{run.tags[FINGERPRINT]} {run.status} {run.end_time} {parent} {run.lifecycle_stage}"
