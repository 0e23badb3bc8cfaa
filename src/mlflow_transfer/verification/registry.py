"""Compares registered models and prompts with their versions."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow_transfer.fitting import fit_registered_model
from mlflow_transfer.records import ModelVersion, RegisteredModel, without_own_tags
from mlflow_transfer.registry_matching import additions, is_copy
from mlflow_transfer.rewrite import moved_source
from mlflow_transfer.verification.context import VerifyContext

# The platform sets these tags on each server.
_PLATFORM_TAGS = "sagemaker."


class RegistryComparer:
    """Compares registered models."""

    def __init__(self, context: VerifyContext) -> None:
        self._context = context

    async def compare(self, registered: list[RegisteredModel]) -> None:
        """Compare these registered models of the left side with the right side's."""
        context = self._context
        there = {model.name: model for model in await context.right.registered_models()}
        for model in registered:
            if model.is_prompt and not context.features.prompts:
                continue
            context.report.compared["registered models"] += 1
            other = there.get(model.name)
            if other is None:
                context.report.add(_place(model), "registered model missing", model.name, None)
            else:
                model, losses = fit_registered_model(model, context.limits)
                context.report.losses += losses
                context.options.strategy.compare_model(self, model, other)

    def compare_all(self, left: RegisteredModel, right: RegisteredModel) -> None:
        """Require that everything is equal."""
        report, place = self._context.report, _place(left)
        report.compare(place, "registered model description", left.description, right.description)
        self._context.compare_texts(place, "registered model tag", _own(left.tags), _own(right.tags))
        report.compare(place, "registered model aliases", left.aliases, right.aliases)
        numbers = [version.version for version in left.versions]
        report.compare(place, "version numbers", numbers, [version.version for version in right.versions])
        versions = {version.version: version for version in right.versions}
        for version in left.versions:
            report.compared["model versions"] += 1
            if version.version in versions:
                self._compare_version(version, versions[version.version])

    def compare_additions(self, left: RegisteredModel, right: RegisteredModel) -> None:
        """Require that every version exists and was made from the same run and files."""
        context = self._context
        lacking, losses = additions(left, right, context.target)
        context.report.losses += losses
        for version in lacking.versions:
            context.report.add(_place(left), "version missing", version.version, None)
        there = {version.version: version for version in right.versions}
        for version in left.versions:
            context.report.compared["model versions"] += 1
            found = there.get(version.version)
            if found is not None and is_copy(version, found, context.target):
                self._compare_origin(version, found)

    def _compare_version(self, left: ModelVersion, right: ModelVersion) -> None:
        report, place = self._context.report, _version_place(left)
        report.compare(place, "version stage", left.stage, right.stage)
        report.compare(place, "version description", left.description, right.description)
        self._compare_origin(left, right)
        self._context.compare_texts(place, "version tag", _own(left.tags), _own(right.tags))

    def _compare_origin(self, left: ModelVersion, right: ModelVersion) -> None:
        """Compare the run and the files from which a version was made."""
        context, place = self._context, _version_place(left)
        run_id = context.target(left.run_id) or left.run_id
        context.report.compare(place, "version run", run_id, right.run_id)
        context.report.compare(place, "version run link", left.run_link, right.run_link)
        source, _ = moved_source(left, context.matches.links, context.target)
        context.report.compare(place, "version source", source, right.source)


def _place(model: RegisteredModel) -> str:
    return f"registered model {model.name!r}"


def _version_place(version: ModelVersion) -> str:
    return f"registered model {version.name!r} version {version.version}"


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in without_own_tags(tags).items() if not key.startswith(_PLATFORM_TAGS)}
