"""Compares runs: the content of listings, inputs and outputs, and every point of every metric."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from mlflow_transfer.histories import Sum, sums_of_both
from mlflow_transfer.limits import adapt
from mlflow_transfer.links import Kind, Link
from mlflow_transfer.matching import ExperimentPair
from mlflow_transfer.records import (
    ACTIVE,
    RUN_NAME,
    SOURCE_ID,
    Experiment,
    ModelPoint,
    Point,
    Run,
    point_key,
    without_own_tags,
)
from mlflow_transfer.sources.base import Source
from mlflow_transfer.verification.artifacts import ArtifactComparer
from mlflow_transfer.verification.context import VerifyContext

DETAILED_POINTS = 50_000
_NONE = (0, 0)


class RunComparer:
    """Compares the runs of experiments. Every run of the left side has to exist exactly once on the right side."""

    def __init__(self, context: VerifyContext, artifacts: ArtifactComparer) -> None:
        self._context, self._artifacts = context, artifacts

    async def read_right(self, pair: ExperimentPair) -> None:
        """Read the runs of the right side's experiment."""
        context, matches = self._context, self._context.matches
        async for runs in context.right.runs(pair.target.id):
            for run in runs:
                if context.match.by_name:
                    matches.add_named_run(_named(pair.source.id, run), run)
                    continue
                # A run without a tag has the id of its original: both sides are the same server, or its database.
                matches.add_run(run, same=pair.same or SOURCE_ID not in run.tags)
                if SOURCE_ID in run.tags and run.lifecycle_stage == ACTIVE:
                    context.scratch.add_unmatched(run.id, run.tags[SOURCE_ID])
        for one in matches.take_duplicates():
            if not one.extra.deleted:
                context.report.add(f"run {one.kept.source}", "run twice", one.kept.target, one.extra.target)
                context.scratch.drop_unmatched(one.extra.target)

    async def compare(self, experiment: Experiment, needed: set[str]) -> None:
        """Compare the runs of an experiment of the left side.

        Args:
            needed: runs that are compared even if they are deleted, because something refers to them.
        """
        context = self._context
        async for page in context.left.runs(experiment.id):
            include = context.options.include_deleted
            runs = [run for run in page if run.lifecycle_stage == ACTIVE or include or run.id in needed]
            context.progress.total("runs", len(runs))
            await context.left.link(runs)
            pairs = await self._pairs(runs)
            await context.right.link([right for _, right in pairs])
            for left, right in pairs:
                self._compare_run(left, right)
            await self._compare_histories(pairs)
            files = (self._artifacts.compare(f"run {a.id}", a.artifact_uri, b.artifact_uri) for a, b in pairs)
            await asyncio.gather(*files)
            context.progress.advance("runs", len(runs))

    def report_unmatched(self) -> None:
        """Report the copies on the right side whose original is missing on the left side."""
        for target, source_id in self._context.scratch.unmatched():
            self._context.report.add(f"run {source_id}", "run only on the right", None, target)

    async def index_names(self, experiment: Experiment) -> None:
        """Link the left side's run ids in advance, because other objects may refer to runs that are compared later."""
        async for page in self._context.left.runs(experiment.id):
            for run in page:
                link = self._context.matches.links.get(Kind.RUN, _named(experiment.id, run))
                if link is not None:
                    self._put(run, run.id, link)

    async def index_originals(self, run_ids: set[str], points: Iterable[ModelPoint]) -> None:
        """Link runs of the left side that are copies themselves. The right side has tags with their originals."""
        mentioned = (run_ids | {point.run_id for point in points}) - {""}
        unknown = [one for one in mentioned if self._context.target(one) is None]
        for run in await self._context.left.runs_by_id(unknown):
            link = self._context.matches.find(Kind.RUN, run.id, run.tags)
            if link is not None:
                self._put(run, run.id, link)

    def _put(self, run: Run, key: str, link: Link) -> None:
        self._context.matches.links.put(Kind.RUN, replace(link, source=key, source_uri=run.artifact_uri))
        self._context.scratch.drop_unmatched(link.target)

    async def _pairs(self, runs: Sequence[Run]) -> list[tuple[Run, Run]]:
        """The runs of the left side with their counterparts. A run without a counterpart is reported."""
        context, report = self._context, self._context.report
        targets: dict[str, Run] = {}
        for run in runs:
            link = self._find(run)
            if link is None:
                report.compared["runs"] += 1
                report.add(f"run {run.id}", "run missing", run.name, None)
                continue
            for key in {link.source, run.id}:
                self._put(run, key, link)
            if link.target in targets:
                report.add(f"run {run.id}", "run missing", run.name, f"{link.target} is the copy of another run")
            targets[link.target] = run
        found = {run.id: run for run in await context.right.runs_by_id(list(targets))}
        for target, run in targets.items():
            if target not in found:
                report.add(f"run {run.id}", "run missing", run.name, f"{target} is gone")
        return [(left, found[right]) for right, left in targets.items() if right in found]

    def _find(self, run: Run) -> Link | None:
        if self._context.match.by_name:
            return self._context.matches.links.get(Kind.RUN, _named(run.experiment_id, run))
        return self._context.matches.find(Kind.RUN, run.id, run.tags)

    def _compare_run(self, original: Run, right: Run) -> None:
        context, report = self._context, self._context.report
        left, _, losses = adapt(original, context.limits)
        report.losses += losses
        place = f"experiment {context.experiment_names[left.experiment_id]!r} run {left.id}"
        report.compared["runs"] += 1
        for what in ("name", "user_id", "status", "start_time", "end_time", "lifecycle_stage"):
            report.compare(place, f"run {what.replace('_', ' ')}", getattr(left, what), getattr(right, what))
        report.compared["params"] += len(left.params)
        report.compared["tags"] += len(left.tags)
        context.compare_texts(place, "run param", left.params, right.params)
        own = without_own_tags(left.tags)
        tags = {key: context.mapped(key, value) for key, value in own.items() if key != RUN_NAME}
        there = {key: value for key, value in right.tags.items() if key != RUN_NAME}
        context.compare_texts(place, "run tag", tags, there)
        report.compared["inputs"] += len(left.inputs)
        report.compare(place, "run data set inputs", _inputs(left.inputs), _inputs(right.inputs))
        if context.features.logged_models:
            # A link remains when its logged model is deleted. A model that was not copied is reported as such.
            outputs = sorted((known, step) for one, step in left.model_outputs if (known := context.target(one)))
            report.compare(place, "run model outputs", outputs, sorted(right.model_outputs))
            inputs = sorted(known for one in left.model_inputs if (known := context.target(one)))
            report.compare(place, "run model inputs", inputs, sorted(right.model_inputs))

    async def _compare_histories(self, pairs: Sequence[tuple[Run, Run]]) -> None:
        context = self._context
        async with aclosing(sums_of_both(context.left, context.right, pairs, context.limits.takes_point)) as both:
            async for left, right, ours, theirs in both:
                for key in sorted(ours.keys() | theirs.keys()):
                    sums = ours.get(key, _NONE), theirs.get(key, _NONE)
                    context.report.compared["metric points"] += sums[0][0]
                    if sums[0] != sums[1]:
                        metric = MetricComparison(context, left, right, key, *sums)
                        await context.options.strategy.compare_points(metric)


@dataclass(frozen=True)
class MetricComparison:
    """Compares the points of one metric of one run, whose sums differ."""

    context: VerifyContext
    left: Run
    right: Run
    key: str
    left_sum: Sum
    right_sum: Sum

    async def compare_all(self) -> None:
        """Report the points that only one side has, or only their number if there are too many to compare."""
        (ours, _), (theirs, _) = self.left_sum, self.right_sum
        if ours != theirs:
            self._add(f"{ours} points", f"{theirs} points")
        elif ours > DETAILED_POINTS:
            self._add(f"{ours} points", f"{theirs} others")
        else:
            left, right = await self._points()
            self._add(sorted(left - right)[:3], sorted(right - left)[:3])

    async def compare_missing(self) -> None:
        """Report the points that are missing on the right side."""
        if self.left_sum[0] > DETAILED_POINTS:
            await self.compare_all()
            return
        left, right = await self._points()
        if left - right:
            self._add(f"{len(left)} points", f"{len(left - right)} of them are missing")

    def _add(self, left: object, right: object) -> None:
        name = self.context.experiment_names[self.left.experiment_id]
        place = f"experiment {name!r} run {self.left.id} metric {self.key!r}"
        self.context.report.add(place, "metric points", left, right)

    async def _points(self) -> tuple[set[Any], set[Any]]:
        left, right = await asyncio.gather(
            _points(self.context.left, self.left, self.key), _points(self.context.right, self.right, self.key)
        )
        return {point_key(point) for point in left if self.context.limits.takes_point(point)}, set(
            map(point_key, right)
        )


async def _points(source: Source, run: Run, key: str) -> list[Point]:
    found: list[Point] = []
    async with aclosing(source.histories([run])) as histories:
        async for _, history in histories:
            async for chunk in history:
                found += [point for point in chunk if point.key == key]
    return found


def _named(experiment_id: str, run: Run) -> str:
    return f"{experiment_id} {run.name}"


def _inputs(inputs: Iterable[Mapping[str, Any]]) -> list[Any]:
    def tags(one: Mapping[str, Any]) -> list[tuple[str, str]]:
        return sorted((str(tag["key"]), str(tag["value"])) for tag in one.get("tags", ()))

    return [({key: value for key, value in one["dataset"].items() if value}, tags(one)) for one in inputs]
