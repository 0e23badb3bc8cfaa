"""What monitoring one variant found, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlflow_platform.monitoring.assessment import Assessment
from mlflow_platform.monitoring.ingestion import Ingested
from mlflow_platform.monitoring.publishing import Place


@dataclass
class Outcome:
    """What monitoring one variant found. `page` is the report as HTML, and `report` the URI where it is stored."""

    place: Place
    assessment: Assessment
    ingested: Ingested
    model: str | None
    run_id: str | None
    page: str = ""
    report: str = ""
    logged: int = 0
    notes: list[str] = field(default_factory=list)


def summary(outcome: Outcome) -> dict[str, Any]:
    """An outcome as names and values, for programs and for the stored status."""
    found = outcome.assessment
    scored, judged = found.scored, found.judged
    return {
        "endpoint": outcome.place.endpoint,
        "variant": outcome.place.variant,
        "model": outcome.model,
        "run_id": outcome.run_id,
        "new_rows": outcome.ingested.rows,
        "rows": sum(result.rows for result in found.results),
        "malformed_lines": outcome.ingested.malformed,
        "rows_with_truth": sum(result.quality.with_truth for result in found.results),
        "drift": "not judged" if judged is None else "drifted" if found.drifted else "stable",
        "drift_window": None if judged is None else judged.window.name,
        "drifted": found.drifted,
        "drift_not_judged": found.unjudged or None,
        "quality_window": None if scored is None else scored.window.name,
        "quality": None if scored is None else dict(scored.quality.metrics),
        "truth_share": None if scored is None else scored.quality.share,
        "alarms": found.alarms,
        "notes": outcome.notes,
        "report": outcome.report,
    }
