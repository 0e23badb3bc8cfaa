"""Selects the objects that a copy transfers. Used by the copy and by its plan."""

from __future__ import annotations

from collections.abc import Iterable

from mlflow_transfer.fingerprints import model_fingerprint, run_fingerprint, trace_fingerprint
from mlflow_transfer.links import Kind, Links
from mlflow_transfer.options import Options
from mlflow_transfer.records import ACTIVE, DELETED, LoggedModel, RegisteredModel, Run, Trace


class Selection:
    """Selects objects that are new or changed.

    Args:
        registered: the registered models to copy. The runs of their versions are always copied.
    """

    def __init__(self, options: Options, links: Links, registered: Iterable[RegisteredModel] = ()) -> None:
        self._options, self._links = options, links
        self._needed = {one.run_id for model in registered for one in model.versions if one.run_id}

    def need_runs(self, ids: Iterable[str]) -> None:
        """Select these runs even if they are deleted, because something else refers to them."""
        self._needed.update(ids)

    def moves(self, run: Run) -> bool:
        """Whether a run is copied. A run that was deleted after it was copied is also deleted at the destination."""
        wanted = self._options.include_deleted or run.id in self._needed
        return run.lifecycle_stage == ACTIVE or wanted or self._links.get(Kind.RUN, run.id) is not None

    def is_unchanged(self, run: Run) -> bool:
        """Whether a run is complete at the destination: it has ended, and it has not changed since it was copied.

        A run that is the same on both sides is only restored if it is deleted.
        """
        link = self._links.get(Kind.RUN, run.id)
        if link is not None and link.same_id:
            return not link.deleted or run.lifecycle_stage == DELETED
        if self.stays_deleted(run):
            return True
        ended = run.finished or run.lifecycle_stage == DELETED
        return link is not None and ended and link.fingerprint == run_fingerprint(run, self._links.target)

    def stays_deleted(self, run: Run) -> bool:
        """Whether a run is not changed because one of the sides deleted it."""
        return self._options.strategy.stays_deleted(run, self._links.get(Kind.RUN, run.id))

    def is_same(self, run: Run) -> bool:
        """Whether the destination has the same run, not a copy."""
        return self._links.is_same(Kind.RUN, run.id)

    def lacks_model(self, model: LoggedModel) -> bool:
        """Whether a logged model is new or changed."""
        return self._options.strategy.lacks(self._links.get(Kind.MODEL, model.id), model_fingerprint(model))

    def lacks_trace(self, trace: Trace) -> bool:
        """Whether a trace is new or changed."""
        return self._options.strategy.lacks(self._links.get(Kind.TRACE, trace.id), trace_fingerprint(trace))
