"""What a copy would do, before it does it: counts, bytes, calls, time, and what the destination cannot hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mlflow_transfer.artifacts import can_list_in_bulk
from mlflow_transfer.batches import MOST_ENTITIES, MOST_PARAMS
from mlflow_transfer.copies import held, left_alone
from mlflow_transfer.copying import MODEL, RUN, Copying, model_state
from mlflow_transfer.limits import adapt
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import DELETED, Run
from mlflow_transfer.registry import stranger_message
from mlflow_transfer.traces import TRACE, losses_of, trace_state

_BULK_RUNS = 100


@dataclass
class Plan:
    """Counts of what is to be moved. `points` is judged by each metric's last step.

    Args:
        blocked: why the copy cannot be made at all.
        seconds: the least time at the destination's limit; None where no limit is known.
        bytes: all artifacts below the experiments' roots, moved already or not; None where they cannot be listed in
            bulk.
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


async def plan(copying: Copying, *, sizes: bool) -> Plan:
    """Go through the source's listings without reading any history or writing anything.

    Args:
        sizes: also list the artifacts.
    """
    await copying.prepare()
    made = Plan()
    features = await copying.source.features()
    for experiment in copying.experiments:
        if copying.has_same(experiment):
            made.unchanged["experiments"] += 1
        else:
            made.counts["experiments"] += 1
            made.destination_calls += 2
        keys: set[str] = set()
        async for runs in copying.listings.runs(experiment.id):
            for run in runs:
                if not copying.moves(run):
                    continue
                if copying.is_unchanged(run):
                    made.unchanged["runs"] += 1
                    continue
                _count_run(made, copying, run)
                keys |= run.latest.keys()
        made.source_calls += len(keys) * -(-made.counts["runs"] // _BULK_RUNS)
        if features.logged_models:
            async for models in copying.source.logged_models(experiment.id):
                moved = [model for model in models if copying.lacks(MODEL, model.id, model_state(model))]
                made.counts["logged models"] += len(moved)
                made.unchanged["logged models"] += len(models) - len(moved)
                made.destination_calls += 3 * len(moved)
                if not copying.both.logged_models:
                    reason = "the destination's MLflow has no logged models: it stays behind, and so do links to it"
                    made.losses += [Loss(f"logged model {model.id} {model.name!r}", reason) for model in models]
        if features.traces:
            async for traces in copying.source.traces(experiment.id):
                made.losses += [loss for trace in traces for loss in losses_of(trace)]
                moved_traces = [trace for trace in traces if copying.lacks(TRACE, trace.id, trace_state(trace))]
                made.counts["traces"] += len(moved_traces)
                made.unchanged["traces"] += len(traces) - len(moved_traces)
                made.destination_calls += 2 * len(moved_traces)
                if not copying.both.traces:
                    reason = "the destination's MLflow has no traces"
                    made.losses += [Loss(f"trace {trace.id}", reason) for trace in traces]
        if sizes and copying.options.artifacts:
            await _size(made, copying, experiment.artifact_location)
    await _count_registry(made, copying)
    limit = copying.destination.client.rate.limit
    made.seconds = made.destination_calls / limit if limit else None
    return made


def _count_run(made: Plan, copying: Copying, run: Run) -> None:
    if copying.checkpoint.is_own(RUN, run.id):
        made.counts["runs"] += 1
        made.destination_calls += 1
        return
    fitting, _, losses = adapt(run, copying.limits)
    made.losses += losses
    made.counts["runs"] += 1
    points = sum(max(1, abs(point.step) + 1) for point in run.latest.values())
    made.points += points
    entities = points + len(fitting.params) + 1
    batches = max(-(-entities // MOST_ENTITIES), -(-len(fitting.params) // MOST_PARAMS), 1)
    made.destination_calls += 1 + batches + bool(run.inputs) + (run.status != "RUNNING")
    made.destination_calls += run.lifecycle_stage == DELETED


async def _size(made: Plan, copying: Copying, root: str) -> None:
    store = copying.source.store(root)
    if made.files is None or made.bytes is None:
        return
    if not can_list_in_bulk(store):
        made.files = made.bytes = None
        return
    files, size = await copying.in_thread(lambda: _sum(item.size for item in store.list()))
    made.files += files
    made.bytes += size


def _sum(sizes: Iterable[int]) -> tuple[int, int]:
    count = total = 0
    for size in sizes:
        count += 1
        total += size
    return count, total


async def _count_registry(made: Plan, copying: Copying) -> None:
    there = {model.name: model for model in await copying.destination.reader.registered_models()}
    for model in copying.registered:
        if model.is_prompt and not copying.both.prompts:
            made.losses.append(Loss(f"prompt {model.name!r}", "the destination's MLflow has no prompts"))
            continue
        other = there.get(model.name)
        alone = left_alone(model, other, copying.checkpoint.target, additive=copying.options.additive)
        if alone is not None:
            made.unchanged["registered models"] += 1
            model, losses = alone
            made.losses += losses
        else:
            made.counts["registered models"] += 1
            if other is not None and held(model, other, copying.checkpoint.target).strangers:
                made.blocked.append(stranger_message(model.name))
        made.counts["model versions"] += len(model.versions)
        staged = sum(version.stage != "None" for version in model.versions)
        made.destination_calls += 1 + len(model.versions) + bool(model.versions) + staged + len(model.aliases)
