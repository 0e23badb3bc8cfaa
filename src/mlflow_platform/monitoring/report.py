"""The monitoring of a variant as a page: one HTML file that needs no other."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow_common.numbers import short
from mlflow_platform.monitoring.assessment import Assessment, WindowResult
from mlflow_platform.monitoring.drift import PREDICTION, Finding
from mlflow_platform.monitoring.outcome import Outcome
from mlflow_platform.monitoring.quality import MAIN

_TEMPLATE = Path(__file__).with_name("report.html.j2")
_MOST_CHARTS = 12
_ORDER = {"drifted": 0, "stable": 1, "not judged": 2}


def render(outcome: Outcome, *, when: datetime) -> str:
    """The page, as HTML."""
    from jinja2 import Environment, StrictUndefined

    found = outcome.assessment
    findings = _findings(found)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=outcome.place.endpoint,
        when=when.strftime("%Y-%m-%d %H:%M UTC"),
        alarms=found.alarms,
        unjudged=found.unjudged,
        notes=outcome.notes,
        cards=_cards(found, findings),
        judged=found.judged and _span(found.judged),
        findings=[_line(finding) for finding in findings],
        distributions=_distributions(findings),
        timelines=_timelines(found),
        quality=_quality(found),
        scored=found.scored and _span(found.scored),
        windows=[_window(result) for result in found.results],
        facts={
            "environment": outcome.place.environment,
            "endpoint": outcome.place.endpoint,
            "variant": outcome.place.variant,
            "model": outcome.model or "unknown",
            "run": outcome.run_id or "unknown",
            "baseline": found.baseline.origin,
        },
    )


def _cards(found: Assessment, findings: Sequence[Finding]) -> list[tuple[str, str]]:
    judged = [each for each in findings if each.state != "not judged"]
    inputs = [each for each in judged if each.name != PREDICTION]
    drifted = [each for each in inputs if each.state == "drifted"]
    prediction = next((each.state for each in findings if each.name == PREDICTION), "not judged")
    cards = [(f"{sum(each.rows for each in found.results):,}", "rows captured")]
    cards.append((f"{len(drifted)} of {len(inputs)}" if inputs else "not judged", "inputs drifted"))
    cards.append((prediction, "predictions"))
    if found.scored and found.scored.quality.task:
        name = MAIN[found.scored.quality.task]
        cards.append((_figure(found.scored.quality.metrics.get(name)), name))
        if name in found.baseline.reference:
            cards.append((_figure(found.baseline.reference[name]), f"{name} before deployment"))
        cards.append((f"{found.scored.quality.share:.0%}", "of rows have truth"))
    else:
        cards.append(("not judged", "quality"))
    return cards


def _findings(found: Assessment) -> list[Finding]:
    result = found.judged or next((each for each in reversed(found.results) if each.drift), None)
    return sorted(result.drift.findings, key=lambda each: _ORDER[each.state]) if result and result.drift else []


def _line(finding: Finding) -> dict[str, Any]:
    distance = finding.distance
    return {
        "name": finding.name,
        "state": finding.state,
        "reason": finding.reason,
        "kind": finding.kind or "",
        "psi": "" if distance is None else f"{distance.psi:.2f}",
        "statistic": "" if distance is None else f"{distance.statistic:.2f}",
        "wasserstein": "" if distance is None or distance.wasserstein is None else f"{distance.wasserstein:.2f}",
        "p": "" if finding.p_adjusted is None else _chance(finding.p_adjusted),
        "missing": f"{finding.missing_baseline:.1%} → {finding.missing_now:.1%}" if finding.kind else "",
    }


def _distributions(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    from mlflow_platform.monitoring import charts

    drawn = [each for each in findings if each.distance is not None][:_MOST_CHARTS]
    return [
        {"name": each.name, "drifted": each.state == "drifted", "png": _encoded(charts.distribution(each))}
        for each in drawn
    ]


def _timelines(found: Assessment) -> list[tuple[str, str]]:
    """Charts over the windows: PSI, and rows."""
    from mlflow_platform.monitoring import charts

    labels = [_label(result) for result in found.results]
    drifts = [{each.name: each for each in result.drift.findings} if result.drift else {} for result in found.results]
    names = list(dict.fromkeys(name for each in drifts for name, finding in each.items() if finding.distance))
    pictures = []
    if names:
        values = [[_psi(each.get(name)) for each in drifts] for name in names]
        title = "Population stability index by window (from 0.2 a large difference, if it is significant, too)"
        pictures.append((title, _encoded(charts.psi_over_time(names, labels, values))))
    pictures.append(("Rows by window", _encoded(charts.rows_over_time(labels, [each.rows for each in found.results]))))
    return pictures


def _quality(found: Assessment) -> str | None:
    """The chart of the quality; None if no window has any."""
    from mlflow_platform.monitoring import charts

    task = next((each.quality.task for each in reversed(found.results) if each.quality.task), None)
    if task is None:
        return None
    name = MAIN[task]
    return _encoded(
        charts.quality_over_time(
            name,
            [_label(each) for each in found.results],
            [each.quality.metrics.get(name) for each in found.results],
            [each.quality.share for each in found.results],
            found.baseline.reference.get(name),
        )
    )


def _window(result: WindowResult) -> dict[str, str]:
    main = MAIN[result.quality.task] if result.quality.task else ""
    drift = "" if result.drift is None else f"{len(result.drift.drifted)} of {len(result.drift.judged)}"
    return {
        "name": _span(result),
        "rows": f"{result.rows:,}",
        "drifted": drift if result.drift and result.drift.judged else "not judged",
        "truth": f"{result.quality.with_truth:,} ({result.quality.share:.0%})",
        "quality": f"{main} {_figure(result.quality.metrics.get(main))}" if main else "",
    }


def _label(result: WindowResult) -> str:
    start = result.window.start
    whole_day = (result.window.end - start).total_seconds() == 86400
    return f"{start:%b %d}" if whole_day or start.hour == 0 else f"{start:%H:%M}"


def _span(result: WindowResult) -> str:
    start, end = result.window.start, result.window.end
    if (end - start).total_seconds() == 86400:
        return f"{start:%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M} to {end:%H:%M}"


def _psi(finding: Finding | None) -> float | None:
    return finding.distance.psi if finding and finding.distance else None


def _chance(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def _figure(value: float | None) -> str:
    return "none" if value is None else short(value, 3) if abs(value) < 100 else f"{value:,.1f}"


def _encoded(png: bytes) -> str:
    return base64.b64encode(png).decode()
