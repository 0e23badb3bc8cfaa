"""The plan of a copy: counts, bytes, calls, the minimum time, and losses. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mlflow_transfer.artifacts import can_list_in_bulk
from mlflow_transfer.batches import MOST_ENTITIES, MOST_PARAMS
from mlflow_transfer.copier import Copier
from mlflow_transfer.fitting import fit_trace
from mlflow_transfer.limits import adapt
from mlflow_transfer.losses import Loss, trace_losses
from mlflow_transfer.records import DELETED, Experiment, RegisteredModel, Run
from mlflow_transfer.registry_matching import foreign_versions_message, match_versions
from mlflow_transfer.stores import SKIPPABLE

_BULK_RUNS = 100


@dataclass
class TransferPlan:
    """Counts of what a copy would transfer.

    Args:
        counts: the objects that are new or changed, by kind.
        unchanged: the objects that are already complete at the destination.
        points: an estimate from each metric's last step.
        bytes: the size of all artifacts below the experiments' roots, including those already copied; None if they
            cannot be listed in bulk.
        seconds: the minimum time at the destination's rate limit; None if the limit is unknown.
        losses: what the destination cannot hold, and what of the source cannot be read.
        blocked: the reasons why the copy is impossible.
    """

    counts: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    points: int = 0
    files: int | None = 0
    bytes: int | None = 0
    source_calls: int = 0
    destination_calls: int = 0
    seconds: float | None = None
    losses: list[Loss] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)


async def plan(copier: Copier, *, sizes: bool) -> TransferPlan:
    """Read the listings of the source, without metric histories, and count.

    Args:
        sizes: also list the artifacts.
    """
    await copier.prepare()
    found = TransferPlan()
    for experiment in copier.experiments:
        _count_experiment(found, copier, experiment)
        await _count_runs(found, copier, experiment)
        await _count_models(found, copier, experiment)
        await _count_traces(found, copier, experiment)
        if sizes and copier.context.options.artifacts:
            await _add_sizes(found, copier, experiment.artifact_location)
    await _count_registry(found, copier)
    found.losses += [*copier.refused, *copier.context.source.losses()]
    limit = copier.destination.client.rate.limit
    found.seconds = found.destination_calls / limit if limit else None
    return found


def _count_experiment(found: TransferPlan, copier: Copier, experiment: Experiment) -> None:
    if copier.experiment_copier.is_same(experiment.id):
        found.unchanged["experiments"] += 1
    else:
        found.counts["experiments"] += 1
        found.destination_calls += 2


async def _count_runs(found: TransferPlan, copier: Copier, experiment: Experiment) -> None:
    keys: set[str] = set()
    async for runs in copier.listings.runs(experiment.id):
        for run in runs:
            if not copier.selection.moves(run):
                continue
            if copier.selection.is_unchanged(run):
                found.unchanged["runs"] += 1
                continue
            _count_run(found, copier, run)
            keys |= run.latest.keys()
    found.source_calls += len(keys) * -(-found.counts["runs"] // _BULK_RUNS)


def _count_run(found: TransferPlan, copier: Copier, run: Run) -> None:
    found.counts["runs"] += 1
    if copier.selection.is_same(run):
        found.destination_calls += 1
        return
    fitting, _, losses = adapt(run, copier.context.limits)
    found.losses += losses
    points = sum(max(1, abs(point.step) + 1) for point in run.latest.values())
    found.points += points
    entities = points + len(fitting.params) + 1
    batches = max(-(-entities // MOST_ENTITIES), -(-len(fitting.params) // MOST_PARAMS), 1)
    found.destination_calls += 1 + batches + bool(run.inputs) + (run.status != "RUNNING")
    found.destination_calls += run.lifecycle_stage == DELETED


async def _count_models(found: TransferPlan, copier: Copier, experiment: Experiment) -> None:
    source = copier.context.source
    if not (await source.features()).logged_models:
        return
    async for models in source.logged_models(experiment.id):
        moved = sum(copier.selection.lacks_model(model) for model in models)
        found.counts["logged models"] += moved
        found.unchanged["logged models"] += len(models) - moved
        found.destination_calls += 3 * moved
        if not copier.context.features.logged_models:
            reason = "the destination's MLflow has no logged models: it is not copied, and neither are links to it"
            found.losses += [Loss(f"logged model {model.id} {model.name!r}", reason) for model in models]


async def _count_traces(found: TransferPlan, copier: Copier, experiment: Experiment) -> None:
    source = copier.context.source
    if not (await source.features()).traces:
        return
    async for traces in source.traces(experiment.id):
        fitted = [fit_trace(trace, copier.context.limits) for trace in traces]
        found.losses += [loss for trace, lost in fitted for loss in (*trace_losses(trace), *lost)]
        moved = sum(copier.selection.lacks_trace(trace) for trace, _ in fitted)
        found.counts["traces"] += moved
        found.unchanged["traces"] += len(traces) - moved
        found.destination_calls += 2 * moved
        if not copier.context.features.traces:
            reason = "the destination's MLflow has no traces"
            found.losses += [Loss(f"trace {trace.id}", reason) for trace in traces]


async def _add_sizes(found: TransferPlan, copier: Copier, root: str) -> None:
    if found.files is None or found.bytes is None:
        return
    store = copier.context.source.store(root)
    if not can_list_in_bulk(store):
        found.files = found.bytes = None
        return
    try:
        files, size = await copier.context.workers.run(lambda: _sum(item.size for item in store.list()))
    except SKIPPABLE:
        # The runs' own folders may still be readable.
        found.files = found.bytes = None
        return
    found.files += files
    found.bytes += size


def _sum(sizes: Iterable[int]) -> tuple[int, int]:
    count = total = 0
    for size in sizes:
        count += 1
        total += size
    return count, total


async def _count_registry(found: TransferPlan, copier: Copier) -> None:
    there = {model.name: model for model in await copier.destination.reader.registered_models()}
    for model in copier.registered:
        if model.is_prompt and not copier.context.features.prompts:
            found.losses.append(Loss(f"prompt {model.name!r}", "the destination's MLflow has no prompts"))
            continue
        moved = _count_registered_model(found, copier, model, there.get(model.name))
        found.counts["model versions"] += len(moved.versions)
        staged = sum(version.stage != "None" for version in moved.versions)
        found.destination_calls += 1 + len(moved.versions) + bool(moved.versions) + staged + len(moved.aliases)


def _count_registered_model(
    found: TransferPlan, copier: Copier, model: RegisteredModel, there: RegisteredModel | None
) -> RegisteredModel:
    """Count the model.

    Returns:
        The model with the versions that are copied.
    """
    context = copier.context
    if there is not None:
        added = context.strategy.only_additions(model, there, context.target)
        if added is not None:
            found.unchanged["registered models"] += 1
            found.losses += added[1]
            return added[0]
        if match_versions(model, there, context.target).foreign:
            found.blocked.append(foreign_versions_message(model.name))
    found.counts["registered models"] += 1
    return model
