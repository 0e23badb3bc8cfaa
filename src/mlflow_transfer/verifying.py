"""Compares two sides, everything they hold, and says where they differ."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from mlflow_transfer.artifacts import checksum
from mlflow_transfer.checkpoint import Checkpoint, Link
from mlflow_transfer.copies import additions, is_copy
from mlflow_transfer.copying import EXPERIMENT, MODEL, RUN, own_root
from mlflow_transfer.histories import Sum, sums_of_both
from mlflow_transfer.limits import LONG_VALUES, Limits, adapt
from mlflow_transfer.losses import Loss
from mlflow_transfer.options import Options
from mlflow_transfer.progress import Progress, Tally
from mlflow_transfer.records import (
    ACTIVE,
    MODEL_VERSIONS,
    RUN_NAME,
    SOURCE_ID,
    SOURCE_TIME,
    Experiment,
    LoggedModel,
    ModelPoint,
    ModelVersion,
    RegisteredModel,
    Run,
    Trace,
    point_key,
    without_own_tags,
)
from mlflow_transfer.rest_source import RestSource
from mlflow_transfer.restore_in_place import same_experiment
from mlflow_transfer.rewrite import NAMING_FILES, ids_in, moved, rewrite_ids
from mlflow_transfer.selecting import registered_models
from mlflow_transfer.source import Features, Source
from mlflow_transfer.stores import S3, GoneError, Item, Store
from mlflow_transfer.traces import TRACE, losses_of

MOST_SHOWN = 10_000
_SHOWN_VALUE = 200
DETAILED_POINTS = 50_000
# Tags that the platform sets by itself on each server.
_PLATFORM_TAGS = "sagemaker."

T = TypeVar("T")


@dataclass(frozen=True)
class Difference:
    """Something that is not the same. `left` and `right` are how each side has it, shortened."""

    place: str
    what: str
    left: str
    right: str


@dataclass
class Report:
    """What was compared and what differs. `losses` are what the right side cannot hold, which is no difference."""

    left: str
    right: str
    compared: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    losses: list[Loss] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the sides are the same."""
        return not self.found

    def add(self, place: str, what: str, left: object, right: object) -> None:
        """Note a difference; past the first many they are only counted."""
        self.found[what] += 1
        if len(self.differences) < MOST_SHOWN:
            self.differences.append(Difference(place, what, _short(left), _short(right)))


@dataclass(frozen=True)
class Match:
    """How the right side's runs are told to be the left side's.

    by_name: by experiment and run name, for copies that other tools made. contents: compare artifacts' checksums.
    """

    by_name: bool = False
    contents: bool = True


class Verifying:
    """One comparison: everything of `left` has to be in `right`, once and the same."""

    def __init__(
        self,
        left: Source,
        right: Source,
        options: Options | None = None,
        match: Match | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.left, self.right = left, right
        self.options = options or Options()
        self.match = match or Match()
        self.progress: Progress = progress or Tally()
        self.report = Report(left.name, right.name)
        self._limits = Limits.of(right.version) if isinstance(right, RestSource) else Limits.none()
        self._both = Features(logged_models=False, traces=False, prompts=False)
        self._names: dict[str, str] = {}

    async def run(self) -> Report:
        """Compare everything."""
        with tempfile.TemporaryDirectory(prefix="transfer-verify-") as folder:
            # From the left's ids to the right's. On disk: there may be millions.
            self._index = Checkpoint(Path(folder) / "index.sqlite")
            self._threads = ThreadPoolExecutor(self.options.threads)
            try:
                await self._compare()
            finally:
                self._threads.shutdown(wait=True, cancel_futures=True)
                self._index.close()
        return self.report

    async def _compare(self) -> None:
        ours, theirs = await asyncio.gather(self.left.features(), self.right.features())
        self._both = Features(
            ours.logged_models and theirs.logged_models, ours.traces and theirs.traces, ours.prompts and theirs.prompts
        )
        others = [one async for one in self.right.experiments()]
        experiments = self.options.chosen([one async for one in self.left.experiments()], self.left.name)
        ids = {one.id: one for one in experiments}
        renamed = ((ids.get(one.tags.get(SOURCE_ID, "")), one) for one in others)
        there = {a.name: b for a, b in renamed if a is not None and b.tags.get(SOURCE_TIME) == str(a.creation_time)}
        there |= {one.name: one for one in others}
        there |= {ids[one.id].name: one for one in others if one.id in ids and same_experiment(ids[one.id], one)}
        self._names = {one.id: one.name for one in experiments}
        pairs = [(one, there[one.name]) for one in experiments if one.name in there]
        for one in experiments:
            self._experiment(one, there.get(one.name))
        chosen = {one.id for one in experiments} if self.options.experiments else None
        registered = await registered_models(self.left, chosen)
        referenced = {version.run_id for model in registered for version in model.versions}
        for one, other in pairs:
            self._index.put(EXPERIMENT, Link(one.id, other.id, one.artifact_location, other.artifact_location))
            await self._index_right(one, other)
        if self._both.logged_models:
            for one, other in pairs:
                await self._models(one, other, referenced)
        for one, _ in pairs:
            await self._runs(one, referenced)
        for link in self._index.links(RUN):
            if link.state == _COPY:
                self.report.add(f"run {link.source}", "run only on the right", None, link.target)
        if self._both.traces:
            for one, other in pairs:
                await self._traces(one, other)
        await self._registry(registered)

    def _target(self, source_id: str) -> str | None:
        return self._index.target(source_id)

    # --- experiments and the index ---------------------------------------------------------------------------------

    def _experiment(self, left: Experiment, right: Experiment | None) -> None:
        place = f"experiment {left.name!r}"
        self.report.compared["experiments"] += 1
        if right is None:
            self.report.add(place, "experiment missing", left.id, None)
            return
        self._texts(place, "experiment tag", without_own_tags(left.tags), right.tags, extras=left.id != "0")
        self._same(place, "experiment name", left.name, right.name)
        self._same(place, "experiment stage", left.lifecycle_stage, right.lifecycle_stage)
        if root := own_root(left):
            self._same(place, "experiment artifact root", root, right.artifact_location.rstrip("/"))

    async def _index_right(self, left: Experiment, right: Experiment) -> None:
        async for runs in self.right.runs(right.id):
            for run in runs:
                key = f"{left.id} {run.name}" if self.match.by_name else run.tags.get(SOURCE_ID, run.id)
                twin = self._index.get(RUN, key)
                if twin is not None and run.lifecycle_stage == ACTIVE:
                    self.report.add(f"run {key}", "run twice", twin.target, run.id)
                    continue
                mine = SOURCE_ID in run.tags and run.lifecycle_stage == ACTIVE and not self.match.by_name
                self._index.put(RUN, Link(key, run.id, "", run.artifact_uri, _COPY if mine else _MET))

    # --- runs --------------------------------------------------------------------------------------------------------

    async def _runs(self, experiment: Experiment, referenced: set[str]) -> None:
        async for page in self.left.runs(experiment.id):
            runs = [
                run
                for run in page
                if run.lifecycle_stage == ACTIVE or self.options.include_deleted or run.id in referenced
            ]
            self.progress.total("runs", len(runs))
            await self.left.link(runs)
            pairs = await self._pairs(runs)
            await self.right.link([right for _, right in pairs])
            for left, right in pairs:
                self._run(left, right)
            await self._histories(pairs)
            if self.options.artifacts:
                await asyncio.gather(
                    *(self._artifacts(f"run {a.id}", a.artifact_uri, b.artifact_uri) for a, b in pairs)
                )
            self.progress.advance("runs", len(runs))

    async def _pairs(self, runs: Sequence[Run]) -> list[tuple[Run, Run]]:
        targets: dict[str, Run] = {}
        for run in runs:
            original = self._index.get(RUN, run.tags.get(SOURCE_ID, run.id))
            link = self._index.get(RUN, self._key(run)) or original
            if link is None:
                self.report.compared["runs"] += 1
                self.report.add(f"run {run.id}", "run missing", run.name, None)
            else:
                known = original.source if original is not None and original.target == link.target else run.id
                for key in {link.source, known, run.id}:
                    self._index.put(RUN, replace(link, source=key, source_uri=run.artifact_uri, state=_MET))
                if link.target in targets:
                    self.report.add(f"run {run.id}", "run missing", run.name, f"{link.target} is another's")
                targets[link.target] = run
        found = {run.id: run for run in await self.right.runs_by_id(list(targets))}
        for target, run in targets.items():
            if target not in found:
                self.report.add(f"run {run.id}", "run missing", run.name, f"{target} is gone")
        return [(left, found[right]) for right, left in targets.items() if right in found]

    def _key(self, run: Run) -> str:
        return f"{run.experiment_id} {run.name}" if self.match.by_name else run.id

    def _run(self, original: Run, right: Run) -> None:
        left, _, losses = adapt(original, self._limits)
        self.report.losses += losses
        place = f"experiment {self._names[left.experiment_id]!r} run {left.id}"
        self.report.compared["runs"] += 1
        for what in ("name", "user_id", "status", "start_time", "end_time", "lifecycle_stage"):
            self._same(place, f"run {what.replace('_', ' ')}", getattr(left, what), getattr(right, what))
        self.report.compared["params"] += len(left.params)
        self.report.compared["tags"] += len(left.tags)
        self._texts(place, "run param", left.params, right.params)
        tags = {key: self._mapped(key, value) for key, value in without_own_tags(left.tags).items() if key != RUN_NAME}
        self._texts(place, "run tag", tags, {key: value for key, value in right.tags.items() if key != RUN_NAME})
        self.report.compared["inputs"] += len(left.inputs)
        self._same(place, "run data set inputs", _inputs(left.inputs), _inputs(right.inputs))
        if self._both.logged_models:
            outputs = sorted((self._target(model) or model, step) for model, step in left.model_outputs)
            self._same(place, "run model outputs", outputs, sorted(right.model_outputs))
            inputs = sorted(self._target(model) or model for model in left.model_inputs)
            self._same(place, "run model inputs", inputs, sorted(right.model_inputs))

    def _mapped(self, key: str, value: str) -> str:
        if not key.startswith("mlflow.") or key == "mlflow.note.content":
            return value
        return rewrite_ids(value, self._target)

    async def _histories(self, pairs: Sequence[tuple[Run, Run]]) -> None:
        async with aclosing(sums_of_both(self.left, self.right, pairs)) as both:
            async for left, right, a, b in both:
                for key in sorted(a.keys() | b.keys()):
                    await self._history(left, right, key, a.get(key, _NONE), b.get(key, _NONE))

    async def _history(self, left: Run, right: Run, key: str, a: Sum, b: Sum) -> None:
        self.report.compared["metric points"] += a[0]
        if a == b or not self._limits.takes_name(key):
            return
        place = f"experiment {self._names[left.experiment_id]!r} run {left.id} metric {key!r}"
        if a[0] != b[0]:
            self.report.add(place, "metric points", f"{a[0]} points", f"{b[0]} points")
        elif a[0] > DETAILED_POINTS:
            self.report.add(place, "metric points", f"{a[0]} points", f"{b[0]} others")
        else:
            ours, theirs = await asyncio.gather(
                self._points(self.left, left, key), self._points(self.right, right, key)
            )
            self.report.add(place, "metric points", sorted(ours - theirs)[:3], sorted(theirs - ours)[:3])

    @staticmethod
    async def _points(source: Source, run: Run, key: str) -> set[tuple[str, str, int, int]]:
        found = set()
        async with aclosing(source.histories([run])) as histories:
            async for _, history in histories:
                async for chunk in history:
                    found |= {point_key(point) for point in chunk if point.key == key}
        return found

    # --- artifacts -----------------------------------------------------------------------------------------------

    async def _artifacts(self, place: str, left_uri: str, right_uri: str) -> None:
        if not left_uri:
            return
        left, right = self.left.store(left_uri), self.right.store(right_uri)
        ours, theirs = await asyncio.gather(self._list(left), self._list(right))
        if LONG_VALUES not in ours:
            theirs.pop(LONG_VALUES, None)
        self.report.compared["artifacts"] += len(ours)
        self.report.compared["artifact bytes"] += sum(item.size for item in ours.values())
        for path in sorted(ours.keys() | theirs.keys()):
            a, b = ours.get(path), theirs.get(path)
            if a is None or b is None:
                self.report.add(
                    f"{place} artifact {path!r}", "artifact", a and f"{a.size} bytes", b and f"{b.size} bytes"
                )
            elif a.size != b.size and Path(path).name not in NAMING_FILES:
                self.report.add(f"{place} artifact {path!r}", "artifact size", a.size, b.size)
            elif self.match.contents and not _surely_same(left, a, right, b):
                await self._content(place, path, left, right)

    async def _content(self, place: str, path: str, left: Store, right: Store) -> None:
        def rewrite(text: str) -> str:
            return rewrite_ids(text, self._target)

        ours = await self._in_thread(lambda: _sum_of(left, path, rewrite))
        theirs = await self._in_thread(lambda: _sum_of(right, path))
        self._same(f"{place} artifact {path!r}", "artifact checksum", ours, theirs)

    async def _list(self, store: Store) -> dict[str, Item]:
        return await self._in_thread(lambda: {item.path: item for item in store.list()})

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    # --- logged models and traces --------------------------------------------------------------------------------

    async def _models(self, left: Experiment, right: Experiment, referenced: set[str]) -> None:
        there: dict[str, LoggedModel] = {}
        async for models in self.right.logged_models(right.id):
            for model in models:
                twin = there.setdefault(self._model_key(model), model)
                if twin is not model and not self.match.by_name:
                    self._twice("logged model", twin, model)
        found: list[tuple[LoggedModel, LoggedModel]] = []
        async for models in self.left.logged_models(left.id):
            for model in models:
                referenced.add(model.source_run_id)
                self.report.compared["logged models"] += 1
                other = there.get(self._model_key(model)) or there.get(model.id)
                if other is None:
                    self.report.add(f"logged model {model.id}", "logged model missing", model.name, None)
                    continue
                self._index.put(MODEL, Link(model.id, other.id, model.artifact_uri, other.artifact_uri))
                found.append((model, other))
        if self.match.by_name:
            await self._name_runs(left)
        else:
            await self._trace_runs({one.source_run_id for one, _ in found}, (p for one, _ in found for p in one.points))
        for model, other in found:
            self._model(model, other)
            if self.options.artifacts:
                await self._artifacts(f"logged model {model.id}", model.artifact_uri, other.artifact_uri)

    def _model_key(self, model: LoggedModel) -> str:
        return model.name if self.match.by_name else model.tags.get(SOURCE_ID, model.id)

    async def _name_runs(self, experiment: Experiment) -> None:
        """Index the left's run ids before anything refers to them; a match by name learns them run by run."""
        async for page in self.left.runs(experiment.id):
            for run in page:
                link = self._index.get(RUN, self._key(run))
                if link is not None:
                    self._index.put(RUN, replace(link, source=run.id, source_uri=run.artifact_uri))

    async def _trace_runs(self, run_ids: set[str], points: Iterable[ModelPoint]) -> None:
        """Index those of these runs of the left that are themselves copies: the right knows them as their originals."""
        mentioned = (run_ids | {point.run_id for point in points}) - {""}
        for run in await self.left.runs_by_id([one for one in mentioned if self._target(one) is None]):
            link = self._index.get(RUN, run.tags.get(SOURCE_ID, run.id))
            if link is not None:
                self._index.put(RUN, replace(link, source=run.id, source_uri=run.artifact_uri, state=_MET))

    def _model(self, left: LoggedModel, right: LoggedModel) -> None:
        place = f"logged model {left.id}"
        for what in ("name", "model_type", "status"):
            self._same(place, f"logged model {what.replace('_', ' ')}", getattr(left, what), getattr(right, what))
        run = self._target(left.source_run_id) or ""
        self._same(place, "logged model source run", run, right.source_run_id)
        self._texts(place, "logged model param", left.params, right.params)
        tags = {key: self._mapped(key, value) for key, value in without_own_tags(left.tags).items()}
        there = {key: value for key, value in right.tags.items() if key != MODEL_VERSIONS}
        tags.pop(MODEL_VERSIONS, None)
        self._texts(place, "logged model tag", tags, there)
        self.report.compared["logged model metrics"] += len(left.points)
        ours = sorted(map(_model_point, (self._linked(point) for point in left.points)))
        self._same(place, "logged model metrics", ours, sorted(map(_model_point, right.points)))

    def _linked(self, point: ModelPoint) -> ModelPoint:
        return point._replace(run_id=self._target(point.run_id) or point.run_id)

    async def _traces(self, left: Experiment, right: Experiment) -> None:
        there: dict[str, Trace] = {}
        async for traces in self.right.traces(right.id):
            for trace in traces:
                twin = there.setdefault(trace.tags.get(SOURCE_ID, trace.id), trace)
                if twin is not trace:
                    self._twice("trace", twin, trace)
        async for traces in self.left.traces(left.id):
            for trace in traces:
                place = f"trace {trace.id}"
                self.report.compared["traces"] += 1
                other = there.get(trace.id) or there.get(trace.tags.get(SOURCE_ID, ""))
                if other is None:
                    self.report.add(place, "trace missing", trace.id, None)
                    continue
                self.report.losses += losses_of(trace)
                self._index.put(TRACE, Link(trace.id, other.id))
                for what in ("timestamp", "duration", "status"):
                    self._same(place, f"trace {what}", getattr(trace, what), getattr(other, what))
                self._texts(place, "trace tag", without_own_tags(trace.tags), other.tags)
                metadata = {key: self._mapped(key, value) for key, value in trace.metadata.items()}
                self._texts(place, "trace metadata", metadata, other.metadata)
                if self.options.artifacts:
                    await self._artifacts(place, trace.artifact_uri, other.artifact_uri)

    def _twice(self, what: str, one: LoggedModel | Trace, other: LoggedModel | Trace) -> None:
        # Of an original and a copy that was made of it later, the copy is no second one.
        if SOURCE_ID in one.tags and SOURCE_ID in other.tags:
            self.report.add(f"{what} {one.tags[SOURCE_ID]}", f"{what} twice", one.id, other.id)

    # --- registry --------------------------------------------------------------------------------------------------

    async def _registry(self, registered: list[RegisteredModel]) -> None:
        there = {model.name: model for model in await self.right.registered_models()}
        for model in registered:
            if model.is_prompt and not self._both.prompts:
                continue
            place = f"registered model {model.name!r}"
            self.report.compared["registered models"] += 1
            other = there.get(model.name)
            if other is None:
                self.report.add(place, "registered model missing", model.name, None)
                continue
            if self.options.additive:
                self._additions(model, other)
                continue
            self._same(place, "registered model description", model.description, other.description)
            self._texts(place, "registered model tag", _ours(model.tags), _ours(other.tags))
            self._same(place, "registered model aliases", model.aliases, other.aliases)
            numbers = [version.version for version in model.versions]
            self._same(place, "version numbers", numbers, [version.version for version in other.versions])
            versions = {version.version: version for version in other.versions}
            for version in model.versions:
                self.report.compared["model versions"] += 1
                if version.version in versions:
                    self._version(version, versions[version.version])

    def _additions(self, model: RegisteredModel, other: RegisteredModel) -> None:
        """People work with the right side's model: only that every version came is compared, and what it is made of."""
        lacks, losses = additions(model, other, self._target)
        self.report.losses += losses
        for version in lacks.versions:
            self.report.add(f"registered model {model.name!r}", "version missing", version.version, None)
        there = {version.version: version for version in other.versions}
        for version in model.versions:
            self.report.compared["model versions"] += 1
            found = there.get(version.version)
            if found is not None and is_copy(version, found, self._target):
                self._made_of(version, found)

    def _version(self, left: ModelVersion, right: ModelVersion) -> None:
        place = f"registered model {left.name!r} version {left.version}"
        self._same(place, "version stage", left.stage, right.stage)
        self._same(place, "version description", left.description, right.description)
        self._made_of(left, right)
        self._texts(place, "version tag", _ours(left.tags), _ours(right.tags))

    def _made_of(self, left: ModelVersion, right: ModelVersion) -> None:
        place = f"registered model {left.name!r} version {left.version}"
        self._same(place, "version run", self._target(left.run_id) or left.run_id, right.run_id)
        self._same(place, "version run link", left.run_link, right.run_link)
        self._same(place, "version source", self._moved(left), right.source)

    def _moved(self, version: ModelVersion) -> str:
        roots: dict[str, str] = {}
        for one in {*ids_in(version.source), version.run_id}:
            link = self._index.get(RUN, one) or self._index.get(MODEL, one)
            if link is not None:
                roots[link.source_uri] = link.target_uri
                roots[link.source_uri.removeprefix("file://")] = link.target_uri
        return moved(version.source, roots, self._target)

    # --- values ------------------------------------------------------------------------------------------------------

    def _same(self, place: str, what: str, left: object, right: object) -> None:
        if left != right:
            self.report.add(place, what, left, right)

    def _texts(
        self, place: str, what: str, left: Mapping[str, str], right: Mapping[str, str], *, extras: bool = True
    ) -> None:
        there = without_own_tags(right)
        keys = left.keys() | there.keys() if extras else left.keys()
        for key in sorted(keys):
            if left.get(key) != there.get(key):
                self.report.add(f"{place} {key!r}", what, left.get(key), there.get(key))


def _ours(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in without_own_tags(tags).items() if not key.startswith(_PLATFORM_TAGS)}


_NONE = (0, 0)
# Whether a run of the right side, made of one of a left side, has met that one yet.
_COPY, _MET = "copy", "met"


def _model_point(point: ModelPoint) -> tuple[str, tuple[str, str, int, int], str, str]:
    # The server keeps a logged model's NaN as 0.
    value = 0.0 if math.isnan(point.point.value) else point.point.value
    key = point_key(point.point._replace(value=value))
    return point.run_id, key, point.dataset_name or "", point.dataset_digest or ""


def _inputs(inputs: Iterable[Mapping[str, Any]]) -> list[Any]:
    def tags(one: Mapping[str, Any]) -> list[tuple[str, str]]:
        return sorted((str(tag["key"]), str(tag["value"])) for tag in one.get("tags", ()))

    return [({key: value for key, value in one["dataset"].items() if value}, tags(one)) for one in inputs]


def _sum_of(store: Store, path: str, rewrite: Callable[[str], str] | None = None) -> str:
    try:
        return checksum(store, path, rewrite).sha256
    except GoneError:
        return "gone since it was listed"


def _surely_same(left: Store, a: Item, right: Store, b: Item) -> bool:
    # An ETag without a dash is the content's MD5 where the object came in one piece under the same encryption.
    plain = isinstance(left, S3) and isinstance(right, S3) and "-" not in a.tag
    return plain and a.tag == b.tag and Path(a.path).name not in NAMING_FILES


def _short(value: object) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN_VALUE else f"{text[:_SHOWN_VALUE]}… ({len(text)} characters)"
