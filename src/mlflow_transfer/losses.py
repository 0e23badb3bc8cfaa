"""Losses: things of a source that cannot be read, or that the destination cannot hold as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlflow_transfer.records import Trace

_IDS = re.compile(r"[\w-]+")
# A damaged page of SQLite hides rows of any table.
_FILE = "the database file"
# Tables, folders and records of the model registry, in the place of a loss.
_REGISTRY = re.compile(r"registered|model_version|\bmodels\b")
# Since MLflow 3.5 a server may store a trace's spans in its database, and move them to another location when they are
# old. This tag says where they are; without it, they are an artifact (`SpansLocation` in mlflow/tracing/constant.py).
_SPANS = "mlflow.trace.spansLocation"
_ELSEWHERE = {
    "TRACKING_STORE": "its spans are in the source's database, and the API does not return them",
    "ARCHIVE_REPO": "its spans are in the source's archive of traces, which is not read",
}


@dataclass(frozen=True)
class Loss:
    """One object or part that is not transferred, or only in a changed form.

    Args:
        place: identifies the object for a person: a path, or a run with its id.
        reason: the reason in plain words, without a trailing full stop.
    """

    place: str
    reason: str


class LossLog:
    """Collects losses in the order in which they are found. Adding the same loss again changes nothing."""

    def __init__(self) -> None:
        self._losses: list[Loss] = []
        self._known: set[Loss] = set()
        self._places: set[str] = set()

    def add(self, place: str, reason: str) -> None:
        """Add a loss, unless it was already added."""
        loss = Loss(place, reason)
        if loss not in self._known:
            self._known.add(loss)
            self._losses.append(loss)
            self._places.add(place)

    def holds(self, place: str) -> bool:
        """Whether there is a loss at this place."""
        return place in self._places

    def list(self) -> Sequence[Loss]:
        """All losses, oldest first. No copy: the sequence grows with the log, and is asked for once for each run."""
        return self._losses


class LostParts:
    """Tells which objects of a source have lost a part, by the ids in the places of the losses."""

    def __init__(self, losses: Callable[[], Sequence[Loss]]) -> None:
        self._losses = losses
        self._read = 0
        self._ids: set[str] = set()
        self._hidden = False
        self._registered: list[str] = []

    def of(self, object_id: str) -> bool:
        """Whether a part of the object with this id could not be read so far."""
        self._update()
        return object_id in self._ids

    def may_hide(self, object_id: str) -> bool:
        """Whether the object may have parts that the source does not show, so that nothing of its copy is deleted."""
        return self.of(object_id) or self._hidden

    def may_hide_registered(self, name: str) -> bool:
        """Whether the registered model may have parts that the source does not show, such as versions."""
        self._update()
        mine = f"registered model {name!r}"
        others = ('registered model "', "registered model '")
        return self._hidden or any(mine in one or not one.startswith(others) for one in self._registered)

    def _update(self) -> None:
        found = self._losses()
        for loss in found[self._read :]:
            self._ids.update(_IDS.findall(loss.place))
            self._hidden = self._hidden or _FILE in loss.place
            if _REGISTRY.search(loss.place):
                self._registered.append(loss.place)
        self._read = len(found)


def trace_losses(trace: Trace) -> list[Loss]:
    """The losses of a trace: parts that cannot be read."""
    reason = _ELSEWHERE.get(trace.tags.get(_SPANS, ""))
    return [Loss(f"trace {trace.id}", reason)] if reason else []


MOST_SHOWN = 20
# Alike are losses of one reason whose places differ in ids only: a source may have a million traces.
_MOST_ALIKE = 3
_GENERATED = re.compile(r"(?:m-|tr-)?[0-9a-f]{32}")


def loss_lines(losses: Sequence[Loss]) -> list[str]:
    """The first losses as lines of text, one line for many that are alike."""
    alike: dict[tuple[str, str], list[Loss]] = {}
    for loss in losses:
        alike.setdefault((_GENERATED.sub("*", loss.place), _GENERATED.sub("*", loss.reason)), []).append(loss)
    lines: list[str] = []
    left = len(losses)
    for group in alike.values():
        shown = group if len(group) <= _MOST_ALIKE else group[:1]
        if len(lines) + len(shown) > MOST_SHOWN:
            break
        others = "" if len(shown) == len(group) else f" and {len(group) - 1:,} others"
        lines += [f"{loss.place}{others}: {loss.reason}" for loss in shown]
        left -= len(group)
    return [*lines, f"and {left:,} more"] if left else lines
