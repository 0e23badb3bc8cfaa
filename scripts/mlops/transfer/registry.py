"""Copies registered models and prompts: every version under its own number, then stages and aliases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scripts.mlops.errors import PlatformError
from scripts.mlops.transfer.checkpoint import Checkpoint
from scripts.mlops.transfer.destination import Destination
from scripts.mlops.transfer.origin import lost_version, missing_of, same_registered_model
from scripts.mlops.transfer.progress import Progress
from scripts.mlops.transfer.records import SOURCE_ID, ModelVersion, RegisteredModel, without_own_tags
from scripts.mlops.transfer.rewrite import ids_in, moved

if TYPE_CHECKING:
    from scripts.mlops.transfer.copying import Summary

_NO_STAGE = "None"


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
        self._own: set[str] = set()
        self._lost: set[tuple[str, int]] = set()

    async def copy(self, models: list[RegisteredModel]) -> None:
        """Copy registered models with all their versions; of one that is the very same only what is missing.

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
            await self._settle_aliases(model, present.get(model.name) if model.name not in self._own else None)

    async def _ensure_model(self, model: RegisteredModel, present: RegisteredModel | None) -> RegisteredModel:
        """See that the model is there.

        Returns:
            What of it is to be copied.
        """
        tags = without_own_tags(model.tags)
        if present is None:
            await self._destination.create_registered_model(
                model.name, model.description, {**tags, SOURCE_ID: model.name}
            )
            self._summary.count(self._summary.created, "registered models")
            return model
        if same_registered_model(model, present):
            self._own.add(model.name)
            self._summary.count(self._summary.unchanged, "registered models")
            missing, losses = missing_of(model, present)
            self._summary.losses += losses
            return missing
        strangers = [one for one in present.versions if SOURCE_ID not in one.tags]
        if strangers:
            raise PlatformError(stranger_message(model.name))
        for version in [one for one in present.versions if one.tags[SOURCE_ID] != str(one.version)]:
            # Made to use up the number of a version that the source has deleted.
            await self._destination.delete_version(version.name, version.version)
            present.versions.remove(version)
        changed = False
        for key, value in tags.items():
            if present.tags.get(key) != value:
                await self._destination.tag_registered_model(model.name, key, value)
                changed = True
        if present.description != model.description:
            await self._destination.describe_registered_model(model.name, model.description)
            changed = True
        self._summary.count(self._summary.changed if changed else self._summary.unchanged, "registered models")
        return model

    async def _ensure_version(self, version: ModelVersion, present: ModelVersion | None) -> None:
        tags = without_own_tags(version.tags)
        if present is None:
            if not await self._create(version, {**tags, SOURCE_ID: str(version.version)}):
                self._lost.add((version.name, version.version))
                self._summary.losses.append(lost_version(version))
                return
            stage = _NO_STAGE
            self._summary.count(self._summary.created, "versions")
        else:
            stage = present.stage
            changed = {key: value for key, value in tags.items() if present.tags.get(key) != value}
            # The platform's own tags (sagemaker.model_package_arn) are each server's affair.
            changed = {key: value for key, value in changed.items() if not key.startswith("sagemaker.")}
            for key, value in changed.items():
                await self._destination.tag_version(version.name, version.version, key, value)
            if present.description != version.description:
                await self._destination.describe_version(version.name, version.version, version.description)
            self._summary.count(self._summary.changed if changed else self._summary.unchanged, "versions")
        if stage != version.stage:
            await self._destination.set_stage(version.name, version.version, version.stage)

    async def _create(self, version: ModelVersion, tags: dict[str, str]) -> bool:
        """Create the version; numbers that the source has deleted are used up and deleted on the way.

        Returns:
            Whether its number was still to be had. If not, a model of the source's own stays without it.
        """
        there, model_id = self._mapped(version)
        while True:
            number = await self._destination.create_version(there, tags, model_id)
            if number == version.version:
                return True
            await self._destination.delete_version(version.name, number)
            if number > version.version and version.name in self._own:
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
        held = present.aliases if present is not None else {}
        numbers = {one.version for one in model.versions if (one.name, one.version) not in self._lost}
        for alias, number in model.aliases.items():
            if held.get(alias) != number and number in numbers:
                await self._destination.set_alias(model.name, alias, number)
        for alias in set(held) - set(model.aliases):
            await self._destination.delete_alias(model.name, alias)


def stranger_message(name: str) -> str:
    """What is wrong where both sides have a model of one name."""
    return (
        f"the destination has a registered model {name!r} with versions of its own: "
        "rename or delete it there, or copy into another server"
    )
