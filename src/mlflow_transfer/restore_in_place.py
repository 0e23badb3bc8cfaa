"""Restores a backup into the server from which it was made. The ids are equal on both sides.

Objects that the server still has are not changed, even if they changed since the backup. Only missing ones are created.
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
    """Whether both are the same experiment, which may have been renamed.

    Equal ids are not sufficient, because servers count them from 0.
    """
    if (source.id, source.artifact_location) != (target.id, target.artifact_location):
        return False
    # MLflow has stored the creation time since 1.29.
    return source.creation_time == target.creation_time and (
        source.creation_time is not None or source.name == target.name
    )


def same_registered_model(source: RegisteredModel, target: RegisteredModel) -> bool:
    """Whether both are the same registered model, and not one that was created again with the same name."""
    return source.name == target.name and 0 != source.creation_time == target.creation_time


def missing_of(source: RegisteredModel, target: RegisteredModel) -> tuple[RegisteredModel, list[Loss]]:
    """What is missing in the same registered model, which may have later versions and other aliases by now.

    Returns:
        The model with only the versions that this or an earlier restore creates again, and their aliases; and the
        versions that cannot be created, because MLflow never reuses a number.
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
    """The loss of a version whose number cannot be used again."""
    reason = "it was deleted there, and MLflow does not reuse its number: register its files again"
    return Loss(f"registered model {version.name!r} version {version.version}", reason)


async def link_points(destination: Destination, run_id: str, points: Sequence[ModelPoint]) -> list[Loss]:
    """Log points of a run again with their logged model, which was created again.

    Returns:
        The points that cannot be linked, because the run does not have them in this form. A logged model stores a NaN
        as 0.
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
    reason = "it is no longer linked to the logged model that was created again: MLflow does not accept a NaN twice"
    return [
        Loss(f"run {run_id} metric {one.point.key!r}", reason) for one in missing if point_key(one.point) not in held
    ]
