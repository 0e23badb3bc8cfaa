"""Tells registered models that were copied out of a source from the destination's own, and what such a copy lacks.

A copy, and each version in it, carries the time at which its original was created: two sources may have models of one
name with versions of one number. Versions that were copied before that tag was written are told by their runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mlflow_transfer.losses import Loss
from mlflow_transfer.records import SOURCE_ID, SOURCE_TIME, ModelVersion, RegisteredModel
from mlflow_transfer.restore_in_place import lost_version, missing_of, same_registered_model

# The last number that was copied. What is missing below it was deleted at the destination, and is not made anew there
# while people work with it.
LAST = "transfer.last_version"

Target = Callable[[str], str | None]


@dataclass(frozen=True)
class Held:
    """What the destination holds of a registered model.

    Args:
        strangers: versions that are not this source's.
        obsolete: copies of versions that the source has deleted, and what was made to use up a number.
        last: the last number that was copied.
    """

    strangers: list[ModelVersion]
    obsolete: list[ModelVersion]
    last: int


def marks(original: RegisteredModel | ModelVersion) -> dict[str, str]:
    """The tags by which a copy is told."""
    name = original.name if isinstance(original, RegisteredModel) else str(original.version)
    return {SOURCE_ID: name, SOURCE_TIME: str(original.creation_time)}


def is_copy(original: ModelVersion, found: ModelVersion, target: Target) -> bool:
    """Whether a version of the destination was made of this one, under its number."""
    if not original.version == found.version == _number(found):
        return False
    made = found.tags.get(SOURCE_TIME)
    if made is None:
        return found.run_id == (target(original.run_id) or original.run_id)
    return made == str(original.creation_time)


def held(model: RegisteredModel, there: RegisteredModel, target: Target) -> Held:
    """Sort the versions of the destination's model of that name.

    Args:
        target: the destination's id of a run.
    """
    originals = {version.version: version for version in model.versions}
    found = Held([], [], _last(model, there, target))
    other = there.tags.get(SOURCE_TIME, str(model.creation_time)) != str(model.creation_time)
    for one in there.versions:
        original = originals.get(one.version)
        if other or SOURCE_ID not in one.tags:
            found.strangers.append(one)
        elif original is not None and is_copy(original, one, target):
            continue
        elif _is_filler(one, originals) or (original is None and one.version <= found.last):
            found.obsolete.append(one)
        else:
            found.strangers.append(one)
    return found


def left_alone(
    model: RegisteredModel, there: RegisteredModel | None, target: Target, *, additive: bool
) -> tuple[RegisteredModel, list[Loss]] | None:
    """What of a model is to be made anew where people work with the destination's, which is not changed otherwise.

    Returns:
        The model with those versions and aliases alone, and the versions that cannot be made; None where the
        destination's is a copy that follows its original.
    """
    if there is None:
        return None
    if same_registered_model(model, there):
        return missing_of(model, there)
    return additions(model, there, target) if additive else None


def additions(model: RegisteredModel, there: RegisteredModel, target: Target) -> tuple[RegisteredModel, list[Loss]]:
    """What came into a model since its copy is in use, and the versions whose numbers were given there meanwhile."""
    last, present = _last(model, there, target), {version.version: version for version in there.versions}
    mine = there.tags.get(SOURCE_TIME, str(model.creation_time)) == str(model.creation_time)
    mine = mine and (SOURCE_ID in there.tags or last > 0 or not present)
    missing: list[ModelVersion] = []
    losses: list[Loss] = []
    for version in model.versions:
        other = present.get(version.version)
        if not mine or (other is not None and not is_copy(version, other, target)):
            losses.append(taken_version(version))
        elif other is None and version.version > last:
            if version.version > max(present, default=0):
                missing.append(version)
            else:
                losses.append(taken_version(version))
    return only(model, missing, there), losses


def fillers(model: RegisteredModel, there: RegisteredModel) -> list[ModelVersion]:
    """What an earlier copy made to use up numbers that the source has deleted, and was ended before it took it away."""
    originals = {version.version: version for version in model.versions}
    return [one for one in there.versions if _is_filler(one, originals)]


def only(model: RegisteredModel, versions: list[ModelVersion], there: RegisteredModel) -> RegisteredModel:
    """The model with these versions alone, and with the aliases of theirs that are free there."""
    numbers = {version.version for version in versions}
    aliases = {
        alias: number for alias, number in model.aliases.items() if number in numbers and alias not in there.aliases
    }
    return replace(model, versions=versions, aliases=aliases)


def taken_version(version: ModelVersion) -> Loss:
    """What is said of a version whose number the destination gave to another."""
    return Loss(lost_version(version).place, "its number was given to another version there: register its files anew")


def _last(model: RegisteredModel, there: RegisteredModel, target: Target) -> int:
    originals = {version.version: version for version in model.versions}
    copied = (
        one.version
        for one in there.versions
        if one.version in originals and is_copy(originals[one.version], one, target)
    )
    noted = there.tags.get(LAST, "")
    return max([int(noted) if noted.isdecimal() else 0, *copied])


def _is_filler(found: ModelVersion, originals: dict[int, ModelVersion]) -> bool:
    # Made of a later version than its number says. Whoever copies a version within the server copies its tags too,
    # but gets a later number.
    original = originals.get(_number(found))
    return (
        original is not None
        and found.version < original.version
        and found.version not in originals
        and found.tags.get(SOURCE_TIME, str(original.creation_time)) == str(original.creation_time)
    )


def _number(found: ModelVersion) -> int:
    number = found.tags.get(SOURCE_ID, "")
    return int(number) if number.isdecimal() else 0
