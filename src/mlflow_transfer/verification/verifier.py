"""Compares everything on two sides, and reports the differences."""

from __future__ import annotations

import asyncio

from mlflow_transfer.context import Workers, common_features
from mlflow_transfer.copiers.experiments import chosen_root
from mlflow_transfer.fitting import fit_experiment
from mlflow_transfer.limits import Limits
from mlflow_transfer.losses import Loss
from mlflow_transfer.matching import ExperimentPair, pair_experiments
from mlflow_transfer.options import Options
from mlflow_transfer.progress import Tally, TransferProgress
from mlflow_transfer.records import Experiment, without_own_tags
from mlflow_transfer.selecting import all_experiments, registered_models
from mlflow_transfer.sources.base import Source
from mlflow_transfer.tasks import first_error
from mlflow_transfer.verification.artifacts import ArtifactComparer
from mlflow_transfer.verification.context import MatchOptions, VerifyContext
from mlflow_transfer.verification.models import ModelComparer
from mlflow_transfer.verification.registry import RegistryComparer
from mlflow_transfer.verification.report import Report
from mlflow_transfer.verification.runs import RunComparer
from mlflow_transfer.verification.traces import TraceComparer


class Verifier:
    """One verification: everything on the left has to exist on the right, exactly once and equal."""

    def __init__(
        self,
        left: Source,
        right: Source,
        options: Options | None = None,
        match: MatchOptions | None = None,
        progress: TransferProgress | None = None,
        *,
        accept_losses: bool = False,
    ) -> None:
        """Prepare to compare.

        Args:
            accept_losses: things that could not be read do not fail the verification.
        """
        options = options or Options()
        self._context = VerifyContext(
            left,
            right,
            options,
            match or MatchOptions(),
            progress or Tally(),
            Report(left.name, right.name, options.strategy, accept_losses),
            Limits.of(right.version) if right.kind == "server" else Limits.none(),
            Workers(options.threads),
        )

    async def run(self) -> Report:
        """Compare everything.

        Raises:
            PlatformError: a side could not be read.
        """
        context = self._context
        try:
            await self._compare()
        except BaseExceptionGroup as group:
            raise first_error(group) from group
        finally:
            context.close()
        unread = [Loss(f"left: {loss.place}", loss.reason) for loss in context.left.losses()]
        unread += [Loss(f"right: {loss.place}", loss.reason) for loss in context.right.losses()]
        context.report.unread = [*context.unread.list(), *unread]
        return context.report

    async def _compare(self) -> None:
        context = self._context
        left, right, options = context.left, context.right, context.options
        context.features = common_features(*await asyncio.gather(left.features(), right.features()))
        others = [one async for one in right.experiments()]
        experiments = options.chosen(await all_experiments(left), left.name)
        pairs = pair_experiments(experiments, others)
        context.experiment_names = {one.id: one.name for one in experiments}
        for one in experiments:
            self._compare_experiment(one, pairs.get(one.id))
        chosen = {one.id for one in experiments} if options.experiments else None
        registered = await registered_models(left, chosen)
        needed = {version.run_id for model in registered for version in model.versions}
        matched = [pairs[one.id] for one in experiments if one.id in pairs]
        artifacts = ArtifactComparer(context)
        runs = RunComparer(context, artifacts)
        for pair in matched:
            await runs.read_right(pair)
        if context.features.logged_models:
            models = ModelComparer(context, runs, artifacts)
            for pair in matched:
                await models.compare(pair, needed)
        for pair in matched:
            await runs.compare(pair.source, needed)
        runs.report_unmatched()
        if context.features.traces:
            traces = TraceComparer(context, artifacts)
            for pair in matched:
                await traces.compare(pair)
        await RegistryComparer(context).compare(registered)

    def _compare_experiment(self, left: Experiment, pair: ExperimentPair | None) -> None:
        context, report = self._context, self._context.report
        place = f"experiment {left.name!r}"
        report.compared["experiments"] += 1
        if pair is None:
            report.add(place, "experiment missing", left.id, None)
            return
        right = pair.target
        left, losses = fit_experiment(left, context.limits)
        report.losses += losses
        tags = without_own_tags(left.tags)
        # Every server creates experiment 0 itself.
        context.compare_texts(place, "experiment tag", tags, right.tags, extras=left.id != "0")
        report.compare(place, "experiment name", left.name, right.name)
        report.compare(place, "experiment stage", left.lifecycle_stage, right.lifecycle_stage)
        if root := chosen_root(left):
            report.compare(place, "experiment artifact root", root, right.artifact_location.rstrip("/"))
