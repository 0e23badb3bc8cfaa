"""Compares logged models."""

from __future__ import annotations

import math

from mlflow_transfer.links import Kind, Link
from mlflow_transfer.matching import ExperimentPair, Matches
from mlflow_transfer.records import MODEL_VERSIONS, SOURCE_ID, LoggedModel, ModelPoint, point_key, without_own_tags
from mlflow_transfer.verification.artifacts import ArtifactComparer
from mlflow_transfer.verification.context import VerifyContext
from mlflow_transfer.verification.runs import RunComparer


class ModelComparer:
    """Compares the logged models of experiments."""

    def __init__(self, context: VerifyContext, runs: RunComparer, artifacts: ArtifactComparer) -> None:
        self._context, self._runs, self._artifacts = context, runs, artifacts

    async def compare(self, pair: ExperimentPair, needed: set[str]) -> None:
        """Compare the logged models of an experiment.

        Args:
            needed: receives the runs that created them, which are then compared even if they are deleted.
        """
        context = self._context
        there = await self._read_right(pair)
        found: list[tuple[LoggedModel, LoggedModel]] = []
        async for models in context.left.logged_models(pair.source.id):
            for model in models:
                needed.add(model.source_run_id)
                context.report.compared["logged models"] += 1
                other = there.get(self._key(model)) or there.get(model.id)
                if other is None:
                    context.report.add(f"logged model {model.id}", "logged model missing", model.name, None)
                    continue
                link = Link(model.id, other.id, model.artifact_uri, other.artifact_uri)
                context.matches.links.put(Kind.MODEL, link)
                found.append((model, other))
        if context.match.by_name:
            await self._runs.index_names(pair.source)
        else:
            points = (point for model, _ in found for point in model.points)
            await self._runs.index_originals({model.source_run_id for model, _ in found}, points)
        for model, other in found:
            self._compare_model(model, other)
            await self._artifacts.compare(f"logged model {model.id}", model.artifact_uri, other.artifact_uri)

    async def _read_right(self, pair: ExperimentPair) -> dict[str, LoggedModel]:
        """The right side's logged models by the id of the original. Copies are also included by their own id."""
        context = self._context
        there: dict[str, LoggedModel] = {}
        async for models in context.right.logged_models(pair.target.id):
            for model in models:
                there.setdefault(self._key(model), model)
                if not context.match.by_name:
                    context.matches.add_model(model, same=SOURCE_ID not in model.tags)
        report_duplicates(context, context.matches, "logged model")
        return there

    def _key(self, model: LoggedModel) -> str:
        return model.name if self._context.match.by_name else model.tags.get(SOURCE_ID, model.id)

    def _compare_model(self, left: LoggedModel, right: LoggedModel) -> None:
        context, report = self._context, self._context.report
        place = f"logged model {left.id}"
        for what in ("name", "model_type", "status"):
            report.compare(place, f"logged model {what.replace('_', ' ')}", getattr(left, what), getattr(right, what))
        run = context.target(left.source_run_id) or ""
        report.compare(place, "logged model source run", run, right.source_run_id)
        context.compare_texts(place, "logged model param", left.params, right.params)
        tags = {key: context.mapped(key, value) for key, value in without_own_tags(left.tags).items()}
        there = {key: value for key, value in right.tags.items() if key != MODEL_VERSIONS}
        tags.pop(MODEL_VERSIONS, None)
        context.compare_texts(place, "logged model tag", tags, there)
        report.compared["logged model metrics"] += len(left.points)
        mapped = (point._replace(run_id=context.target(point.run_id) or point.run_id) for point in left.points)
        ours, theirs = sorted(map(_point_text, mapped)), sorted(map(_point_text, right.points))
        report.compare(place, "logged model metrics", ours, theirs)


def report_duplicates(context: VerifyContext, matches: Matches, what: str) -> None:
    """Report objects of the right side that are copies of the same object."""
    for one in matches.take_duplicates():
        context.report.add(f"{what} {one.kept.source}", f"{what} twice", one.kept.target, one.extra.target)


def _point_text(point: ModelPoint) -> tuple[str, tuple[str, str, int, int], str, str]:
    # The server stores a logged model's NaN as 0.
    value = 0.0 if math.isnan(point.point.value) else point.point.value
    key = point_key(point.point._replace(value=value))
    return point.run_id, key, point.dataset_name or "", point.dataset_digest or ""
