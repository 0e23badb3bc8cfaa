"""Pairs the objects of a source with those of a destination. Copies, plans and verifications all use these pairs.

A copy is identified by the tag with its source's id; an experiment also by its name. If the destination is the server
from which the source was read, the id itself identifies the object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlflow_transfer.fingerprints import copied_run_fingerprint, trace_fingerprint
from mlflow_transfer.links import Kind, Link, Links, State
from mlflow_transfer.records import ACTIVE, FINGERPRINT, SOURCE_ID, SOURCE_TIME, Experiment, LoggedModel, Run, Trace
from mlflow_transfer.restore_in_place import same_experiment
from mlflow_transfer.sources.base import Features
from mlflow_transfer.sources.rest import RestSource

_SEARCHED_AT_ONCE = 100


@dataclass(frozen=True)
class ExperimentPair:
    """An experiment of the source and its counterpart at the destination.

    Args:
        same: both are the same experiment, so the ids of its objects are equal, too.
    """

    source: Experiment
    target: Experiment
    same: bool = False


@dataclass(frozen=True)
class Duplicate:
    """Two objects of the destination that are copies of one object of the source.

    Args:
        kept: the more complete one.
        extra: the other one.
        experiment_id: the destination's experiment that holds the extra one.
    """

    kind: Kind
    kept: Link
    extra: Link
    experiment_id: str


def pair_experiments(sources: Iterable[Experiment], targets: Iterable[Experiment]) -> dict[str, ExperimentPair]:
    """The pairs by the source's id.

    The same experiment is preferred, then one with that name, then a renamed copy.
    """
    wanted, there = {one.id: one for one in sources}, list(targets)
    pairs: dict[str, ExperimentPair] = {}
    for target in there:
        source = wanted.get(target.id)
        if source is not None and same_experiment(source, target):
            pairs[source.id] = ExperimentPair(source, target, same=True)
    names = {one.name: one for one in there if one.id not in pairs}
    for source in wanted.values():
        if source.id not in pairs and source.name in names:
            pairs[source.id] = ExperimentPair(source, names[source.name])
    taken = {pair.target.id for pair in pairs.values()}
    for target in there:
        source = wanted.get(target.tags.get(SOURCE_ID, ""))
        if source is None or source.id in pairs or target.id in taken:
            continue
        # Servers count the ids of experiments from 0, so the creation times must be known, and equal.
        if source.creation_time is not None and target.tags.get(SOURCE_TIME) == str(source.creation_time):
            pairs[source.id] = ExperimentPair(source, target)
    return pairs


class Matches:
    """The links of runs, logged models and traces, from what the destination holds."""

    def __init__(self, links: Links) -> None:
        self.links = links
        self.duplicates: list[Duplicate] = []

    def add_run(self, run: Run, *, same: bool) -> None:
        """Add a run of the destination.

        Args:
            same: it belongs to an experiment that is the same on both sides.
        """
        if same:
            self._put_same(Kind.RUN, run.id, run.artifact_uri, run.lifecycle_stage)
        if source_id := run.tags.get(SOURCE_ID):
            stored = run.tags.get(FINGERPRINT)
            whole = "" if stored is None else copied_run_fingerprint(run, stored)
            self._put_copy(Kind.RUN, source_id, run, whole, run.lifecycle_stage)

    def add_named_run(self, key: str, run: Run) -> None:
        """Add a run that is identified by a key other than its tags, such as its name."""
        self._put_copy(Kind.RUN, key, run, "", run.lifecycle_stage)

    def add_model(self, model: LoggedModel, *, same: bool) -> None:
        """Add a logged model of the destination."""
        if same:
            self._put_same(Kind.MODEL, model.id, model.artifact_uri)
        if source_id := model.tags.get(SOURCE_ID):
            self._put_copy(Kind.MODEL, source_id, model, model.tags.get(FINGERPRINT, ""))

    def add_trace(self, trace: Trace, *, same: bool) -> None:
        """Add a trace of the destination."""
        if same:
            self._put_same(Kind.TRACE, trace.id, trace.artifact_uri)
        if source_id := trace.tags.get(SOURCE_ID):
            self._put_copy(Kind.TRACE, source_id, trace, trace_fingerprint(trace))

    def find(self, kind: Kind, source_id: str, tags: Mapping[str, str]) -> Link | None:
        """The link of a source's object, which may itself be a copy of an object that the destination knows."""
        return self.links.get(kind, source_id) or self.links.get(kind, tags.get(SOURCE_ID, source_id))

    def take_duplicates(self) -> list[Duplicate]:
        """Return the duplicates so far and clear them."""
        found, self.duplicates = self.duplicates, []
        return found

    def _put_same(self, kind: Kind, thing_id: str, artifact_uri: str, stage: str = ACTIVE) -> None:
        self.links.put(kind, Link(thing_id, thing_id, "", artifact_uri, State.SAME, "", stage))

    def _put_copy(
        self, kind: Kind, source_id: str, copy: Run | LoggedModel | Trace, whole: str, stage: str = ACTIVE
    ) -> None:
        """Store the link of a copy. If there are two, keep the more complete one, or the first if both are equal."""
        state = State.WHOLE if whole else State.PARTIAL
        link = Link(source_id, copy.id, "", copy.artifact_uri, state, whole, stage)
        other = self.links.get(kind, source_id)
        if other is None or other.target == link.target:
            self.links.put(kind, link)
        elif not other.same_id:
            kept, extra = (link, other) if link.whole and not other.whole else (other, link)
            self.links.put(kind, kept)
            experiment_id = copy.experiment_id
            self.duplicates.append(Duplicate(kind, kept, extra, experiment_id))


async def read_matches(
    matches: Matches, reader: RestSource, pairs: Iterable[ExperimentPair], features: Features
) -> None:
    """Replace the links by links from the destination's ids and tags."""
    matches.links.clear()
    matches.take_duplicates()
    ordered = sorted(pairs, key=lambda pair: not pair.same)
    for pair in ordered:
        if pair.same:
            async for runs in reader.runs(pair.target.id):
                for run in runs:
                    matches.add_run(run, same=True)
    others = [pair.target.id for pair in ordered if not pair.same]
    for start in range(0, len(others), _SEARCHED_AT_ONCE):
        async for run in reader.tagged_runs(others[start : start + _SEARCHED_AT_ONCE], SOURCE_ID):
            matches.add_run(run, same=False)
    for pair in ordered:
        if features.logged_models:
            async for models in reader.logged_models(pair.target.id):
                for model in models:
                    matches.add_model(model, same=pair.same)
        if features.traces:
            async for traces in reader.traces(pair.target.id):
                for trace in traces:
                    matches.add_trace(trace, same=pair.same)
