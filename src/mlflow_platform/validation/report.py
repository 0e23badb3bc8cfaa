"""A validation as a page: one HTML file that needs no other, to be mailed, archived or logged as an artifact."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.numbers import short
from mlflow_platform.validation import scoring
from mlflow_platform.validation.thresholds import Verdict

if TYPE_CHECKING:
    from mlflow_platform.validation.scoring import Validation

PAGE = "report.html"
_TEMPLATE = Path(__file__).with_name("report.html.j2")
_WORST = 12
_MOST_COLUMNS = 12
_MOST_CLASSES = 50
_NAMES = {
    "accuracy": "accuracy",
    "f1_macro": "F1, mean of classes",
    "precision_macro": "precision, mean of classes",
    "recall_macro": "recall, mean of classes",
    "roc_auc": "area under ROC",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "mean absolute error",
    "missing_predictions": "rows without a prediction",
    "local_agreement": "agree with the local model",
    "latency_p50_ms": "latency, median",
    "latency_p95_ms": "latency, 95 %",
    "latency_p99_ms": "latency, 99 %",
    "requests_per_second": "requests per second",
    "rows": "rows",
}


@dataclass(frozen=True)
class Chart:
    """A chart of the page: its title and its PNG file."""

    title: str
    path: Path


@dataclass(frozen=True)
class About:
    """What the page says beside the scores.

    Attributes:
        title: the page's heading.
        facts: what was validated, as names and values in the order to show them.
        notes: sentences that a reader must know to trust the figures.
        verdicts: the thresholds, held against the metrics.
        when: the time of the validation.
    """

    title: str
    facts: Mapping[str, str]
    when: datetime
    notes: Sequence[str] = ()
    verdicts: Sequence[Verdict] = field(default=())


@dataclass(frozen=True)
class Row:
    """A row that was predicted wrongly: its number in the data, truth and prediction, and its features."""

    number: int
    truth: str
    predicted: str
    features: Sequence[str]


def draw(validation: Validation, folder: Path) -> list[Chart]:
    """Draw the charts of a validation into a folder."""
    import numpy as np

    from mlflow_platform.validation import charts

    truth, predicted = np.asarray(validation.truth), np.asarray(validation.predicted)
    path = charts.draw(validation.task, truth, predicted, folder)
    found = [Chart("Confusion matrix" if validation.classes else "Predictions and errors", path)]
    if validation.classes and validation.probabilities:
        numbers = range(validation.classes.known)
        curves = [
            (validation.classes.names[number], curve)
            for number in numbers
            if (curve := scoring.one_against_rest(validation.classes, validation.probabilities, number))
        ]
        # The two curves of two classes mirror each other.
        curves = curves[1:] if len(curves) == 2 else curves
        if curves:
            title = (
                f"ROC curve of class {curves[0][0]}" if len(curves) == 1 else "ROC curve of each class against the rest"
            )
            found.append(Chart(title, folder / "roc.png"))
            charts.roc(curves, found[-1].path)
    found.append(Chart("Latency of the requests", folder / "latency.png"))
    charts.latencies(np.asarray(validation.answers.durations) * 1000, found[-1].path)
    return found


def render(validation: Validation, about: About, charts: Sequence[Chart]) -> str:
    """The page, as HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    columns = list(validation.rows.features)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        about=about,
        passed=all(verdict.passed for verdict in about.verdicts),
        verdicts=[
            {
                "name": _NAMES.get(verdict.metric, verdict.metric),
                "value": "none" if verdict.value is None else _number(verdict.metric, verdict.value),
                "wanted": verdict.wanted,
                "passed": verdict.passed,
            }
            for verdict in about.verdicts
        ],
        cards=[(_NAMES.get(name, name), _number(name, value)) for name, value in validation.metrics.items()],
        charts=[(chart.title, base64.b64encode(chart.path.read_bytes()).decode()) for chart in charts],
        classification=validation.classes is not None,
        classes=_classes(validation),
        most_classes=_MOST_CLASSES,
        columns=columns[:_MOST_COLUMNS],
        hidden_columns=len(columns[_MOST_COLUMNS:]),
        target=validation.rows.target,
        worst=_worst(validation),
        wrong=len(validation.wrong),
        requests=len(validation.answers.durations),
        clients=validation.answers.clients,
        when=about.when.strftime("%Y-%m-%d %H:%M UTC"),
    )


def _number(name: str, value: float) -> str:
    if name in {"rows", "missing_predictions"}:
        return f"{value:.0f}"
    if name.endswith("_ms"):
        return f"{value:.1f} ms"
    if name == "requests_per_second":
        return f"{value:,.1f}"
    if name == "local_agreement":
        # Never round to 100 % what is not.
        return "100 %" if value == 1 else f"{min(value * 100, 99.99):.2f} %"
    # Large errors are as readable as small scores.
    return short(value, 3) if abs(value) < 1000 else f"{value:,.4g}" if abs(value) >= 1e6 else f"{value:,.1f}"


def _classes(validation: Validation) -> list[dict[str, Any]]:
    """Precision, recall, F1 and rows of each class of the truth; nothing for a regression."""
    if validation.classes is None:
        return []
    from sklearn.metrics import precision_recall_fscore_support

    classes = validation.classes
    scores = precision_recall_fscore_support(
        classes.truth, classes.predicted, labels=range(classes.known), average=None, zero_division=0
    )
    names = ("precision", "recall", "f1", "rows")
    return [
        {"name": classes.names[number], **dict(zip(names, values, strict=True))}
        for number, values in enumerate(zip(*scores, strict=True))
    ][:_MOST_CLASSES]


def _worst(validation: Validation) -> list[Row]:
    """The first rows that were predicted wrongly; in a regression, the rows with the largest errors."""
    import numpy as np

    if validation.classes is not None:
        numbers: Sequence[int] = validation.wrong
    else:
        errors = np.abs(np.asarray(validation.truth) - np.asarray(validation.predicted))
        numbers = [int(number) for number in np.argsort(-errors, kind="stable")]
    columns = list(validation.rows.features.values())[:_MOST_COLUMNS]
    return [
        Row(
            number=number + 1,
            truth=_shown(validation.truth[number]),
            predicted=_shown(validation.predicted[number]),
            features=[_shown(column[number]) for column in columns],
        )
        for number in numbers[:_WORST]
    ]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
