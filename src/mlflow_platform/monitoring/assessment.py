"""Assesses a variant: drift and quality of each window, and whether either raises the alarm.

The alarm is decided by the latest window that has enough rows, if it is the current or the one before: an hour after
midnight, a daily window has seen little. Truth arrives late, so quality is decided by the latest window with enough
truth, however old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from mlflow_common.errors import PlatformError
from mlflow_platform.monitoring import comparable, dataset, drift, quality, truth
from mlflow_platform.monitoring.baseline import Baseline
from mlflow_platform.monitoring.dataset import Deployment
from mlflow_platform.monitoring.drift import PREDICTION, Drift, Limits
from mlflow_platform.monitoring.quality import Quality, QualityLimits
from mlflow_platform.monitoring.truth import Joined, Truth
from mlflow_platform.monitoring.windows import Window
from mlflow_platform.validation.table import listed

if TYPE_CHECKING:
    import pyarrow as pa

# Of more rows, so many are drawn at random for the comparison of distributions, which needs no more. Every tenth row
# would be the first one of each request, if requests have ten rows, such as the candidates of a ranking.
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Settings:
    """How a variant is assessed: windows of `hours`, over the last `days`, with these limits."""

    hours: int = 24
    days: int = 7
    drift: Limits = field(default_factory=Limits)
    quality: QualityLimits = field(default_factory=QualityLimits)


@dataclass(frozen=True)
class WindowResult:
    """What was found in one window. `drift` is None without a baseline or without rows."""

    window: Window
    rows: int
    drift: Drift | None
    quality: Quality


@dataclass(frozen=True)
class Assessment:
    """What was found for a variant.

    Attributes:
        results: of each window, oldest first.
        judged: the window that decides on drift; None if the recent ones have too few rows or there is no baseline.
        scored: the window that decides on quality; None if no window has enough truth.
        other_rows: captured rows that another model served, or that cannot be attributed.
        unanswered: captured rows whose answer was not captured.
    """

    results: Sequence[WindowResult]
    judged: WindowResult | None
    scored: WindowResult | None
    joined: Joined
    baseline: Baseline
    other_rows: int = 0
    unanswered: int = 0

    @property
    def drifted(self) -> list[str]:
        """The inputs, and `prediction`, that have drifted in the deciding window."""
        return [each.name for each in self.judged.drift.drifted] if self.judged and self.judged.drift else []

    @property
    def failures(self) -> Sequence[str]:
        """In what the quality of the deciding window is too low."""
        return self.scored.quality.failures if self.scored else ()

    @property
    def alarms(self) -> list[str]:
        """What raises the alarm, as sentences; empty if nothing does."""
        found = []
        if self.drifted:
            found.append(f"drift in {', '.join(self.drifted)}")
        return found + [f"quality: {failure}" for failure in self.failures]

    @property
    def not_compared(self) -> list[str]:
        """The columns that were not judged in a window that was, with the reasons. They may have drifted."""
        findings = self.judged.drift.findings if self.judged and self.judged.drift else ()
        return [f"{each.name} ({each.reason})" for each in findings if each.state == "not judged"]

    @property
    def unjudged(self) -> str:
        """Why drift, or that of the predictions, was not judged; empty if it was."""
        if self.judged is not None:
            findings = self.judged.drift.findings if self.judged.drift else ()
            lost = next((each for each in findings if each.name == PREDICTION and each.kind is None), None)
            return f"the predictions cannot be compared: {lost.reason}" if lost else ""
        if not self.baseline.columns:
            return "there is no baseline to compare with"
        recent = [result.drift for result in self.results[-2:] if result.drift and result.rows]
        if recent:
            fullest = max(recent, key=lambda each: each.rows)
            return f"no column can be compared: {listed([f'{each.name}: {each.reason}' for each in fullest.findings])}"
        rows = max((result.rows for result in self.results[-2:]), default=0)
        return f"neither of the last two windows has enough rows (at most {rows})"


def assess(
    tables: Sequence[pa.Table],
    truths: Sequence[Sequence[Truth]],
    baseline: Baseline,
    model: Deployment,
    windows: Sequence[Window],
    settings: Settings,
) -> Assessment:
    """Assess the rows that a model predicted.

    Args:
        tables: the data set's tables of the windows' days.
        truths: files of truth, oldest first.
        baseline: of the model.
        model: what the variant serves now; only its rows are assessed.
        windows: oldest first.
        settings: limits.
    """
    bounds = {"since": windows[0].start, "until": windows[-1].end}
    table = dataset.select(tables, run_id=model.run_id, **bounds)
    total = sum(each.num_rows for each in tables)
    if table is None:
        empty = [WindowResult(window, 0, None, Quality(0, 0)) for window in windows]
        return Assessment(empty, None, None, Joined(), baseline, total)
    joined = truth.join(table, truths)
    values = dict(joined.rows)
    positions = _by_window(table, windows)
    results = [
        _window(table, positions[at], values, baseline, model, window, settings) for at, window in enumerate(windows)
    ]
    judged = next((each for each in reversed(results[-2:]) if each.drift and each.drift.judged), None)
    enough = settings.quality.rows
    scored = next((each for each in reversed(results) if each.quality.task and each.quality.with_truth >= enough), None)
    unanswered = table.num_rows - len(dataset.answered(table))
    return Assessment(results, judged, scored, joined, baseline, total - table.num_rows, unanswered)


def _by_window(table: pa.Table, windows: Sequence[Window]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in windows]
    for position, moment in enumerate(table[dataset.TIME].to_pylist()):
        at = next((at for at, window in enumerate(windows) if window.start <= moment < window.end), None)
        if at is not None:
            found[at].append(position)
    return found


def _window(
    table: pa.Table,
    positions: Sequence[int],
    values: Mapping[int, str],
    baseline: Baseline,
    model: Deployment,
    window: Window,
    settings: Settings,
) -> WindowResult:
    # Without an answer, the truth says nothing about the model.
    answered = set(dataset.answered(table)) if values else set[int]()
    known = [position for position in positions if position in values and position in answered]
    scored = quality.score(
        dataset.predicted(dataset.take(table, known)),
        [values[position] for position in known],
        count=len(positions),
        task=baseline.task,
        signature=model.signature,
    )
    scored = quality.judged(scored, baseline.reference, settings.quality)
    found = None
    if baseline.columns and positions:
        drawn = sorted(Random(0).sample(positions, min(len(positions), _MOST_ROWS)))  # noqa: S311 not for security
        found = _compared(dataset.take(table, drawn), baseline, model, settings.drift)
    return WindowResult(window, len(positions), found, scored)


def _compared(rows: pa.Table, baseline: Baseline, model: Deployment, limits: Limits) -> Drift:
    """The drift of a window's inputs, and of its predictions where the baseline has some."""
    known = dict(baseline.columns)
    expected = known.pop(PREDICTION, None)
    inputs = comparable.inputs(rows, model.signature, known)
    if expected is None or PREDICTION in inputs:
        known = dict(baseline.columns)
        return drift.compare(known, inputs, limits, rows=rows.num_rows)
    try:
        answered = dataset.answered(rows)
        if not answered:
            raise PlatformError("no answers were captured")
        found = comparable.classes(dataset.predicted(dataset.take(rows, answered)), model.signature, expected)
    except PlatformError as error:
        return drift.compare(known, inputs, limits, rows=rows.num_rows, unjudged={PREDICTION: error.message})
    return drift.compare(baseline.columns, {**inputs, PREDICTION: found}, limits, rows=rows.num_rows)
