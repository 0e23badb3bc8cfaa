"""Comparing runs: ranks, differing parameters, CSV and HTML."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.comparison import page, table
from mlflow_platform.comparison.table import Row


def row(name: str, depth: str, **metrics: float) -> Row:
    return Row(f"id-{name}", name, "FINISHED", len(name), {"depth": depth, "seed": "7"}, metrics)


ROWS = [row("a", "2", rmse=3.0), row("=b", "3", rmse=1.0, r2=0.5), row("<i>c", "4"), row("d", "5", rmse=float("nan"))]


def test_the_best_run_is_first_and_runs_without_the_metric_are_last() -> None:
    compared = table.make(ROWS, "rmse")
    assert [found.name for found in compared.rows[:2]] == ["=b", "a"]
    assert [cells[0] for cells in compared.cells()] == ["1", "2", "", ""]
    assert [found.name for found in table.make(ROWS, "rmse", maximize=True).rows[:2]] == ["a", "=b"]


def test_parameters_that_are_the_same_everywhere_are_left_out() -> None:
    assert table.make(ROWS, "rmse").differing == ["depth"]


def test_csv_cannot_become_a_formula_in_a_spreadsheet() -> None:
    lines = list(csv.DictReader(io.StringIO(table.make(ROWS, "rmse").as_csv())))
    assert (lines[0]["run"], lines[0]["rmse"], lines[0]["depth"]) == ("'=b", "1", "3")


def test_the_page_is_one_file_and_escapes_names(tmp_path: Path) -> None:
    page.write(table.make(ROWS[:3], "rmse"), "Runs of <x>", tmp_path)
    text = (tmp_path / "runs.html").read_text()
    assert "Runs of &lt;x&gt;" in text
    assert "&lt;i&gt;c" in text
    assert "http" not in text
    assert text.count("data:image/png;base64,") == 2


def test_an_unknown_metric_and_no_runs_are_refused() -> None:
    with pytest.raises(InputError, match=r"no run has the metric 'f1'\. They have r2, rmse"):
        table.make(ROWS, "f1")
    with pytest.raises(InputError, match="They have no metrics: log one"):
        table.make([replace(ROWS[0], metrics={})], "f1")
    with pytest.raises(InputError, match="'rmse' is NaN in all runs"):
        table.make(ROWS[2:], "rmse")
    with pytest.raises(InputError, match="no runs to compare"):
        table.make([], "rmse")
