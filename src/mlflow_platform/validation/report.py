"""A validation as a page: one HTML file that needs no other, to be mailed, archived or logged as an artifact."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_platform.validation.scoring import Validation

_TEMPLATE = Path(__file__).with_name("report.html.j2")
_WORST = 12
_NAMES = {
    "accuracy": "accuracy",
    "f1_macro": "F1, mean of classes",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "mean absolute error",
    "latency_p50_ms": "latency, median",
    "latency_p95_ms": "latency, 95 %",
    "rows": "rows",
}


@dataclass(frozen=True)
class Row:
    """A row that was predicted wrongly: its number in the data, truth and prediction, and its features."""

    number: int
    truth: str
    predicted: str
    features: Sequence[str]


def render(
    validation: Validation, *, chart: Path, about: Mapping[str, str], threshold: float | None, when: datetime
) -> str:
    """The page, as HTML. `about` says what was validated, as names and values in the order to show them."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=about.get("endpoint", "validation"),
        about=about,
        cards=[(_NAMES.get(name, name), _number(name, value)) for name, value in validation.metrics.items()],
        chart=base64.b64encode(chart.read_bytes()).decode(),
        chart_says="Confusion matrix" if validation.rows.task == "classification" else "Predictions and errors",
        classes=_classes(validation),
        columns=list(validation.rows.features.columns),
        target=validation.rows.target,
        worst=_worst(validation),
        wrong=_wrong_count(validation),
        latencies=_bars(validation),
        judged_by=_NAMES[validation.judged_by],
        threshold=threshold,
        passed=validation.passes(threshold),
        when=when.strftime("%Y-%m-%d %H:%M UTC"),
    )


def _number(name: str, value: float) -> str:
    if name == "rows":
        return f"{value:.0f}"
    return f"{value:.1f} ms" if name.endswith("_ms") else f"{value:.3f}"


def _classes(validation: Validation) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class; nothing for a regression."""
    if validation.rows.task != "classification":
        return []
    from sklearn.metrics import classification_report

    report = classification_report(validation.truth, validation.answers.predictions, output_dict=True, zero_division=0)
    names = sorted(set(validation.truth))
    return [{"name": name, **report[name]} for name in names]


def _wrong_count(validation: Validation) -> int:
    return int((validation.truth != validation.answers.predictions).sum())


def _worst(validation: Validation) -> list[Row]:
    """The rows predicted wrongly, the worst first; of a regression, those with the largest errors."""
    import numpy as np

    truth, predicted = validation.truth, validation.answers.predictions
    if validation.rows.task == "classification":
        numbers = np.flatnonzero(truth != predicted)
    else:
        numbers = np.argsort(-np.abs(truth - predicted), kind="stable")
    features = validation.rows.features
    return [
        Row(
            number=int(number) + 1,
            truth=_shown(truth[number]),
            predicted=_shown(predicted[number]),
            features=[_shown(value) for value in features.iloc[number]],
        )
        for number in numbers[:_WORST]
    ]


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _bars(validation: Validation) -> list[dict[str, float]]:
    """Each request's duration in ms, and as a share of the longest."""
    durations = validation.answers.durations * 1000
    longest = float(durations.max())
    return [{"ms": float(value), "share": float(value) / longest} for value in durations]
