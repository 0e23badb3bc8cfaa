"""Strategies: how a copy treats objects that the destination already has, and which differences count."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mlflow_transfer.links import Link
from mlflow_transfer.losses import Loss
from mlflow_transfer.matching import ExperimentPair
from mlflow_transfer.records import (
    ACTIVE,
    DELETED,
    RUN_NAME,
    SOURCE_ID,
    SOURCE_TIME,
    ModelVersion,
    RegisteredModel,
    Run,
    without_own_tags,
)
from mlflow_transfer.registry_matching import additions, placeholders
from mlflow_transfer.restore_in_place import missing_of, same_registered_model
from mlflow_transfer.rewrite import Target

# Differences that come from people who work with the server.
_CHANGED_BY_PEOPLE = frozenset(
    {
        "experiment name", "experiment stage", "experiment tag", "logged model tag", "run lifecycle stage", "run name",
        "run tag", "trace tag",
    }
)  # fmt: skip


@dataclass(frozen=True)
class ExperimentUpdate:
    """The changes to an existing experiment.

    Args:
        revive: restore the experiment, which is deleted.
        name: its new name.
        tags: tags to set.
    """

    revive: bool = False
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.revive or self.name is not None or bool(self.tags)


@dataclass(frozen=True)
class FinalStage:
    """The stage of an experiment after everything was copied.

    Args:
        restore_runs: restore the runs that are active in the source, because deleting an experiment deletes its runs.
    """

    stage: str
    restore_runs: bool = True


@dataclass(frozen=True)
class RunUpdate:
    """The changes to an existing run."""

    tags: Mapping[str, str]
    removed_tags: frozenset[str]
    name: str


class ModelComparison(Protocol):
    """Compares a registered model of both sides in one of two ways."""

    def compare_all(self, left: RegisteredModel, right: RegisteredModel) -> None:
        """Require that everything is equal."""

    def compare_additions(self, left: RegisteredModel, right: RegisteredModel) -> None:
        """Require that every version exists and was made from the same run and files."""


class PointComparison(Protocol):
    """Compares the differing points of one metric of one run."""

    async def compare_all(self) -> None:
        """Require the same points on both sides."""

    async def compare_missing(self) -> None:
        """Require every point of the left side on the right side."""


class Mirror:
    """The destination follows the source: differences are overwritten.

    An object that is the same on both sides (with equal ids) is an exception: it is not changed.
    """

    def update_experiment(self, pair: ExperimentPair) -> ExperimentUpdate:
        """The changes to the destination's experiment before the runs are copied."""
        source, target = pair.source, pair.target
        deleted = target.lifecycle_stage == DELETED
        if pair.same:
            return ExperimentUpdate(revive=deleted and source.lifecycle_stage == ACTIVE)
        tags = {key: value for key, value in without_own_tags(source.tags).items() if target.tags.get(key) != value}
        if SOURCE_ID not in target.tags:
            tags |= {SOURCE_ID: source.id, SOURCE_TIME: str(source.creation_time)}
        name = source.name if source.name != target.name else None
        return ExperimentUpdate(deleted and (bool(tags) or name is not None), name, tags)

    def final_stage(self, pair: ExperimentPair, *, created: bool) -> FinalStage | None:  # noqa: ARG002
        """The experiment's stage at the end; None to leave it unchanged.

        Args:
            created: this copy created the experiment.
        """
        if pair.same and pair.target.lifecycle_stage == ACTIVE:
            return None
        return FinalStage(pair.source.lifecycle_stage)

    def lacks(self, link: Link | None, fingerprint: str) -> bool:
        """Whether a logged model or trace has to be copied."""
        return link is None or not (link.same_id or link.fingerprint == fingerprint)

    def stays_deleted(self, run: Run, link: Link | None) -> bool:  # noqa: ARG002 the subclass needs them
        """Whether a run is not changed because one of the sides deleted it."""
        return False

    def update_run(self, target: Run, tags: Mapping[str, str], name: str) -> RunUpdate:
        """The changes to the tags and the name of the destination's run.

        Args:
            tags: the tags of the source's run, with the destination's ids in them.
            name: the name of the source's run.
        """
        changed = {key: value for key, value in tags.items() if target.tags.get(key) != value}
        removed = frozenset(without_own_tags(target.tags)) - frozenset(tags) - {RUN_NAME}
        return RunUpdate(changed, removed, name)

    def only_additions(
        self,
        model: RegisteredModel,
        there: RegisteredModel,
        target: Target,  # noqa: ARG002 the subclass needs it
    ) -> tuple[RegisteredModel, list[Loss]] | None:
        """The additions to a registered model that is otherwise not changed.

        Returns:
            The model with the versions and aliases to add, and the versions that cannot be added; None if the
            destination's model is a copy that follows its original.
        """
        return missing_of(model, there) if same_registered_model(model, there) else None

    def leftovers(self, model: RegisteredModel, there: RegisteredModel) -> list[ModelVersion]:  # noqa: ARG002
        """Versions of an interrupted copy that are deleted from a model which is otherwise not changed."""
        return []

    def differs(self, what: str, left: object, right: object) -> bool:  # noqa: ARG002 the subclass needs them
        """Whether a difference that a verification found counts."""
        return True

    def compare_points(self, comparison: PointComparison) -> Awaitable[None]:
        """Compare the points of a metric according to this strategy."""
        return comparison.compare_all()

    def compare_model(self, comparison: ModelComparison, left: RegisteredModel, right: RegisteredModel) -> None:
        """Compare a registered model according to this strategy."""
        comparison.compare_all(left, right)


class AddOnly(Mirror):
    """For a destination that people work with: missing objects are added, and existing ones are never changed."""

    def update_experiment(self, pair: ExperimentPair) -> ExperimentUpdate:  # noqa: ARG002 the same for all
        """Change nothing."""
        return ExperimentUpdate()

    def final_stage(self, pair: ExperimentPair, *, created: bool) -> FinalStage | None:
        """Delete an experiment again that was deleted at the destination, together with the additions."""
        if created:
            return super().final_stage(pair, created=created)
        return FinalStage(pair.target.lifecycle_stage, restore_runs=False)

    def lacks(self, link: Link | None, fingerprint: str) -> bool:
        """Whether the object is missing or incomplete. A complete one is never changed."""
        return super().lacks(link, fingerprint) and not (link is not None and link.whole)

    def stays_deleted(self, run: Run, link: Link | None) -> bool:
        """Whether a complete run was deleted on either side. It is then not changed."""
        return link is not None and link.whole and (link.deleted or run.lifecycle_stage == DELETED)

    def update_run(self, target: Run, tags: Mapping[str, str], name: str) -> RunUpdate:  # noqa: ARG002
        """Set only tags that are missing."""
        missing = {key: value for key, value in tags.items() if key not in target.tags}
        return RunUpdate(missing, frozenset(), target.name)

    def only_additions(
        self, model: RegisteredModel, there: RegisteredModel, target: Target
    ) -> tuple[RegisteredModel, list[Loss]] | None:
        """Only add to existing models."""
        return super().only_additions(model, there, target) or additions(model, there, target)

    def leftovers(self, model: RegisteredModel, there: RegisteredModel) -> list[ModelVersion]:
        """The placeholders of an interrupted copy."""
        return placeholders(model, there)

    def differs(self, what: str, left: object, right: object) -> bool:
        """Count only what is missing on the right side."""
        more = isinstance(left, list) and isinstance(right, list) and all(one in right for one in left)
        return what not in _CHANGED_BY_PEOPLE and left is not None and not more

    def compare_points(self, comparison: PointComparison) -> Awaitable[None]:
        """Count only missing points."""
        return comparison.compare_missing()

    def compare_model(self, comparison: ModelComparison, left: RegisteredModel, right: RegisteredModel) -> None:
        """Count only missing versions."""
        comparison.compare_additions(left, right)
