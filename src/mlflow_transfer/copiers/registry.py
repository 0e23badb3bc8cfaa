"""Copies registered models and prompts: every version with its original number, then stages and aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlflow_common.errors import PlatformError
from mlflow_transfer.client import ApiError
from mlflow_transfer.context import CopyContext
from mlflow_transfer.links import Kind
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import ModelVersion, RegisteredModel, without_own_tags
from mlflow_transfer.registry_matching import (
    LAST,
    LOST,
    copy_tags,
    foreign_versions_message,
    lost_numbers,
    match_versions,
    used_up_version,
)
from mlflow_transfer.restore_in_place import lost_version, same_registered_model
from mlflow_transfer.rewrite import moved_source

_NO_STAGE = "None"
# Each number that the source has deleted takes two calls.
_MOST_PLACEHOLDERS = 10_000
# The platform sets these tags on each server.
_PLATFORM = "sagemaker."


class RegistryCopier:
    """Copies registered models with their versions."""

    def __init__(self, context: CopyContext) -> None:
        self._context = context
        # Models to which the copy only adds: the same on both sides, or copies on a server that people work with.
        self._only_added_to: set[str] = set()
        # The highest version number that each copy is known to have had.
        self._last: dict[str, int] = {}
        # The highest number that the destination had used up before this copy. It gives no lower one to a version.
        self._highest: dict[str, int] = {}
        self._lost: set[tuple[str, int]] = set()
        # Lost versions whose number the destination has used up. Another try would not help.
        self._used_up: set[tuple[str, int]] = set()

    async def copy(self, models: list[RegisteredModel]) -> None:
        """Copy registered models that are new or changed.

        Raises:
            PlatformError: the destination has a model with such a name whose versions are not from this source.
        """
        if not models:
            return
        present = {model.name: model for model in await self._context.destination.reader.registered_models()}
        ensured = [await self._ensure_unless_refused(model, present.get(model.name)) for model in models]
        models = [model for model in ensured if model is not None]
        versions = [version for model in models for version in model.versions]
        self._context.progress.total("versions", len(versions))
        there = {(one.name, one.version): one for model in present.values() for one in model.versions}
        for version in _in_order(models):
            work = self._ensure_version(version, there.get((version.name, version.version)))
            if not await self._context.unless_refused(_place(version), work):
                self._lost.add((version.name, version.version))
            self._context.progress.advance("versions")
        for model in models:
            follows = model.name not in self._only_added_to
            await self._set_aliases(model, present.get(model.name) if follows else None)
            await self._note_last(model, present.get(model.name))

    async def _ensure_unless_refused(
        self, model: RegisteredModel, present: RegisteredModel | None
    ) -> RegisteredModel | None:
        """As `_ensure_model`; None for a model that the destination refuses, for example its name.

        Later versions of MLflow refuse names that earlier ones accepted (`/` and `:`).
        """
        ensured: list[RegisteredModel] = []

        async def ensure() -> None:
            ensured.append(await self._ensure_model(model, present))

        await self._context.unless_refused(f"registered model {model.name!r}", ensure())
        return ensured[0] if ensured else None

    async def _ensure_model(self, model: RegisteredModel, present: RegisteredModel | None) -> RegisteredModel:
        """Create or update the model.

        Returns:
            The model with the versions and aliases to copy.
        """
        context = self._context
        if present is None:
            tags = {**without_own_tags(model.tags), **copy_tags(model)}
            await context.destination.registry.create_model(model.name, model.description, tags)
            context.summary.created_one("registered models")
            self._last[model.name] = 0
            return model
        added = context.strategy.only_additions(model, present, context.target)
        matches = match_versions(model, present, context.target)
        if not same_registered_model(model, present):
            self._last[model.name] = matches.last
        if added is None:
            self._highest[model.name] = max([matches.last, *(one.version for one in present.versions)])
        if added is not None:
            self._only_added_to.add(model.name)
            await self._delete_versions(context.strategy.leftovers(model, present), present)
            context.summary.updated_one("registered models", changed=False)
            context.summary.add_losses(added[1])
            return added[0]
        if matches.foreign:
            raise PlatformError(foreign_versions_message(model.name))
        changed = await self._update_model(model, present)
        if not context.lost.may_hide_registered(model.name):
            await self._delete_versions(matches.obsolete, present)
        context.summary.updated_one("registered models", changed=changed)
        return model

    async def _update_model(self, model: RegisteredModel, present: RegisteredModel) -> bool:
        """Update the tags and the description of a copy.

        Returns:
            Whether the source had changed.
        """
        registry, place = self._context.destination.registry, f"registered model {model.name!r}"
        changed, gone = _tag_changes(model.tags, present.tags)
        own = {key: value for key, value in copy_tags(model).items() if present.tags.get(key) != value}
        for key, value in {**changed, **own}.items():
            await self._context.unless_refused(f"{place} tag {key!r}", registry.tag_model(model.name, key, value))
        for key in () if self._context.lost.may_hide_registered(model.name) else gone:
            await registry.untag_model(model.name, key)
        described = present.description != model.description
        if described:
            work = registry.describe_model(model.name, model.description)
            await self._context.unless_refused(f"{place} description", work)
        return bool(changed or gone or described)

    async def _delete_versions(self, versions: Sequence[ModelVersion], present: RegisteredModel) -> None:
        for version in versions:
            await self._context.destination.registry.delete_version(version.name, version.version)
            present.versions.remove(version)

    async def _ensure_version(self, version: ModelVersion, present: ModelVersion | None) -> None:
        context = self._context
        if present is None:
            used_up = version.version <= self._highest.get(version.name, 0)
            tags = {**without_own_tags(version.tags), **copy_tags(version)}
            loss = used_up_version(version) if used_up else await self._create(version, tags)
            if loss is not None:
                self._lost.add((version.name, version.version))
                context.summary.add_losses([loss])
                return
            stage = _NO_STAGE
            context.summary.created_one("versions")
        else:
            stage = present.stage
            context.summary.updated_one("versions", changed=await self._update_version(version, present))
        if stage != version.stage:
            work = context.destination.registry.set_stage(version.name, version.version, version.stage)
            await self._context.unless_refused(f"{_place(version)} stage {version.stage!r}", work)

    async def _update_version(self, version: ModelVersion, present: ModelVersion) -> bool:
        """Update the tags and the description of a version.

        Returns:
            Whether the source's tags had changed.
        """
        registry, name, number = self._context.destination.registry, version.name, version.version
        changed, gone = _tag_changes(version.tags, present.tags)
        for key, value in changed.items():
            work = registry.tag_version(name, number, key, value)
            await self._context.unless_refused(f"{_place(version)} tag {key!r}", work)
        for key in () if self._context.lost.may_hide_registered(name) else gone:
            await registry.untag_version(name, number, key)
        if present.description != version.description:
            work = registry.describe_version(name, number, version.description)
            await self._context.unless_refused(f"{_place(version)} description", work)
        return bool(changed or gone)

    async def _create(self, version: ModelVersion, tags: dict[str, str]) -> Loss | None:
        """Create the version. Numbers that the source has deleted are used up by placeholders, which are then deleted.

        Returns:
            The loss of the version if it was not created: its number is too large, or no longer free in a model to
            which the copy only adds.
        """
        destination = self._context.destination
        mapped, model_id = self._mapped(version)
        place = _place(version)
        while True:
            try:
                number = await destination.registry.create_version(mapped, tags, model_id)
            except ApiError as error:
                if not error.missing:
                    raise
                return Loss(place, error.message)  # Its source is a version that does not exist.
            if number == version.version:
                return None
            await destination.registry.delete_version(version.name, number)
            if version.version - number > _MOST_PLACEHOLDERS:
                reason = f"the destination's next number is {number}, and at most {_MOST_PLACEHOLDERS:,} are skipped"
                return Loss(place, reason)
            if number > version.version and version.name in self._only_added_to:
                self._used_up.add((version.name, version.version))
                return lost_version(version)
            if number > version.version:
                raise PlatformError(
                    f"version {version.version} of {version.name!r} cannot be created, because the destination's next "
                    f"number is already {number}: stop the clients that register versions there, then try again"
                )

    def _mapped(self, version: ModelVersion) -> tuple[ModelVersion, str]:
        """The version with the destination's run and files, and the id of its logged model."""
        context = self._context
        source, links = moved_source(version, context.links, context.target)
        models = [link.target for kind, link in links if kind is Kind.MODEL]
        run_id = context.target(version.run_id) or version.run_id
        return replace(version, run_id=run_id, source=source), models[-1] if models else ""

    async def _set_aliases(self, model: RegisteredModel, present: RegisteredModel | None) -> None:
        pointed = present.aliases if present is not None else {}
        numbers = {one.version for one in model.versions if (one.name, one.version) not in self._lost}
        for alias, number in model.aliases.items():
            place = f"registered model {model.name!r} alias {alias!r}"
            if pointed.get(alias) == number:
                continue
            if number in numbers:
                work = self._context.destination.registry.set_alias(model.name, alias, number)
                await self._context.unless_refused(place, work)
            else:
                self._context.summary.add_losses([Loss(place, f"version {number} was not copied")])
        for alias in () if self._context.lost.may_hide_registered(model.name) else set(pointed) - set(model.aliases):
            work = self._context.destination.registry.delete_alias(model.name, alias)
            await self._context.unless_refused(f"registered model {model.name!r} alias {alias!r}", work)

    async def _note_last(self, model: RegisteredModel, present: RegisteredModel | None) -> None:
        """Store the highest number that was copied or found to be in use, and the lower numbers that were lost.

        A version that was refused is tried again, unless its number is lower.
        """
        refused = self._lost - self._used_up
        numbers = (one.version for one in model.versions if (one.name, one.version) not in refused)
        last = max(numbers, default=0)
        if model.name not in self._last:
            return
        if last > self._last[model.name]:
            await self._tag(model.name, LAST, str(last))
        known = set() if present is None else lost_numbers(present)
        lost = {number for name, number in self._lost if name == model.name and number <= last}
        if lost - known:
            await self._tag(model.name, LOST, " ".join(map(str, sorted(lost | known))))

    async def _tag(self, name: str, key: str, value: str) -> None:
        work = self._context.destination.registry.tag_model(name, key, value)
        await self._context.unless_refused(f"registered model {name!r} tag {key!r}", work)


def _place(version: ModelVersion) -> str:
    return f"registered model {version.name!r} version {version.version}"


def _in_order(models: Sequence[RegisteredModel]) -> list[ModelVersion]:
    """All versions by time, because one may be a copy of another model's version, which has to exist first.

    The versions of one model stay in the order of their numbers, whatever their times are.
    """
    found: list[tuple[int, ModelVersion]] = []
    for model in models:
        latest = 0
        for version in sorted(model.versions, key=lambda one: one.version):
            latest = max(latest, version.creation_time)
            found.append((latest, version))
    return [version for _, version in sorted(found, key=lambda one: (one[0], one[1].version))]


def _tag_changes(wanted: Mapping[str, str], present: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The tags to set, and the tags to remove."""
    ours = {key: value for key, value in without_own_tags(wanted).items() if not key.startswith(_PLATFORM)}
    theirs = {key: value for key, value in without_own_tags(present).items() if not key.startswith(_PLATFORM)}
    return {key: value for key, value in ours.items() if theirs.get(key) != value}, sorted(theirs.keys() - ours.keys())
