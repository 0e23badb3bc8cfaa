"""Copies registered models and prompts: every version under its own number, then stages and aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_common.errors import PlatformError
from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.copies import LAST, fillers, held, left_alone, marks
from mlflow_transfer.destination import Destination
from mlflow_transfer.progress import Progress
from mlflow_transfer.records import ModelVersion, RegisteredModel, without_own_tags
from mlflow_transfer.restore_in_place import lost_version, same_registered_model
from mlflow_transfer.rewrite import ids_in, moved

if TYPE_CHECKING:
    from mlflow_transfer.copying import Summary

_NO_STAGE = "None"
_PLATFORM = "sagemaker."


class Registry:
    """The destination's model registry, and what is to be in it."""

    def __init__(
        self,
        destination: Destination,
        checkpoint: Checkpoint,
        summary: Summary,
        progress: Progress,
        *,
        additive: bool = False,
    ) -> None:
        self._destination, self._checkpoint = destination, checkpoint
        self._summary, self._progress = summary, progress
        self._additive = additive
        # Models that people work with there: the very same, or copies in a server that is in use.
        self._kept: set[str] = set()
        # The last number that each copy is known to have had.
        self._last: dict[str, int] = {}
        self._lost: set[tuple[str, int]] = set()

    async def copy(self, models: list[RegisteredModel]) -> None:
        """Copy registered models with all their versions; of those that people work with only what is missing.

        Raises:
            PlatformError: the destination has a model of such a name whose versions are not this source's.
        """
        if not models:
            return
        present = {model.name: model for model in await self._destination.reader.registered_models()}
        models = [await self._ensure_model(model, present.get(model.name)) for model in models]
        versions = [version for model in models for version in model.versions]
        self._progress.total("versions", len(versions))
        there = {(one.name, one.version): one for model in present.values() for one in model.versions}
        # By time, for a version may be a copy of another model's, which has to exist before it.
        for version in sorted(versions, key=lambda one: (one.creation_time, one.version)):
            await self._ensure_version(version, there.get((version.name, version.version)))
            self._progress.advance("versions")
        for model in models:
            await self._settle_aliases(model, present.get(model.name) if model.name not in self._kept else None)
            await self._note_last(model)

    async def _ensure_model(self, model: RegisteredModel, present: RegisteredModel | None) -> RegisteredModel:
        """See that the model is there.

        Returns:
            What of it is to be copied.
        """
        if present is None:
            tags = {**without_own_tags(model.tags), **marks(model)}
            await self._destination.create_registered_model(model.name, model.description, tags)
            self._summary.count(self._summary.created, "registered models")
            self._last[model.name] = 0
            return model
        alone = left_alone(model, present, self._checkpoint.target, additive=self._additive)
        found = held(model, present, self._checkpoint.target)
        if not same_registered_model(model, present):
            self._last[model.name] = found.last
        if alone is not None:
            self._kept.add(model.name)
            if self._additive:
                await self._delete_versions(fillers(model, present), present)
            self._summary.count(self._summary.unchanged, "registered models")
            self._summary.losses += alone[1]
            return alone[0]
        if found.strangers:
            raise PlatformError(stranger_message(model.name))
        changed = await self._follow(model, present)
        await self._delete_versions(found.obsolete, present)
        self._summary.count(self._summary.changed if changed else self._summary.unchanged, "registered models")
        return model

    async def _follow(self, model: RegisteredModel, present: RegisteredModel) -> bool:
        """Bring a copy's tags and description up to date.

        Returns:
            Whether anything had changed.
        """
        changed, gone = _tag_changes(model.tags, present.tags)
        marked = {key: value for key, value in marks(model).items() if present.tags.get(key) != value}
        for key, value in {**changed, **marked}.items():
            await self._destination.tag_registered_model(model.name, key, value)
        for key in gone:
            await self._destination.untag_registered_model(model.name, key)
        described = present.description != model.description
        if described:
            await self._destination.describe_registered_model(model.name, model.description)
        return bool(changed or gone or described)

    async def _delete_versions(self, versions: Sequence[ModelVersion], present: RegisteredModel) -> None:
        for version in versions:
            await self._destination.delete_version(version.name, version.version)
            present.versions.remove(version)

    async def _ensure_version(self, version: ModelVersion, present: ModelVersion | None) -> None:
        if present is None:
            if not await self._create(version, {**without_own_tags(version.tags), **marks(version)}):
                self._lost.add((version.name, version.version))
                self._summary.losses.append(lost_version(version))
                return
            stage = _NO_STAGE
            self._summary.count(self._summary.created, "versions")
        else:
            stage = present.stage
            changed, gone = _tag_changes(version.tags, present.tags)
            for key, value in changed.items():
                await self._destination.tag_version(version.name, version.version, key, value)
            for key in gone:
                await self._destination.untag_version(version.name, version.version, key)
            if present.description != version.description:
                await self._destination.describe_version(version.name, version.version, version.description)
            self._summary.count(self._summary.changed if changed or gone else self._summary.unchanged, "versions")
        if stage != version.stage:
            await self._destination.set_stage(version.name, version.version, version.stage)

    async def _create(self, version: ModelVersion, tags: dict[str, str]) -> bool:
        """Create the version; numbers that the source has deleted are used up and deleted on the way.

        Returns:
            Whether its number was still to be had. If not, a model that people work with stays without it.
        """
        there, model_id = self._mapped(version)
        while True:
            number = await self._destination.create_version(there, tags, model_id)
            if number == version.version:
                return True
            await self._destination.delete_version(version.name, number)
            if number > version.version and version.name in self._kept:
                return False
            if number > version.version:
                raise PlatformError(
                    f"version {version.version} of {version.name!r} cannot be made: the destination's next number is "
                    f"already {number}; copy into a server where nobody registers versions meanwhile"
                )

    def _mapped(self, version: ModelVersion) -> tuple[ModelVersion, str]:
        run_id = self._checkpoint.target(version.run_id) or version.run_id
        roots: dict[str, str] = {}
        model_id = ""
        for one in {*ids_in(version.source), version.run_id}:
            link = self._checkpoint.get("run", one) or self._checkpoint.get("model", one)
            if link is not None:
                roots[link.source_uri] = link.target_uri
                roots[link.source_uri.removeprefix("file://")] = link.target_uri
                model_id = link.target if one.startswith("m-") else model_id
        source = moved(version.source, roots, self._checkpoint.target)
        return replace(version, run_id=run_id, source=source), model_id

    async def _settle_aliases(self, model: RegisteredModel, present: RegisteredModel | None) -> None:
        pointed = present.aliases if present is not None else {}
        numbers = {one.version for one in model.versions if (one.name, one.version) not in self._lost}
        for alias, number in model.aliases.items():
            if pointed.get(alias) != number and number in numbers:
                await self._destination.set_alias(model.name, alias, number)
        for alias in set(pointed) - set(model.aliases):
            await self._destination.delete_alias(model.name, alias)

    async def _note_last(self, model: RegisteredModel) -> None:
        """Note the last number that was copied, or that turned out to be used up there."""
        last = max((version.version for version in model.versions), default=0)
        if model.name in self._last and last > self._last[model.name]:
            await self._destination.tag_registered_model(model.name, LAST, str(last))


def _tag_changes(wanted: Mapping[str, str], present: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Tags to be set and tags to be taken away. Those of the platform (sagemaker.…) are each server's affair."""
    ours = {key: value for key, value in without_own_tags(wanted).items() if not key.startswith(_PLATFORM)}
    theirs = {key: value for key, value in without_own_tags(present).items() if not key.startswith(_PLATFORM)}
    return {key: value for key, value in ours.items() if theirs.get(key) != value}, sorted(theirs.keys() - ours.keys())


def stranger_message(name: str) -> str:
    """What is wrong where both sides have a model of one name."""
    return (
        f"the destination has a registered model {name!r} with versions of its own: "
        "rename or delete it there, or copy into another server"
    )
