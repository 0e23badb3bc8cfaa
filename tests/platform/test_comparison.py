"""Comparing runs: ranks, differing parameters, CSV and HTML."""

import csv
import io
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.comparison import charts, page, table
from mlflow_platform.comparison.direction import is_maximized
from mlflow_platform.comparison.table import Row
from mlflow_platform.validation.thresholds import LOWER_IS_BETTER
from scripts.compare_runs import _lines as lines_of
from tests.platform import metric_names


def row(name: str, depth: str, **metrics: float) -> Row:
    return Row(f"id-{name}", name, "FINISHED", len(name), {"depth": depth, "seed": "7"}, metrics)


ROWS = [row("a", "2", rmse=3.0), row("=b", "3", rmse=1.0, r2=0.5), row("<i>c", "4"), row("d", "5", rmse=float("nan"))]


def test_the_best_run_is_first_and_runs_without_the_metric_are_last() -> None:
    compared = table.make(ROWS, "rmse")
    assert [found.name for found in compared.rows[:2]] == ["=b", "a"]
    assert [cells[0] for cells in compared.cells()] == ["1", "2", "", ""]
    assert [found.name for found in table.make(ROWS, "rmse", maximize=True).rows[:2]] == ["a", "=b"]


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("validation/rmse", "validation/r2"),
        ("val.loss", "val.accuracy"),
        ("valLoss", "valAccuracy"),
        ("testRMSE", "testAUC"),
        ("test rmse", "test R²"),
        ("eval:log-loss", "f1_macro"),
        ("p95_ms", "requests_per_second"),
        ("mean_squared_error", "neg_mean_squared_error"),
        ("crossEntropy", "cv/neg_log_loss"),
        ("response_time", "negRMSE"),
        ("false_positive_rate", "true_positive_rate"),
        ("val/FNR", "val/TPR"),
        ("fnr_at_fpr_0.01", "tpr_at_fpr_0.01"),
        ("latency@p99", "recall@fpr=0.01"),
        ("lossAtEpoch", "tprAtFpr"),
        ("seconds_per_request", "samples_per_ms"),
        ("costPerRun", "samplesPerMs"),
        ("total_cost", "savings"),
        ("edit_distance", "correlation"),
        ("validation_0-mlogloss", "validation_0-aucpr"),
        ("eval-merror", "eval-ndcg@10"),
        ("poisson-nloglik@1.5", "interval-regression-accuracy"),
        ("categorical_crossentropy", "top_k_categorical_accuracy"),
        ("valid_0-l2", "d2_absolute_error_score"),
        ("LogLoss", "D2_log_loss_score"),
        ("neg_log_likelihood", "log_likelihood"),
        ("negative_loglikelihood", "recall_neg"),
        ("nRMSE", "explained_variance"),
        ("davies_bouldin", "silhouette"),
        ("TER_score", "chrf++"),
        ("miss_rate", "hit_rate"),
        ("FAR", "mAP50-95"),
        ("train/box_loss", "mIoU"),
        ("mean_absolute_error", "adj_r_squared"),
        ("numErrors", "valF1"),
        ("top1_error", "top5"),
        ("conversion_time", "v_measure"),
        *((f"validation/{name}", "roc_auc") for name in sorted(LOWER_IS_BETTER)),
    ],
)
def test_every_way_to_write_a_metrics_name_says_whether_larger_is_better(smaller: str, larger: str) -> None:
    assert not is_maximized(smaller)
    assert is_maximized(larger)


def test_the_metrics_of_training_libraries_have_the_direction_that_their_documentation_gives() -> None:
    def direction(metric: str) -> bool | None:
        try:
            return is_maximized(metric)
        except InputError:
            return None

    groups = ((False, metric_names.SMALLER), (True, metric_names.LARGER), (None, metric_names.UNCLEAR))
    expected = {prefix + name: kind for kind, names in groups for name in names for prefix in ("", "valid_0-", "val/")}
    assert {name: direction(name) for name in expected} == expected


@pytest.mark.parametrize(
    "metric",
    [
        "cost_savings",
        "error_reduction",
        "distanceCorrelation",
        "time_between_failures",
        "val/loss_improvement",
        "valid_0-quantile",
        "bias",
        "accuracy_std",
        "interval_score",
        # Smaller is better, but the name has no word that is known here.
        "lossless",
        "hausdorff95",
        "hallucination_rate",
        "model_size_mb",
        "max_drawdown",
        "VaR",
    ],
)
def test_a_name_that_may_mean_the_opposite_is_not_guessed(metric: str) -> None:
    rows = [replace(row, metrics={metric: 1.0}) for row in ROWS]
    with pytest.raises(InputError, match=f"{metric}.* does not say whether larger .* give --maximize or --minimize"):
        table.make(rows, metric)
    assert table.make(rows, metric, maximize=True).maximize


def test_parameters_that_are_the_same_everywhere_are_left_out() -> None:
    assert table.make(ROWS, "rmse").differing == ["depth"]


def test_csv_cannot_become_a_formula_in_a_spreadsheet() -> None:
    lines = list(csv.DictReader(io.StringIO(table.make(ROWS, "rmse").as_csv())))
    assert (lines[0]["run"], lines[0]["rmse"], lines[0]["depth"]) == ("'=b", "1", "3")


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1", "'=1"), ("a;=1", "a;'=1"), ("a\t@b", "a\t'@b"), ("\t=1", "'\t=1"), ("a;;+b", "a;;'+b"), ("a;-2", "a;-2"),
     ("-2e5", "-2e5"), ("a-b;c", "a-b;c"), ("", "")],
)  # fmt: skip
def test_a_cell_has_no_formula_also_behind_other_separators(text: str, cell: str) -> None:
    assert table._harmless(text) == cell


@pytest.mark.parametrize(("maximize", "best"), [(True, "a"), (False, "c")])
def test_nan_and_infinite_values_are_never_the_best(maximize: bool, best: str) -> None:
    values = {"n": float("nan"), "a": 3.0, "i": float("inf"), "c": 1.0, "m": float("-inf"), "s": sys.float_info.max}
    rows = [row(name, "1", rmse=value) for name, value in values.items()]
    compared = table.make(rows, "rmse", maximize=maximize)
    assert compared.rows[0].name == best
    assert [cells[0] for cells in compared.cells()] == ["1", "2", "", "", "", ""]
    assert [cells[4] for cells in compared.cells() if cells[1] == "s"] == ["inf"]
    with pytest.raises(InputError, match="'rmse' is NaN or infinite in all runs"):
        table.make([found for found in rows if found.name in {"n", "i"}], "rmse")


def test_charts_leave_out_what_cannot_be_ranked(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        broken = [row("x\ny", "$3$", rmse=float("inf")), row("日本", "日\n本 $x", rmse=2.0)]
        page.write(table.make([*ROWS, *broken], "rmse"), "Runs", tmp_path)


def test_the_chart_of_runs_with_thousands_of_parameters_is_drawn(tmp_path: Path) -> None:
    """Its axes would take hours, and be wider than any picture may be."""
    rows = [replace(each, params={f"p{number}": each.name for number in range(2_000)}) for each in ROWS]
    page.write(table.make(rows, "rmse"), "Runs", tmp_path)
    assert "The chart leaves out the last 1970 parameters." in (tmp_path / "runs.html").read_text()
    assert "leaves out" not in page.render(table.make(ROWS, "rmse"), "Runs")


def test_a_mixed_column_is_drawn_with_its_numbers_in_order() -> None:
    assert charts._heights(["10", "", "9", "x"]) == [pytest.approx(1 / 3), pytest.approx(2 / 3), 0, 1]


def test_metrics_and_parameters_of_one_name_have_columns_of_their_own() -> None:
    def made(number: int) -> Row:
        params = {"rate": f"{number}", "status": f"s{number}", "metrics.rate": f"m{number}"}
        return Row(f"id-{number}", "r", "FINISHED", number, params, {"rate": number / 2})

    compared = table.make([made(1), made(2)], "rate", maximize=True)
    assert len(set(compared.columns)) == len(compared.columns)
    [best, _] = [dict(zip(compared.columns, cells, strict=True)) for cells in compared.cells()]
    assert (best["status"], best["params.status"]) == ("FINISHED", "s2")
    assert (best["metrics.rate"], best["params.rate"], best["params.metrics.rate"]) == ("1", "2", "m2")


def test_a_line_in_a_terminal_has_the_parameters_before_the_other_metrics_and_says_what_does_not_fit() -> None:
    many = {f"monitoring/an-endpoint/metric_{number}": 1.0 for number in range(30)}
    lines, omitted = lines_of(table.make([row("a", "2", rmse=3.0, **many), row("b", "3", rmse=1.0)], "rmse"))
    heading, best, other = (text.split() for text, _ in lines)
    assert heading[:6] == ["rank", "run", "run_id", "status", "rmse", "depth"]
    assert (best[:5], best[5]) == (["1", "b", "id-b", "FINISHED", "1"], "3")
    assert max(len(text) for text, _ in lines) <= 160
    assert len(heading) + omitted == 6 + len(many)
    assert other[0] == "2"
    assert lines_of(table.make(ROWS, "rmse"))[1] == 0


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
    with pytest.raises(InputError, match="'rmse' is NaN or infinite in all runs"):
        table.make(ROWS[2:], "rmse")
    with pytest.raises(InputError, match="no runs to compare"):
        table.make([], "rmse")
