"""Chart and report: readable on their own, the same for the same answers."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlflow_platform.validation import charts, report
from mlflow_platform.validation import scoring as validation
from mlflow_platform.validation.scoring import Answers, Rows, Validation

WHEN = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)


def checked(truth: list[Any], predicted: list[Any], task: validation.Task) -> Validation:
    frame = pd.DataFrame({"width (cm)": np.linspace(1, 2, len(truth)), "kind": truth})
    return validation.compare(
        Rows(frame, "kind", task, "a test"), Answers(np.asarray(predicted), np.asarray([0.01, 0.02]))
    )


CLASSES = checked(["a", "b", "b", "<i>"], ["a", "b", "a", "<i>"], "classification")
NUMBERS = checked([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 2.0, 4.0], "regression")


def page(what: Validation, tmp_path: Path, threshold: float | None = None, **about: str) -> str:
    chart = charts.draw(what.rows.task, what.truth, what.answers.predictions, tmp_path)
    return report.render(what, chart=chart, about={"endpoint": "e", **about}, threshold=threshold, when=WHEN)


@pytest.mark.parametrize("what", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_the_page_needs_no_other_file(what: Validation, tmp_path: Path) -> None:
    html = page(what, tmp_path)
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert [source[:22] for source in sources] == ["data:image/png;base64,"]
    assert "@import" not in html
    assert "url(" not in html


def test_a_classification_shows_scores_classes_and_wrong_rows(tmp_path: Path) -> None:
    html = page(CLASSES, tmp_path, **{"run-id": "0123"})
    for part in ("0.750", "By class", "precision", "1 row predicted wrongly", "<td>3</td><td>b</td><td>a</td>", "0123"):
        assert part in html
    assert "2026-11-21 04:30 UTC" in html


def test_a_regression_shows_the_largest_errors_first(tmp_path: Path) -> None:
    html = page(NUMBERS, tmp_path)
    assert "By class" not in html
    assert html.index("<td>3</td><td>3</td><td>2</td>") < html.index("<td>1</td><td>1</td><td>1.5</td>")


def test_what_comes_from_outside_is_escaped(tmp_path: Path) -> None:
    html = page(CLASSES, tmp_path, note="<script>alert(1)</script>")
    assert "<script" not in html
    assert "&lt;i&gt;" in html


@pytest.mark.parametrize(
    ("threshold", "badge"),
    [
        (None, "validated"),
        (0.7, "passed: accuracy of at least 0.7"),
        (0.8, "failed: accuracy below 0.8"),
    ],
)
def test_the_badge_says_how_it_ended(tmp_path: Path, threshold: float | None, badge: str) -> None:
    assert badge in page(CLASSES, tmp_path, threshold)


def test_every_answer_being_right_is_shown_as_such(tmp_path: Path) -> None:
    html = page(checked(["a", "b"], ["a", "b"], "classification"), tmp_path)
    assert "0 rows predicted wrongly" in html
    assert "None." in html


@pytest.mark.parametrize("what", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_the_same_answers_give_the_same_picture(what: Validation, tmp_path: Path) -> None:
    pictures = []
    for name in "ab":
        (tmp_path / name).mkdir()
        path = charts.draw(what.rows.task, what.truth, what.answers.predictions, tmp_path / name)
        pictures.append(path.read_bytes())
        with Image.open(path) as image:
            assert min(image.size) > 500
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("rows", [1, 2])
def test_a_single_row_can_be_drawn(rows: int, tmp_path: Path) -> None:
    assert page(checked(["a"] * rows, ["b"] * rows, "classification"), tmp_path)
    charts.residuals(np.asarray([1.0] * rows), np.asarray([1.0] * rows), tmp_path / "one.png")


def test_many_classes_fit_on_the_chart(tmp_path: Path) -> None:
    names = np.asarray([f"class {number}" for number in range(25)])
    charts.confusion(names, names, tmp_path / "many.png")
    with Image.open(tmp_path / "many.png") as image:
        assert max(image.size) < 3000
