"""Tells what of a source the destination has under the source's own ids: it is the server that a backup was made from.

Such things are left as they are, whatever changed in them since then; only what is missing is made anew.
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
    """Whether these are one experiment, maybe renamed since. Ids alone do not tell: servers count them from 0."""
    if (source.id, source.artifact_location) != (target.id, target.artifact_location):
        return False
    # MLflow notes the time of creation since 1.29.
    return source.creation_time == target.creation_time and (
        source.creation_time is not None or source.name == target.name
    )


def same_registered_model(source: RegisteredModel, target: RegisteredModel) -> bool:
    """Whether these are one registered model: made anew under the same name, it is another."""
    return source.name == target.name and 0 != source.creation_time == target.creation_time


def missing_of(source: RegisteredModel, target: RegisteredModel) -> tuple[RegisteredModel, list[Loss]]:
    """What of a registered model is missing in the very same one, which has later versions and other aliases maybe.

    Returns:
        The model with those versions alone that are to be made anew, or were by an earlier restore, and their aliases;
        and the versions that cannot be made: MLflow gives no number a second time.
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
    """What is said of a version whose number is used up."""
    reason = "it was deleted there, and MLflow gives no number a second time: register its files anew"
    return Loss(f"registered model {version.name!r} version {version.version}", reason)


async def tie_points(destination: Destination, run_id: str, points: Sequence[ModelPoint]) -> list[Loss]:
    """Log again, with their logged model, points that a run has without it.

    Returns:
        Those that the run does not have as they are: a NaN, which a logged model keeps as 0.
    """
    present = await destination.linked_points({one.model_id for one in points})
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
    batches.turn()
    for batch in batches.taken():
        await destination.log(run_id, batch)
    reason = "it is no longer linked to the logged model that was made anew: MLflow takes no NaN twice"
    return [
        Loss(f"run {run_id} metric {one.point.key!r}", reason) for one in missing if point_key(one.point) not in held
    ]
