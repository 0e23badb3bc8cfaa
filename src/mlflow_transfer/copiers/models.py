"""Copies the logged models of MLflow 3, each after the run that created it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from mlflow_transfer.context import CopyContext
from mlflow_transfer.copiers.artifacts import ArtifactCopier, FileSet
from mlflow_transfer.copiers.experiments import ExperimentCopier
from mlflow_transfer.copiers.run_creator import RunCreator
from mlflow_transfer.fingerprints import model_fingerprint, model_tags
from mlflow_transfer.links import Kind, Link, State
from mlflow_transfer.records import FINGERPRINT, MODEL_VERSIONS, Experiment, LoggedModel, ModelPoint, without_own_tags
from mlflow_transfer.rewrite import rewrite_own_tags, split_tags
from mlflow_transfer.selection import Selection
from mlflow_transfer.writers.models import STATUS_NUMBERS


class ModelCopier:
    """Copies logged models, and records which points of runs belong to them."""

    def __init__(
        self,
        context: CopyContext,
        experiments: ExperimentCopier,
        creator: RunCreator,
        artifacts: ArtifactCopier,
        selection: Selection,
    ) -> None:
        self._context, self._experiments, self._creator = context, experiments, creator
        self._artifacts, self._selection = artifacts, selection
        self.recreated: set[str] = set()
        """The destination's ids of logged models that were created again in an experiment of both sides."""

    async def copy(self, experiment: Experiment) -> None:
        """Copy the logged models of an experiment that are new or changed."""
        async for models in self._context.source.logged_models(experiment.id):
            self._context.progress.total("models", len(models))
            makers = [model.source_run_id for model in models if model.source_run_id]
            self._selection.need_runs(makers)
            await self._creator.ensure_all(makers)
            async with asyncio.TaskGroup() as tasks:
                for model in models:
                    work = self._copy(model)
                    tasks.create_task(self._context.unless_refused(f"logged model {model.id}", work))

    async def _copy(self, model: LoggedModel) -> None:
        context = self._context
        link = context.links.get(Kind.MODEL, model.id)
        if link is not None and link.same_id:
            await self._restore_in_place(model, link)
        elif link is None:
            link, tags = await self._create(model)
            context.summary.created_one("logged models")
            await self._fill(model, link, tags)
        elif self._selection.lacks_model(model):
            tags = await self._change_tags(model, link)
            context.summary.updated_one("logged models", changed=True)
            await self._fill(model, link, tags)
        else:
            self._remember(model, link)
            await self._copy_files(model, link, whole=True)
            context.summary.updated_one("logged models", changed=False)
        context.progress.advance("models")

    async def _create(self, model: LoggedModel) -> tuple[Link, dict[str, str]]:
        """Create the logged model.

        Returns:
            Its link, and the tags that are set once it is complete.
        """
        context = self._context
        now, later = split_tags(model.tags, model.id, context.target)
        run_id = context.target(model.source_run_id) if model.source_run_id else None
        experiment_id = await self._experiments.revive(model.experiment_id)
        created = await context.destination.models.create(model, experiment_id, run_id or "", now)
        link = Link(model.id, created.id, model.artifact_uri, created.artifact_uri)
        context.links.put(Kind.MODEL, link)
        return link, rewrite_own_tags(later, model.id, created.id, context.target)

    async def _change_tags(self, model: LoggedModel, link: Link) -> dict[str, str]:
        """Remove the tags that the source no longer has, and return those to set."""
        context = self._context
        tags = rewrite_own_tags(model_tags(model), model.id, link.target, context.target)
        there = without_own_tags((await context.destination.models.get(link.target)).tags)
        gone = there.keys() - tags.keys() - {MODEL_VERSIONS}
        for key in () if context.lost.may_hide(model.id) else gone:
            await context.destination.models.untag(link.target, key)
        return tags

    async def _fill(self, model: LoggedModel, link: Link, tags: dict[str, str]) -> None:
        """Copy the files, and set the status, the tags and the fingerprint."""
        context, state = self._context, model_fingerprint(model)
        self._remember(model, link)
        await self._copy_files(model, link, whole=False)
        if model.status in STATUS_NUMBERS and model.status != "LOGGED_MODEL_PENDING":
            await context.destination.models.finalize(link.target, model.status)
        # The next copy fills a logged model again that could not be read completely.
        stored = "" if context.lost.of(model.id) else state
        await context.destination.models.tag(link.target, {**tags, FINGERPRINT: stored})
        whole = replace(link, source_uri=model.artifact_uri, state=State.WHOLE, fingerprint=state)
        context.links.put(Kind.MODEL, whole)

    def _remember(self, model: LoggedModel, link: Link) -> None:
        """Record the location of the source's files, and which points of runs belong to the logged model."""
        self._context.links.put(Kind.MODEL, replace(link, source_uri=model.artifact_uri))
        if self._experiments.is_same(model.experiment_id):
            self.recreated.add(link.target)
        self._context.scratch.add_model_points(ModelPoint(link.target, *point[1:]) for point in model.points)

    async def _copy_files(self, model: LoggedModel, link: Link, *, whole: bool) -> None:
        # A logged model that was created just now, or by an interrupted copy, may not have any files yet.
        owner = f"logged model {model.id}"
        again = link.whole
        await self._artifacts.copy(FileSet(owner, model.artifact_uri, link.target_uri, again=again, whole=whole))

    async def _restore_in_place(self, model: LoggedModel, link: Link) -> None:
        """Restore files that are missing in a logged model that is the same on both sides."""
        self._context.links.put(Kind.MODEL, replace(link, source_uri=model.artifact_uri))
        self._context.scratch.add_model_points(model.points)
        files = FileSet(f"logged model {model.id}", model.artifact_uri, link.target_uri, same=True)
        await self._artifacts.copy(files)
        self._context.summary.updated_one("logged models", changed=False)
