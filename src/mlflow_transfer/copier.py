"""Copies new and changed objects of a source into a destination, in an order that can be interrupted at any point.

The order is: experiments, logged models (each after the run that made it), runs, traces, registered models, and the
final stages of experiments.
"""

from __future__ import annotations

import asyncio

from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.context import CopyContext, Workers, common_features
from mlflow_transfer.copiers.artifacts import ArtifactCopier
from mlflow_transfer.copiers.experiments import ExperimentCopier
from mlflow_transfer.copiers.models import ModelCopier
from mlflow_transfer.copiers.registry import RegistryCopier
from mlflow_transfer.copiers.run_creator import RunCreator
from mlflow_transfer.copiers.runs import Parts, RunCopier
from mlflow_transfer.copiers.traces import TraceCopier
from mlflow_transfer.destination import Destination
from mlflow_transfer.fitting import fit_experiment, fit_registered_model
from mlflow_transfer.limits import Limits
from mlflow_transfer.links import Kind
from mlflow_transfer.listings import Listings
from mlflow_transfer.losses import Loss
from mlflow_transfer.matching import Matches, pair_experiments, read_matches
from mlflow_transfer.options import Options
from mlflow_transfer.progress import Tally, TransferProgress
from mlflow_transfer.records import Experiment, RegisteredModel
from mlflow_transfer.selecting import all_experiments, registered_models
from mlflow_transfer.selection import Selection
from mlflow_transfer.sources.base import Source
from mlflow_transfer.summary import Summary
from mlflow_transfer.tasks import first_error


class Copier:
    """One copy. `prepare` reads both sides, and `run` writes."""

    def __init__(
        self,
        source: Source,
        destination: Destination,
        checkpoint: Checkpoint,
        options: Options | None = None,
        progress: TransferProgress | None = None,
    ) -> None:
        options = options or Options()
        self.context = CopyContext(
            source,
            destination,
            checkpoint,
            options,
            progress or Tally(),
            Limits.of(destination.reader.version),
            Workers(options.threads),
        )
        self.experiments: list[Experiment] = []
        self.registered: list[RegisteredModel] = []
        self.listings = Listings(source)
        self.selection = Selection(options, checkpoint.links)
        self.experiment_copier = ExperimentCopier(self.context)
        self._matches = Matches(checkpoint.links)
        self._prepared = False
        self.refused: list[Loss] = []
        """The tags and aliases that the destination refuses."""

    @property
    def progress(self) -> TransferProgress:
        """Receives the progress."""
        return self.context.progress

    @property
    def destination(self) -> Destination:
        """The server that is written to."""
        return self.context.destination

    async def run(self) -> Summary:
        """Copy everything.

        Raises:
            PlatformError: the copy was interrupted. Its results remain, and the next run continues from there.
        """
        try:
            await self._copy()
        except BaseExceptionGroup as group:
            raise first_error(group) from group
        finally:
            self.close()
        self.context.summary.add_losses([*self.refused, *self.context.source.losses()])
        return self.context.summary

    def close(self) -> None:
        """Stop the threads and drop the scratch tables. `run` also does this."""
        self.context.close()

    async def prepare(self) -> None:
        """Read what the source has and which of it the destination already has. Writes nothing."""
        context = self.context
        source, reader = context.source, context.destination.reader
        ours, theirs = await asyncio.gather(source.features(), reader.features())
        context.features = common_features(ours, theirs)
        self.experiments = context.options.chosen(await all_experiments(source), source.name)
        chosen = {one.id for one in self.experiments} if context.options.experiments else None
        self.registered = await registered_models(source, chosen)
        self._fit()
        self.selection = Selection(context.options, context.links, self.registered)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._match())
                tasks.create_task(self.listings.read(experiment.id for experiment in self.experiments))
        except BaseExceptionGroup as group:
            raise first_error(group) from group
        self._prepared = True

    def _fit(self) -> None:
        """Leave out the tags and aliases that the destination refuses."""
        limits = self.context.limits
        experiments = [fit_experiment(one, limits) for one in self.experiments]
        registered = [fit_registered_model(one, limits) for one in self.registered]
        self.experiments = [one for one, _ in experiments]
        self.registered = [one for one, _ in registered]
        self.refused = [loss for _, losses in (*experiments, *registered) for loss in losses]

    async def _match(self) -> None:
        """Pair the source's objects with the destination's."""
        reader = self.context.destination.reader
        there = [one async for one in reader.experiments()]
        self.experiment_copier.set_pairs(pair_experiments(self.experiments, there))
        await read_matches(self._matches, reader, self.experiment_copier.pairs, self.context.features)

    async def _copy(self) -> None:
        if not self._prepared:
            await self.prepare()
        await self._remove_duplicates()
        context, experiments = self.context, self.experiment_copier
        artifacts = ArtifactCopier(context)
        creator = RunCreator(context, experiments, self.selection)
        models = ModelCopier(context, experiments, creator, artifacts, self.selection)
        runs = RunCopier(
            context, Parts(experiments, creator, artifacts, self.selection, self.listings), models.recreated
        )
        traces = TraceCopier(context, experiments, artifacts, self.selection)
        context.progress.total("experiments", len(self.experiments))
        for experiment in self.experiments:
            place = f"experiment {experiment.name!r} with everything in it"
            await context.unless_refused(place, experiments.copy(experiment))
        existing = [one for one in self.experiments if experiments.exists(one.id)]
        if context.features.logged_models:
            for experiment in existing:
                await models.copy(experiment)
        for experiment in existing:
            await runs.copy(experiment)
            context.progress.advance("experiments")
        if context.features.traces:
            for experiment in existing:
                await traces.copy(experiment)
        await RegistryCopier(context).copy(
            [model for model in self.registered if context.features.prompts or not model.is_prompt]
        )
        for experiment in existing:
            place = f"experiment {experiment.name!r} stage"
            await context.unless_refused(place, experiments.finish(experiment, context.source.runs))
        if context.destination.unsure:
            # A create whose response was lost may have been executed after the search for its result.
            await self._match()
            await self._remove_duplicates()

    async def _remove_duplicates(self) -> None:
        destination = self.context.destination
        for one in self._matches.take_duplicates():
            if one.kind is Kind.RUN:
                await destination.runs.disown(one.extra.target, deleted=one.extra.deleted)
            elif one.kind is Kind.MODEL:
                await destination.models.delete(one.extra.target)
            else:
                await destination.traces.delete(one.experiment_id, one.extra.target)
