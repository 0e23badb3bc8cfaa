"""Judges whether inputs and predictions have drifted from a baseline.

A column has drifted if the difference is both significant, with the p-values adjusted for the number of tests, and
large enough to matter. Either alone is misleading: with many rows every difference is significant, and with few rows a
large difference is noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mlflow_platform.monitoring import columns, distances
from mlflow_platform.monitoring.columns import Column
from mlflow_platform.monitoring.distances import Distance

State = Literal["drifted", "stable", "not judged"]
PREDICTION = "prediction"
_MOST_NAMED = 10


@dataclass(frozen=True)
class Limits:
    """When a difference counts.

    Attributes:
        level: the chance of any false alarm among all tests of a window.
        rows: fewer rows (or values of a column) in baseline or window are not judged.
        statistic: the least KS statistic or Cramér's V.
        psi: the least PSI; it must exceed its noise too.
        missing: the least difference of the shares of missing values.
    """

    level: float = 0.01
    rows: int = 50
    statistic: float = 0.1
    psi: float = 0.2
    missing: float = 0.05


@dataclass(frozen=True)
class Finding:
    """What was found for one column.

    Attributes:
        name: the column's name.
        kind: how it was compared; None if it could not be.
        state: the judgement, and `reason` in words.
        distance: how far it is from the baseline; None if there are too few values.
        p_adjusted: the distance's p-value, adjusted for the number of tests.
        missing_baseline, missing_now: shares of missing and infinite values.
        missing_p_adjusted: the p-value of that difference.
        infinite: how many values of the window are infinite.
        new: categories that the baseline does not have, with their numbers of rows; the most frequent ones.
        baseline, current: the values, for charts.
    """

    name: str
    kind: str | None
    state: State
    reason: str
    distance: Distance | None = None
    p_adjusted: float | None = None
    missing_baseline: float = 0.0
    missing_now: float = 0.0
    missing_p_adjusted: float | None = None
    infinite: int = 0
    new: Mapping[str, int] = field(default_factory=dict)
    baseline: Column | None = None
    current: Column | None = None


@dataclass(frozen=True)
class Drift:
    """The judgement of a window: one finding for each input, and one for the prediction if it was compared."""

    rows: int
    findings: Sequence[Finding]

    @property
    def judged(self) -> Sequence[Finding]:
        """The columns that could be judged."""
        return [each for each in self.findings if each.state != "not judged"]

    @property
    def drifted(self) -> Sequence[Finding]:
        """The columns that have drifted."""
        return [each for each in self.findings if each.state == "drifted"]


def compare(
    baseline: Mapping[str, Sequence[Any]],
    current: Mapping[str, Sequence[Any]],
    limits: Limits,
    *,
    rows: int,
    unjudged: Mapping[str, str] | None = None,
) -> Drift:
    """Compare the columns of a window with those of a baseline.

    Args:
        baseline, current: values by column. Columns that only the baseline has are compared as missing.
        limits: when a difference counts.
        rows: the rows of the window.
        unjudged: further columns that cannot be compared, with the reason.
    """
    names = [*baseline, *(name for name in current if name not in baseline)]
    measured = [_measure(name, baseline.get(name), current.get(name), limits, rows) for name in names]
    return Drift(rows, [*_judge(measured, limits), *(_unjudged(*each) for each in (unjudged or {}).items())])


def _measure(
    name: str, baseline: Sequence[Any] | None, current: Sequence[Any] | None, limits: Limits, rows: int
) -> Finding:
    if baseline is None:
        return _unjudged(name, "the baseline does not have this column")
    kind = columns.kind_of(baseline)
    if kind is None:
        return _unjudged(name, "the baseline has no values that can be compared")
    expected = columns.prepare(baseline, kind)
    found = columns.prepare([None] * rows if current is None else current, kind)
    finding = Finding(
        name,
        kind,
        "not judged",
        "",
        missing_baseline=_share(expected),
        missing_now=_share(found),
        infinite=found.infinite,
        new=_new(expected, found),
        baseline=expected,
        current=found,
    )
    if min(expected.total, found.total) < limits.rows:
        return replace(finding, reason=f"{_few(expected.total, found.total)}; at least {limits.rows} are needed")
    p_missing = distances.missing((expected.missing, expected.total), (found.missing, found.total))
    finding = replace(finding, missing_p_adjusted=p_missing)
    if min(len(expected.values), len(found.values)) < limits.rows:
        few = _few(len(expected.values), len(found.values), "values")
        return replace(finding, reason=f"{few}; at least {limits.rows} are needed")
    measure = distances.numeric if kind == "numeric" else distances.categorical
    distance = measure(expected.values, found.values)
    if distance is None:
        return replace(finding, reason="nearly every value is another one, so its categories cannot be compared")
    return replace(finding, distance=distance, p_adjusted=distance.p_value)


def _judge(measured: Sequence[Finding], limits: Limits) -> list[Finding]:
    """Adjust the p-values of all tests together, and judge each column."""
    tests = [
        (index, key)
        for index, finding in enumerate(measured)
        for key in ("p_adjusted", "missing_p_adjusted")
        if getattr(finding, key) is not None
    ]
    adjusted = distances.holm([getattr(measured[index], key) for index, key in tests])
    found = list(measured)
    for (index, key), value in zip(tests, adjusted, strict=True):
        found[index] = replace(found[index], **{key: value})  # type: ignore[arg-type]
    return [_judged(finding, limits) for finding in found]


def _judged(finding: Finding, limits: Limits) -> Finding:
    reasons = []
    distance = finding.distance
    if distance and finding.p_adjusted is not None and finding.p_adjusted < limits.level:
        large_psi = distance.psi >= max(limits.psi, distance.psi_noise)
        if distance.statistic >= limits.statistic or large_psi:
            reasons.append(_described(finding, distance))
    gained = finding.missing_now - finding.missing_baseline
    p_missing = finding.missing_p_adjusted
    if p_missing is not None and p_missing < limits.level and abs(gained) >= limits.missing:
        infinite = f" ({finding.infinite} infinite)" if finding.infinite else ""
        reasons.append(f"missing: {finding.missing_now:.0%}{infinite} instead of {finding.missing_baseline:.0%}")
    if reasons:
        return replace(finding, state="drifted", reason="; ".join(reasons))
    if distance is None:
        return finding
    return replace(finding, state="stable", reason="no difference that is both significant and large")


def _described(finding: Finding, distance: Distance) -> str:
    p_value = finding.p_adjusted or 0.0
    chance = "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}"
    if finding.new:
        names = ", ".join(repr(name) for name in list(finding.new)[:3])
        return f"new: {names}; {distance.test} {chance}, PSI {distance.psi:.2f}"
    return f"{distance.test} {distance.statistic:.2f}, {chance}, PSI {distance.psi:.2f}"


def _new(expected: Column, found: Column) -> dict[str, int]:
    if expected.kind != "categorical":
        return {}
    known, counts = set(expected.values), dict[str, int]()
    for value in found.values:
        if value not in known:
            counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_NAMED])


def _share(column: Column) -> float:
    return column.missing / column.total if column.total else 0.0


def _few(expected: int, found: int, what: str = "rows") -> str:
    return f"{found} {what}" if found <= expected else f"a baseline of {expected} {what}"


def _unjudged(name: str, reason: str) -> Finding:
    return Finding(name, None, "not judged", reason)
