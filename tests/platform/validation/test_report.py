"""Charts and report: readable on their own, and the same for the same answers."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlflow_platform.validation import charts, report
from mlflow_platform.validation.report import About
from mlflow_platform.validation.scoring import Validation
from mlflow_platform.validation.thresholds import Threshold, judge
from tests.platform.validation.support import scored

WHEN = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)
CLASSES = scored(["a", "b", "b", "<i>"], ["a", "b", "a", "<i>"])
NUMBERS = scored([1.0, 2.0, 3.0, 4.5], [1.5, 2.0, 2.0, 4.5])
CHANCES = scored([0, 1, 1, 0], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
ALL = pytest.mark.parametrize("what", [CLASSES, NUMBERS, CHANCES], ids=["classes", "numbers", "probabilities"])


def page(
    what: Validation, folder: Path, threshold: float | None = None, notes: tuple[str, ...] = (), **facts: str
) -> str:
    verdicts = judge([Threshold(None, threshold)] if threshold is not None else [], dict(what.metrics), what.judged_by)
    about = About("e", {"endpoint": "e", **facts}, WHEN, notes, verdicts)
    return report.render(what, about, report.draw(what, folder))


@ALL
def test_the_page_needs_no_other_file(what: Validation, tmp_path: Path) -> None:
    html = page(what, tmp_path)
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert {source[:22] for source in sources} == {"data:image/png;base64,"}
    assert "@import" not in html
    assert "url(" not in html


def test_a_classification_shows_scores_classes_and_wrong_rows(tmp_path: Path) -> None:
    html = page(CLASSES, tmp_path, **{"run-id": "0123"})
    for part in ("0.750", "By class", "precision", "1 row predicted wrongly", "<td>3</td><td>b</td><td>a</td>", "0123"):
        assert part in html
    assert "2026-11-21 04:30 UTC" in html
    assert "Confusion matrix" in html
    assert "ROC curve" not in html


def test_a_regression_shows_the_largest_errors_first(tmp_path: Path) -> None:
    html = page(NUMBERS, tmp_path)
    assert "By class" not in html
    assert html.index("<td>3</td><td>3</td><td>2</td>") < html.index("<td>1</td><td>1</td><td>1.5</td>")


def test_probabilities_show_the_roc_curve(tmp_path: Path) -> None:
    html = page(CHANCES, tmp_path)
    assert "ROC curve of class" in html
    assert "area under ROC" in html
    assert {path.name for path in tmp_path.iterdir()} == {"confusion_matrix.png", "roc.png", "latency.png"}


def test_escapes_outside_text(tmp_path: Path) -> None:
    html = page(CLASSES, tmp_path, notes=("<b>note</b>",), note="<script>alert(1)</script>")
    assert "<script" not in html
    assert "<b>note" not in html
    assert "&lt;i&gt;" in html


@pytest.mark.parametrize(
    ("threshold", "badges"),
    [(None, ["validated"]), (0.7, ["passed", "passed"]), (0.8, ["failed", "failed"])],
)
def test_the_badge_shows_whether_the_thresholds_are_reached(
    tmp_path: Path, threshold: float | None, badges: list[str]
) -> None:
    html = page(CLASSES, tmp_path, threshold)
    assert re.findall(r'class="badge \w+">(\w+)<', html) == badges
    assert ("at least 0.8" in html) is (threshold == 0.8)


def test_no_wrong_rows_are_shown_as_none(tmp_path: Path) -> None:
    html = page(scored(["a", "b"], ["a", "b"]), tmp_path)
    assert "0 rows predicted wrongly" in html
    assert "None." in html


@ALL
def test_the_same_answers_give_the_same_pictures(what: Validation, tmp_path: Path) -> None:
    pictures = []
    for name in "ab":
        (tmp_path / name).mkdir()
        drawn = report.draw(what, tmp_path / name)
        pictures.append([chart.path.read_bytes() for chart in drawn])
        for chart in drawn:
            with Image.open(chart.path) as image:
                assert min(image.size) > 400
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("rows", [1, 2])
def test_a_single_row_can_be_drawn(rows: int, tmp_path: Path) -> None:
    assert page(scored(["a"] * rows, ["b"] * rows), tmp_path)
    assert page(scored([1.5] * rows, [1.5] * rows, "regression"), tmp_path)


@pytest.mark.parametrize("scale", [1e-300, 1e150])
def test_numbers_of_every_size_can_be_drawn(scale: float, tmp_path: Path) -> None:
    truth = [scale * number for number in range(4)]
    assert page(scored(truth, [value * 1.1 for value in truth], "regression"), tmp_path)


def test_numbers_that_hardly_differ_can_be_drawn(tmp_path: Path) -> None:
    truth = np.asarray([1e15, 1e15 + 1, 1e15 + 2])
    charts.residuals(truth, truth + 0.25, tmp_path / "close.png")
    charts.latencies(np.asarray([5.0, 5.0]), tmp_path / "same.png")


def test_classes_of_every_name_can_be_drawn(tmp_path: Path) -> None:
    names = ["$x^{$", "a\nb", "\x00", "模型", "", "x" * 500, r"\frac", "\ud800"]
    assert page(scored(names, ["other"] * len(names)), tmp_path)


def test_many_classes_fit_on_the_chart(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(500)]
    truth: list[Any] = [*names, *names[:30]]
    assert page(scored(truth, truth), tmp_path)
    with Image.open(tmp_path / "confusion_matrix.png") as image:
        assert max(image.size) < 3000
