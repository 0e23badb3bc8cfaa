"""Drift: what is found, what is noise, and columns that are difficult."""

import math
import warnings
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from mlflow_platform.monitoring import baseline, distances, drift
from mlflow_platform.monitoring.drift import Drift, Finding, Limits
from mlflow_platform.validation.signature import Signature
from tests.platform.validation.support import columns

RANDOM = np.random.default_rng(7)
NORMAL = RANDOM.normal(10, 2, 2000).tolist()
NAMES = RANDOM.choice(["red", "green", "blue"], 2000, p=[0.5, 0.3, 0.2]).tolist()


def judge(expected: list[Any], current: list[Any], **limits: Any) -> Finding:
    found = drift.compare({"c": expected}, {"c": current}, Limits(**limits), rows=len(current))
    return found.findings[0]


def test_a_shift_of_half_a_standard_deviation_is_drift() -> None:
    found = judge(NORMAL, [value + 1 for value in NORMAL[:500]])
    assert found.state == "drifted"
    assert found.distance
    assert found.distance.wasserstein == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("rows", [50, 500, 2000])
def test_samples_of_one_distribution_are_stable(rows: int) -> None:
    random = np.random.default_rng(rows)
    alarms = 0
    for _ in range(60):
        columns = {f"c{at}": random.normal(0, 1, rows).tolist() for at in range(5)}
        columns["k"] = random.choice(["a", "b", "c"], rows).tolist()
        baseline = {f"c{at}": random.normal(0, 1, 300).tolist() for at in range(5)}
        baseline["k"] = random.choice(["a", "b", "c"], 300).tolist()
        alarms += bool(drift.compare(baseline, columns, Limits(), rows=rows).drifted)
    # At most one in a hundred windows is expected, so three in sixty would be a fault.
    assert alarms <= 3


def test_a_significant_but_small_difference_is_not_drift() -> None:
    random = np.random.default_rng(1)
    found = judge(random.normal(0, 1, 60_000).tolist(), random.normal(0.04, 1, 60_000).tolist())
    assert found.p_adjusted is not None
    assert found.p_adjusted < 0.01
    assert found.state == "stable"


def test_a_new_category_is_drift_and_is_named() -> None:
    found = judge(NAMES, [*NAMES[:300], *["purple"] * 60])
    assert found.state == "drifted"
    assert found.new == {"purple": 60}
    assert "new: 'purple'" in found.reason


def test_one_row_of_a_new_category_is_named_without_an_alarm() -> None:
    found = judge(NAMES, [*NAMES[:500], "purple"])
    assert found.state == "stable"
    assert found.new == {"purple": 1}


def test_missing_values_are_drift_of_their_own() -> None:
    found = judge(NORMAL, [None if at % 3 == 0 else value for at, value in enumerate(NORMAL[:300])])
    assert found.state == "drifted"
    assert found.reason.startswith("missing: 33% instead of 0%")


@pytest.mark.parametrize("unusable", [None, math.nan, math.inf, -math.inf])
def test_a_column_that_became_unusable_is_drift(unusable: float | None) -> None:
    found = judge(NORMAL, [unusable] * 200)
    assert found.state == "drifted"
    assert "missing: 100%" in found.reason


def test_a_column_that_requests_leave_out_is_drift() -> None:
    found = drift.compare({"c": NORMAL}, {}, Limits(), rows=200)
    assert found.findings[0].state == "drifted"


def test_constant_columns_are_stable_until_they_change() -> None:
    assert judge([5.0] * 200, [5.0] * 200).state == "stable"
    assert judge([5.5] * 200, [7.0] * 200).state == "drifted"
    assert judge(["a"] * 200, ["a"] * 200).state == "stable"
    assert judge(["a"] * 200, ["b"] * 200).state == "drifted"


def test_few_rows_are_not_judged_and_the_reason_is_given() -> None:
    found = judge(NORMAL, NORMAL[:20])
    assert (found.state, found.reason) == ("not judged", "20 rows; at least 50 are needed")
    assert judge(NORMAL[:20], NORMAL).reason == "a baseline of 20 rows; at least 50 are needed"
    assert judge(NORMAL, []).state == "not judged"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([None, math.nan], "the baseline has no values that can be compared"),
        ([b"x"] * 100, "the baseline has no values that can be compared"),
        ([{"a": 1}] * 100, "the baseline has no values that can be compared"),
    ],
)
def test_columns_that_cannot_be_compared_are_named(values: list[Any], reason: str) -> None:
    assert judge(values, values).reason == reason


def test_ids_and_free_text_are_not_called_stable() -> None:
    found = judge([f"a{number}" for number in range(500)], [f"b{number}" for number in range(500)])
    assert (found.state, found.distance) == ("not judged", None)
    assert "nearly every value is another one" in found.reason
    assert judge(["same"] * 500, ["same"] * 500).state == "stable"


def test_decimal_numbers_are_compared_as_numbers() -> None:
    found = judge([Decimal(number) for number in range(100)], [Decimal(number) + 500 for number in range(100)])
    assert (found.kind, found.state) == ("numeric", "drifted")
    assert judge([Decimal("1.00"), Decimal(2)] * 50, [1, 2] * 50).state == "stable"
    assert judge([Decimal("1e30"), Decimal("0.5")] * 50, [1e30, 0.5] * 50).state == "stable"


SIGNATURE = columns(at="datetime", member="boolean")


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_times_and_booleans_of_a_baseline_are_compared_with_captured_ones(kind: str, tmp_path: Path) -> None:
    moments = [datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))) + timedelta(hours=at) for at in range(100)]
    file = tmp_path / f"b{kind}"
    if kind == ".csv":
        file.write_text(
            "at,member\n" + "".join(f"{at.isoformat()},{number % 2}\n" for number, at in enumerate(moments))
        )
    else:
        parquet.write_table(pa.table({"at": moments, "member": [number % 2 for number in range(100)]}), file)
    inputs = baseline.from_file(file, SIGNATURE, baseline.Baseline()).columns

    def states(years: int) -> list[str]:
        captured = [at.astimezone(UTC).replace(tzinfo=None, year=at.year + years) for at in moments]
        now = {"at": captured, "member": [number % 2 == 1 for number in range(100)]}
        return [each.state for each in drift.compare(inputs, now, Limits(), rows=100).findings]

    assert states(0) == ["stable", "stable"]
    assert states(1) == ["drifted", "stable"]


@pytest.mark.parametrize(
    ("kind", "written", "values"),
    [
        (None, "02134", "02134"),
        ("any", "02134", "02134"),
        ("string", "02134", "02134"),
        ("long", "02134", 2134),
        ("long", "9007199254740993", 9007199254740993),
        ("long", "1.5", 1.5),
        (None, "+49", "+49"),
        ("double", "+49", 49.0),
        ("double", "1.5 %", None),
        ("boolean", "yes", None),
        (None, "9007199254740993", 9007199254740993),
        (None, "1.5", 1.5),
        (None, "inf", math.inf),
        (None, "True", True),
    ],
)
def test_a_baseline_in_csv_has_the_values_that_requests_have(
    kind: str | None, written: str, values: Any, tmp_path: Path
) -> None:
    file = tmp_path / "b.csv"
    file.write_text(f"x,prediction\n{written},{written}\n")
    signature = Signature() if kind is None else columns(x=kind)
    found = baseline.from_file(file, signature, baseline.Baseline()).columns
    assert (found["x"], type(found["x"][0])) == ([values], type(values))
    if kind is None:
        assert found["prediction"] == [values]


def test_an_input_named_prediction_is_compared_as_an_input(tmp_path: Path) -> None:
    file = tmp_path / "b.csv"
    file.write_text("prediction\n" + "1.5\n" * 100)
    found = baseline.from_file(file, columns(prediction="double"), baseline.Baseline())
    assert found.columns == {"prediction": [1.5] * 100}
    assert found.notes == ["Drift of the predictions is not measured: the model has an input 'prediction'."]


def test_nested_values_of_a_text_file_are_not_compared_as_texts(tmp_path: Path) -> None:
    file = tmp_path / "b.csv"
    file.write_text("o\n" + '"{""a"": 1}"\n' * 100)
    inputs = baseline.from_file(file, columns(o="object"), baseline.Baseline()).columns
    (finding,) = drift.compare(inputs, {"o": [{"a": 1}] * 100}, Limits(), rows=100).findings
    assert finding.state == "not judged"


def test_a_column_that_the_baseline_lacks_is_named() -> None:
    found: Drift = drift.compare({}, {"c": NORMAL}, Limits(), rows=2000)
    assert found.findings[0].reason == "the baseline does not have this column"
    assert not found.judged


def test_extreme_numbers_do_not_break_the_comparison() -> None:
    assert judge([1e300, -1e300] * 100, [1e300, -1e300] * 100).state == "stable"
    assert judge(NORMAL, [1e308] * 100).state == "drifted"


def test_a_failed_exact_test_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert judge(NORMAL[:133], [*NORMAL[:132], 9.0]).state == "stable"


def test_numbers_with_few_values_are_compared_as_categories() -> None:
    found = judge([0, 1, 2] * 100, [2] * 100)
    assert (found.kind, found.state) == ("categorical", "drifted")
    assert judge([0, 1, 2] * 100, [0.0, 1.0, 2.0] * 50).state == "stable"


def test_many_columns_do_not_raise_the_chance_of_a_false_alarm() -> None:
    adjusted = distances.holm([0.004, 0.5, 0.02, 0.9])
    assert adjusted == pytest.approx([0.016, 1.0, 0.06, 1.0])
