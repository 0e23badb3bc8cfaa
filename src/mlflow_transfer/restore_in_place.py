"""Restoring a backup into the server that it was made from: the ids are equal on both sides.

What the server still has stays as it is, even if it changed since the backup. Only what is missing is created again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlflow_transfer.batches import Batches
from mlflow_transfer.destination import Destination
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import (
    SOURCE_ID,
    Experiment,
    ModelPoint,
    ModelVersion,
    RegisteredModel,
    point_key,
)


def same_experiment(source: Experiment, target: Experiment) -> bool:
    """Whether these are one experiment, which may have been renamed.

    Equal ids alone prove nothing, because servers count them from 0.
    """
    if (source.id, source.artifact_location) != (target.id, target.artifact_location):
        return False
    # MLflow stores the time of creation since 1.29.
    return source.creation_time == target.creation_time and (
        source.creation_time is not None or source.name == target.name
    )


def same_registered_model(source: RegisteredModel, target: RegisteredModel) -> bool:
    """Whether these are one registered model. One that was created again under the same name is another."""
    return source.name == target.name and 0 != source.creation_time == target.creation_time


def missing_of(source: RegisteredModel, target: RegisteredModel) -> tuple[RegisteredModel, list[Loss]]:
    """What the very same registered model lacks. It may have later versions and other aliases by now.

    Returns:
        The model with those versions only that are to be created again, or were by an earlier restore, and their
        aliases; and the versions that cannot be created, because MLflow gives no number twice.
    """
    there = {version.version: version for version in target.versions}
    last = max(there, default=0)
    missing: list[ModelVersion] = []
    losses: list[Loss] = []
    for version in source.versions:
        other = there.get(version.version)
        if other is None:
            if version.version > last:
                missing.append(version)
            else:
                losses.append(lost_version(version))
        elif other.creation_time != version.creation_time and SOURCE_ID in other.tags:
            missing.append(version)
    numbers = {version.version for version in missing}
    aliases = {
        alias: number for alias, number in source.aliases.items() if number in numbers and alias not in target.aliases
    }
    return replace(source, versions=missing, aliases=aliases), losses


def lost_version(version: ModelVersion) -> Loss:
    """The loss of a version whose number is used up."""
    reason = "it was deleted there, and MLflow gives no number twice: register its files again"
    return Loss(f"registered model {version.name!r} version {version.version}", reason)


async def link_points(destination: Destination, run_id: str, points: Sequence[ModelPoint]) -> list[Loss]:
    """Log points again, with their logged model, that a run has without it.

    Returns:
        The points that cannot be linked: the run does not have them as they are. A logged model keeps a NaN as 0.
    """
    present = await destination.models.linked_points({one.model_id for one in points})
    missing = [one for one in points if (one.model_id, run_id, point_key(one.point)) not in present]
    wanted = {point_key(one.point) for one in missing}
    held: set[tuple[str, str, int, int]] = set()
    for key in sorted({one.point.key for one in missing}):
        async for chunk in destination.reader.history(run_id, key):
            held |= wanted & {point_key(point) for point in chunk}
    batches = Batches()
    for one in missing:
        if point_key(one.point) in held:
            batches.link(one)
    batches.close_open()
    for batch in batches.take_full():
        await destination.runs.log(run_id, batch)
    reason = "it is no longer linked to the logged model that was created again: MLflow takes no NaN twice"
    return [
        Loss(f"run {run_id} metric {one.point.key!r}", reason) for one in missing if point_key(one.point) not in held
    ]
