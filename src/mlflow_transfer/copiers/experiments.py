"""Copies experiments: their names, tags and stages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from mlflow_transfer.context import CopyContext
from mlflow_transfer.links import Kind
from mlflow_transfer.matching import ExperimentPair
from mlflow_transfer.records import ACTIVE, DELETED, SOURCE_ID, SOURCE_TIME, Experiment, Run, without_own_tags

Runs = Callable[[str], AsyncIterator[list[Run]]]


class ExperimentCopier:
    """Creates and updates experiments. Deleted ones are restored while runs are written to them."""

    def __init__(self, context: CopyContext) -> None:
        self._context = context
        self._pairs: dict[str, ExperimentPair] = {}
        self._stages: dict[str, str] = {}
        self._created: set[str] = set()

    def set_pairs(self, pairs: dict[str, ExperimentPair]) -> None:
        """Set the existing pairs. A pair that is already known keeps its earlier stage."""
        for source_id, pair in pairs.items():
            if source_id not in self._pairs:
                self._set_pair(pair)

    def _set_pair(self, pair: ExperimentPair) -> None:
        self._pairs[pair.source.id] = pair
        self._stages[pair.source.id] = pair.target.lifecycle_stage

    @property
    def pairs(self) -> list[ExperimentPair]:
        """The experiments that exist at the destination."""
        return list(self._pairs.values())

    def exists(self, experiment_id: str) -> bool:
        """Whether the destination has the experiment, possibly created by this copy."""
        return experiment_id in self._pairs

    def is_same(self, experiment_id: str) -> bool:
        """Whether both sides have the same experiment, so that its objects are not changed."""
        pair = self._pairs.get(experiment_id)
        return pair is not None and pair.same

    def was_revived(self, experiment_id: str) -> bool:
        """Whether this copy restored the experiment and thereby all its runs."""
        return self._pairs[experiment_id].target.lifecycle_stage != self._stages[experiment_id]

    async def copy(self, experiment: Experiment) -> None:
        """Create the experiment, or update it."""
        pair = self._pairs.get(experiment.id)
        if pair is None:
            await self._create(experiment)
            self._context.summary.created_one("experiments")
            return
        destination = self._context.destination
        update = self._context.strategy.update_experiment(pair)
        if update.revive:
            await self.revive(experiment.id)
        if update.name is not None:
            work = destination.experiments.rename(pair.target.id, update.name)
            await self._context.unless_refused(f"experiment {pair.target.name!r} new name {update.name!r}", work)
        for key, value in update.tags.items():
            work = destination.experiments.tag(pair.target.id, key, value)
            await self._context.unless_refused(f"experiment {experiment.name!r} tag {key!r}", work)
        self._context.summary.updated_one("experiments", changed=bool(update))

    async def _create(self, experiment: Experiment) -> None:
        tags = without_own_tags(experiment.tags)
        own = {SOURCE_ID: experiment.id, SOURCE_TIME: str(experiment.creation_time)}
        wanted = Experiment(experiment.id, experiment.name, "", ACTIVE, {**tags, **own})
        created = await self._context.destination.experiments.create(wanted, chosen_root(experiment))
        self._set_pair(ExperimentPair(experiment, created))
        self._created.add(experiment.id)

    async def revive(self, experiment_id: str) -> str:
        """Prepare the experiment for new runs. A deleted one is restored until everything is copied.

        Returns:
            The destination's id.
        """
        target = self._pairs[experiment_id].target.id
        if self._stages[experiment_id] == DELETED:
            await self._context.destination.experiments.set_stage(target, ACTIVE)
            self._stages[experiment_id] = ACTIVE
        return target

    async def finish(self, experiment: Experiment, runs: Runs) -> None:
        """Set the final stage of the experiment after everything was copied.

        Args:
            runs: yields the runs of a source's experiment in pages.
        """
        final = self._context.strategy.final_stage(self._pairs[experiment.id], created=experiment.id in self._created)
        if final is None or final.stage == self._stages[experiment.id]:
            return
        if final.stage == ACTIVE:
            await self.revive(experiment.id)
            return
        destination = self._context.destination
        await destination.experiments.set_stage(self._pairs[experiment.id].target.id, DELETED)
        self._stages[experiment.id] = DELETED
        if not final.restore_runs:
            return
        # Deleting an experiment deletes its runs. Those that are active in the source are restored one by one.
        async for page in runs(experiment.id):
            for run in page:
                link = self._context.links.get(Kind.RUN, run.id)
                if run.lifecycle_stage == ACTIVE and link is not None:
                    await destination.runs.set_stage(link.target, ACTIVE)


def chosen_root(experiment: Experiment) -> str:
    """An experiment's artifact root if a user chose it; empty if the server chose it below its own root.

    Only S3 roots have the same meaning for another server.
    """
    location = experiment.artifact_location.rstrip("/")
    by_server = location.endswith(f"/{experiment.id}")
    return location if location.startswith("s3://") and not by_server else ""
