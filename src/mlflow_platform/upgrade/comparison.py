"""How an upgrade compares two servers that people work with: the old one before the switch, the new one after it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlflow_transfer.histories import Sum
from mlflow_transfer.options import Options
from mlflow_transfer.progress import Progress
from mlflow_transfer.records import Run
from mlflow_transfer.source import Source
from mlflow_transfer.verifying import DETAILED_POINTS, Report, Verifying

# What people change on a server in use of what was copied to it.
_THEIRS = frozenset(
    {
        "experiment name", "experiment stage", "experiment tag", "logged model tag", "run lifecycle stage", "run name",
        "run tag", "trace tag",
    }
)  # fmt: skip
_RUN = re.compile(r"\brun ([0-9a-f]{32})\b")


@dataclass
class Lacking(Report):
    """What of the left side the right one lacks. What it has beside that, or under another name, is no difference."""

    def add(self, place: str, what: str, left: object, right: object) -> None:
        """Note a difference, if something is lacking."""
        more = isinstance(left, list) and isinstance(right, list) and all(one in right for one in left)
        if what not in _THEIRS and left is not None and not more:
            super().add(place, what, left, right)


class ComparingInUse(Verifying):
    """A comparison with a right side that people work with by now: everything of the left one has to be there."""

    def __init__(self, left: Source, right: Source, options: Options, progress: Progress) -> None:
        super().__init__(left, right, options, progress=progress)
        self.report = Lacking(left.name, right.name)

    async def _history(self, left: Run, right: Run, key: str, a: Sum, b: Sum) -> None:
        if a == b or a[0] > DETAILED_POINTS:
            await super()._history(left, right, key, a, b)
            return
        self.report.compared["metric points"] += a[0]
        ours, theirs = await self._points(self.left, left, key), await self._points(self.right, right, key)
        if self._limits.takes_name(key) and ours - theirs:
            place = f"experiment {self._names[left.experiment_id]!r} run {left.id} metric {key!r}"
            self.report.add(place, "metric points", f"{len(ours)} points", f"{len(ours - theirs)} of them are missing")


async def still_logged(source: Source, report: Report, since: int) -> int:
    """How many of the differences are in runs that were logged to since then, or still are.

    Args:
        since: milliseconds since the epoch.
    """
    if len(report.differences) < report.found.total():
        return 0
    found = [match.group(1) if (match := _RUN.search(one.place)) else "" for one in report.differences]
    runs = await source.runs_by_id(sorted({*found} - {""}))
    open_ = {run.id for run in runs if not run.finished or (run.end_time or 0) >= since}
    return sum(run_id in open_ for run_id in found)
