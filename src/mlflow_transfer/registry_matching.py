"""Pairs registered models and their versions: decides which versions of the destination are copies.

Two sources may have models with equal names and version numbers. So a tag of each copied model and version stores the
creation time of its original. Older releases did not set this tag; their copies are recognized by the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mlflow_transfer.losses import Loss
from mlflow_transfer.records import SOURCE_ID, SOURCE_TIME, ModelVersion, RegisteredModel
from mlflow_transfer.restore_in_place import lost_version

# The last copied number. A missing version with a lower number was deleted at the destination. The copy does not create
# it again while users work there.
LAST = "transfer.last_version"
# The lower numbers whose versions could not be copied, so that every later copy names them.
LOST = "transfer.lost_versions"

Target = Callable[[str], str | None]


@dataclass(frozen=True)
class VersionMatches:
    """The versions of the destination's model without a counterpart in the source.

    Args:
        foreign: versions that were not copied from this source.
        obsolete: copies of versions that the source has deleted, and placeholders that only used up a number.
        last: the last number that was copied.
    """

    foreign: list[ModelVersion]
    obsolete: list[ModelVersion]
    last: int


def copy_tags(original: RegisteredModel | ModelVersion) -> dict[str, str]:
    """The tags that identify a copy."""
    name = original.name if isinstance(original, RegisteredModel) else str(original.version)
    return {SOURCE_ID: name, SOURCE_TIME: str(original.creation_time)}


def is_copy(original: ModelVersion, found: ModelVersion, target: Target) -> bool:
    """Whether a version of the destination is a copy of this version with the same number."""
    if not original.version == found.version == _source_number(found):
        return False
    made = found.tags.get(SOURCE_TIME)
    if made is None:
        return found.run_id == (target(original.run_id) or original.run_id)
    return made == str(original.creation_time)


def match_versions(model: RegisteredModel, there: RegisteredModel, target: Target) -> VersionMatches:
    """Classify the versions of the destination's model with that name.

    Args:
        target: maps the source's run ids to the destination's.
    """
    originals = {version.version: version for version in model.versions}
    found = VersionMatches([], [], _last(model, there, target))
    other = there.tags.get(SOURCE_TIME, str(model.creation_time)) != str(model.creation_time)
    for one in there.versions:
        original = originals.get(one.version)
        if other or SOURCE_ID not in one.tags:
            found.foreign.append(one)
        elif original is not None and is_copy(original, one, target):
            continue
        elif _is_placeholder(one, originals) or (original is None and one.version <= found.last):
            found.obsolete.append(one)
        else:
            found.foreign.append(one)
    return found


def additions(model: RegisteredModel, there: RegisteredModel, target: Target) -> tuple[RegisteredModel, list[Loss]]:
    """The versions that were added to the source's model after it was copied.

    Returns:
        The model with only those versions, and the versions whose numbers other versions use at the destination.
    """
    last, present = _last(model, there, target), {version.version: version for version in there.versions}
    lost = lost_numbers(there)
    mine = there.tags.get(SOURCE_TIME, str(model.creation_time)) == str(model.creation_time)
    mine = mine and (SOURCE_ID in there.tags or last > 0 or not present)
    missing: list[ModelVersion] = []
    losses: list[Loss] = []
    for version in model.versions:
        other = present.get(version.version)
        if not mine or (other is not None and not is_copy(version, other, target)):
            losses.append(_taken_version(version))
        elif other is None and version.version in lost:
            losses.append(used_up_version(version))
        elif other is None and version.version > last:
            if version.version > max(present, default=0):
                missing.append(version)
            else:
                losses.append(_taken_version(version))
    numbers = {version.version for version in missing}
    aliases = {
        alias: number for alias, number in model.aliases.items() if number in numbers and alias not in there.aliases
    }
    return replace(model, versions=missing, aliases=aliases), losses


def placeholders(model: RegisteredModel, there: RegisteredModel) -> list[ModelVersion]:
    """Versions that an interrupted copy created only to use up numbers of deleted versions."""
    originals = {version.version: version for version in model.versions}
    return [one for one in there.versions if _is_placeholder(one, originals)]


def foreign_versions_message(name: str) -> str:
    """The error for a name that both sides use for different models."""
    return (
        f"the destination has a registered model {name!r} with other versions: "
        "rename or delete it there, or copy into another server"
    )


def lost_numbers(there: RegisteredModel) -> set[int]:
    """The numbers of versions that an earlier copy could not create, and that are used up."""
    return {int(number) for number in there.tags.get(LOST, "").split() if number.isdecimal()}


def used_up_version(version: ModelVersion) -> Loss:
    """The loss of a version that no copy can create any more."""
    reason = "it is not there, and the destination has given higher numbers since: register its files again"
    return Loss(lost_version(version).place, reason)


def _taken_version(version: ModelVersion) -> Loss:
    reason = "its number was given to another version there: register its files again"
    return Loss(lost_version(version).place, reason)


def _last(model: RegisteredModel, there: RegisteredModel, target: Target) -> int:
    originals = {version.version: version for version in model.versions}
    copied = (
        one.version
        for one in there.versions
        if one.version in originals and is_copy(originals[one.version], one, target)
    )
    noted = there.tags.get(LAST, "")
    return max([int(noted) if noted.isdecimal() else 0, *copied])


def _is_placeholder(found: ModelVersion, originals: dict[int, ModelVersion]) -> bool:
    # A placeholder has the tags of a version with a higher number. A version that a user copies within the server
    # also has the tags of its original, but a higher number than the original.
    original = originals.get(_source_number(found))
    return (
        original is not None
        and found.version < original.version
        and found.version not in originals
        and found.tags.get(SOURCE_TIME, str(original.creation_time)) == str(original.creation_time)
    )


def _source_number(found: ModelVersion) -> int:
    number = found.tags.get(SOURCE_ID, "")
    return int(number) if number.isdecimal() else 0
