"""Truth: reading it, joining it, and what cannot be joined."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.monitoring import dataset, quality, truth
from mlflow_platform.monitoring.dataset import Deployment
from mlflow_platform.monitoring.quality import Quality, QualityLimits
from mlflow_platform.monitoring.truth import Truth
from mlflow_platform.validation.signature import ColumnSpec, Signature
from mlflow_platform.validation.table import Table
from mlflow_platform.validation.thresholds import Threshold
from tests.support import captured

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
SIGNATURE = Signature((ColumnSpec("x", "double"),))


@pytest.fixture(scope="module")
def table() -> Any:
    lines = [
        captured.line("e1", {"x": [1.0]}, ["a"], NOON, inference_id="one"),
        captured.line("e2", {"x": [1.0, 2.0]}, ["a", "b"], NOON, inference_id="two"),
        captured.line("e3", {"x": [1.0]}, ["a"], NOON),
        captured.line("e4", {"x": [1.0]}, ["a"], NOON, inference_id="again"),
        captured.line("e5", {"x": [1.0]}, ["a"], NOON, inference_id="again"),
    ]
    [found], problems = dataset.convert("\n".join(lines).encode(), [Deployment(NOON, "run", None, SIGNATURE)])
    assert not problems
    return found


@pytest.mark.parametrize(
    ("id_", "expected"), [(7.0, "7"), (2**60, str(2**60)), ("007", "007"), (UUID(int=1), str(UUID(int=1)))]
)
def test_ids_are_text_whatever_the_files_type(id_: Any, expected: str) -> None:
    (found,) = truth.read(
        Table("t.parquet", {"id": [id_], "y": ["a"]}, is_text=False), id_column="id", truth_column="y", row_column=None
    )
    assert found.inference_id == expected


@pytest.mark.parametrize(
    ("id_", "value", "problem"),
    [
        (b"a", "x", "the inference id in row 1 is b'a': give text"),
        (True, "x", "the inference id in row 1 is True: give text"),
        (1.5, "x", "the inference id in row 1 is 1.5: give text"),
        ("a", b"x", "the true value in row 1 is b'x': give text or a number"),
        ("a", [1, 2], r"the true value in row 1 is \[1, 2\]: give text or a number"),
    ],
)
def test_ids_and_values_of_other_types_are_refused(id_: Any, value: Any, problem: str) -> None:
    table = Table("t.parquet", {"id": [id_], "y": [value]}, is_text=False)
    with pytest.raises(InputError, match=problem):
        truth.read(table, id_column="id", truth_column="y", row_column=None)


def test_times_are_classes_as_validation_writes_them() -> None:
    table = Table("t.parquet", {"id": ["a", "b"], "y": [datetime(2026, 1, 2), date(2026, 1, 2)]}, is_text=False)  # noqa: DTZ001
    found = truth.read(table, id_column="id", truth_column="y", row_column=None)
    assert [each.value for each in found] == ["2026-01-02T00:00:00", "2026-01-02"]


def test_truth_is_joined_by_id_and_row(table: Any) -> None:
    found = truth.join(table, [[Truth("one", None, "a"), Truth("two", 1, "a"), Truth("two", 0, "a")]])
    assert found.rows == [(0, "a"), (1, "a"), (2, "a")]
    assert found.without_id == 1


def test_what_cannot_be_joined_is_reported(table: Any) -> None:
    given = [Truth("nobody", None, "a"), Truth("two", None, "a"), Truth("two", 7, "a"), Truth("again", None, "a")]
    found = truth.join(table, [given])
    assert found.rows == []
    assert found.unknown == ["nobody", "two row 7"]
    assert found.ambiguous == ["two", "again"]
    assert len(found.notes) == 3


def test_a_later_file_corrects_an_earlier_one(table: Any) -> None:
    found = truth.join(table, [[Truth("one", 0, "a")], [Truth("one", None, "b")], [Truth("one", 0, "b")]])
    assert found.rows == [(0, "b")]
    assert (found.corrections, found.duplicates) == (1, 1)


def test_a_file_that_contradicts_itself_decides_nothing(table: Any) -> None:
    found = truth.join(
        table, [[Truth("one", 0, "a"), Truth("one", 0, "b"), Truth("two", 0, "a"), Truth("two", 0, "a")]]
    )
    assert found.rows == [(1, "a")]
    assert found.conflicts == ["one row 0"]
    assert found.duplicates == 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["1"], "y": ["a"]}, r"t has no column 'row' \(it has: id, y\)"),
        ({"id": ["1", None], "y": ["a", "b"], "row": [None, None]}, "t: row 2 has no inference id"),
        ({"id": ["1"], "y": [None], "row": ["0"]}, "t: row 1 has no true value"),
        ({"id": ["1"], "y": ["a"], "row": ["-1"]}, "t: '-1' in row 1 is not a row number"),
        ({"id": ["1"], "y": ["a"], "row": ["x"]}, "t: 'x' in row 1 is not a row number"),
    ],
)
def test_unusable_truth_is_refused_as_a_whole(columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        truth.read(Table("t", columns, is_text=True), id_column="id", truth_column="y", row_column="row")


def test_the_same_truth_has_the_same_name() -> None:
    first, second = (truth.to_parquet([Truth("a", None, "1")])[0] for _ in range(2))
    assert first == second != truth.to_parquet([Truth("a", 0, "1")])[0]


def score(predicted: list[Any], true: list[str], **options: Any) -> Quality:
    return quality.score(predicted, true, count=len(true) * 2, signature=Signature(), **({"task": None} | options))


def test_quality_is_that_of_validation() -> None:
    found = score(["a", "b", "b", "a"], ["a", "b", "a", "a"])
    assert found.metrics["accuracy"] == 0.75
    assert found.share == 0.5
    assert "latency_p50_ms" not in found.metrics
    assert score([1.5, 2.5], ["1", "2"], task="regression").metrics["rmse"] == 0.5


@pytest.mark.parametrize(
    ("predicted", "true"),
    [
        (["false", "true", "true"], ["0", "1", "1"]),
        (["1", "0"], ["true", "false"]),
        (["0.10000000149011612", "0.2"], ["0.1", "0.2"]),
    ],
)
def test_predicted_texts_are_compared_in_the_type_of_the_truth(predicted: list[Any], true: list[str]) -> None:
    assert score(predicted, true, task="classification").metrics["accuracy"] == 1.0


def test_truth_that_cannot_be_compared_is_a_problem_and_no_crash() -> None:
    names = ["setosa", "versicolor", "virginica", "setosa"]
    assert "cannot be compared with the truth" in score(names, ["0", "1", "2", "0"]).problem
    assert "not a number" in score([1.5], ["high"], task="regression").problem
    assert score([], []).problem == ""
    assert "'A' and the truth 'a' in 'truth' are written differently" in score(["A", "b"], ["a", "b"]).problem
    assert score(["A", "a"], ["a", "a"]).notes
    assert "predicts nothing" in score([None, 1.0], ["1", "2"], task="regression").problem


def test_a_drop_below_the_reference_fails_if_enough_rows_have_truth() -> None:
    limits = QualityLimits(rows=30)
    low = Quality(100, 60, "classification", {"accuracy": 0.7})
    assert quality.failures(low, {"accuracy": 0.95}, limits) == ["accuracy is 0.7, and was 0.95 before the deployment"]
    assert not quality.failures(Quality(100, 20, "classification", {"accuracy": 0.0}), {"accuracy": 0.95}, limits)
    assert not quality.failures(Quality(100, 60, "classification", {"accuracy": 0.9}), {"accuracy": 0.95}, limits)
    worse = Quality(100, 60, "regression", {"rmse": 12.0, "r2": 0.1})
    assert quality.failures(worse, {"rmse": 10.0}, limits)
    assert not quality.failures(worse, {"rmse": 11.5}, limits)


def test_thresholds_of_another_task_do_not_apply() -> None:
    limits = QualityLimits(thresholds=[Threshold("accuracy", 0.9), Threshold("r2", 0.5)])
    found = quality.failures(Quality(100, 60, "regression", {"rmse": 12.0, "r2": 0.1}), {}, limits)
    assert found == ["r2 is 0.1000, below the threshold of 0.5"]
