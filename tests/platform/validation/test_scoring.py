"""Scores: equal to those of scikit-learn, for the task of the rows."""

import re
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.validation import files, scoring, tasks
from mlflow_platform.validation.rows import Rows, prepare
from mlflow_platform.validation.signature import ColumnSpec, Signature
from tests.platform.validation.support import answers_of, rows_of, scored


def test_a_classification_is_scored_by_name() -> None:
    checked = scored(["a", "b", "b", "a"], ["a", "b", "a", "a"])
    assert checked.task == "classification"
    assert checked.metrics["accuracy"] == 0.75
    assert checked.metrics["f1_macro"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert checked.metrics["latency_p50_ms"] == pytest.approx(20)
    assert checked.metrics["latency_p95_ms"] == pytest.approx(29)
    assert checked.metrics["latency_p99_ms"] == pytest.approx(29.8)
    assert checked.metrics["requests_per_second"] == pytest.approx(30)
    assert checked.wrong == [2]
    assert scored([0, 1], ["0", "1"]).metrics["accuracy"] == 1


def test_a_regression_is_scored_by_error() -> None:
    checked = scored([1.0, 2.0, 3.0], [1.0, 2.0, 5.0], "regression")
    assert checked.metrics["rmse"] == pytest.approx((4 / 3) ** 0.5)
    assert checked.metrics["mae"] == pytest.approx(2 / 3)
    assert checked.metrics["r2"] == pytest.approx(-1)


def test_r2_of_rows_with_the_same_truth_is_omitted() -> None:
    """scikit-learn computes 1 or 0 for it."""
    assert "r2" not in scored([1.5], [1.5], "regression").metrics
    assert "r2" not in scored([1.5, 1.5], [1.5, 3.5], "regression").metrics


def test_rows_without_a_prediction_count_as_wrong_in_a_classification() -> None:
    checked = scored(["a", "a", "b", "b"], ["a", None, "b", float("nan")])
    assert checked.metrics["accuracy"] == 0.5
    assert checked.metrics["missing_predictions"] == 2
    assert checked.metrics["f1_macro"] == pytest.approx(2 / 3)
    assert checked.predicted == ["a", "(no prediction)", "b", "(no prediction)"]


@pytest.mark.parametrize(
    ("truth", "predicted", "unknown"),
    [
        (
            [-1, 1, -1],
            [0, 1, 0],
            r"2 of 3 rows are predicted as classes that the truth in 'y' does not have \(0\), .* \(-1\)",
        ),
        (["low", "high"], ["low", "cheap"], r"1 of 2 .* \(cheap\), .* \(high\)"),
        (["a", "b"] * 10, ["a", "b"] * 9 + ["a", "c"], ""),
        (["a", "b"], ["a", None], ""),
        (["a", "a"], ["a", "b"], ""),
        ([0, 1, 0], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]], ""),
    ],
)
def test_many_predictions_of_classes_that_the_truth_lacks_are_noted(
    truth: list[Any], predicted: list[Any], unknown: str
) -> None:
    notes = scored(truth, predicted).notes
    assert len(notes) == bool(unknown)
    assert re.search(unknown, "".join(notes))


@pytest.mark.parametrize(
    ("predicted", "complaint"),
    [
        ([1.5, None, float("nan")], "predicts nothing .* for 2 of 3 rows"),
        ([1.5, float("inf"), 2.5], "predicts infinity for 1 of 3 rows"),
        ([1e200, 1e300, 2.5], "the predictions are too far off"),
    ],
)
def test_a_regression_is_not_scored_on_fewer_rows_than_were_sent(predicted: list[Any], complaint: str) -> None:
    with pytest.raises(PlatformError, match=complaint):
        scored([1.5, 2.5, 3.5], predicted)


def test_rejects_a_regression_on_names() -> None:
    with pytest.raises(InputError, match=r"are not numbers .*: give --task classification"):
        scored(["a"], ["b"], "regression")
    with pytest.raises(InputError, match="the predictions are not numbers"):
        scored([1.5], ["b"], "regression")


@pytest.mark.parametrize(
    ("truth", "predicted", "task"),
    [
        (["a", "b"], ["a", "b"], "classification"),
        ([True, False], [True, False], "classification"),
        ([True, False], [0.9, 0.1], "classification"),
        ([0, 1, 2], [0, 1, 2], "classification"),
        ([0, 1, 2], [0.0, 1.0, 2.0], "classification"),
        ([0, 1, 2], ["0", "1", "2"], "classification"),
        ([0.0, 1.0], [1.0, 1.0], "classification"),
        ([10.0, 12.0], [11.0, 12.0], "regression"),
        ([0, 1, 2], [0.5, 1.1, 1.9], "regression"),
        ([0.5, 1.0], [1.0, 1.0], "regression"),
        (list(range(30)), list(range(30)), "regression"),
        ([0, 1], [[0.5, 0.5], [0.1, 0.9]], "classification"),
    ],
)
def test_the_task_is_inferred_from_truth_and_predictions(truth: list[Any], predicted: list[Any], task: str) -> None:
    assert tasks.decide(rows_of(truth), answers_of(predicted).predictions) == task


def test_a_given_task_takes_precedence() -> None:
    assert scored([0, 1], [0, 1], "regression").task == "regression"


def test_numbers_between_0_and_1_for_truth_of_0_or_1_need_a_task() -> None:
    with pytest.raises(InputError, match="give --task classification if they are probabilities of class 1"):
        scored([0, 1], [0.2, 0.9])
    assert scored([0, 1, 1], [0.2, 0.9, 0.4], "classification").metrics["accuracy"] == pytest.approx(2 / 3)
    assert scored([0, 1, 1], [0.2, 0.9, 0.4], "regression").metrics["mae"] == pytest.approx(0.3)


PROBABILITIES = [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3], [0.4, 0.35, 0.25]]
NAMED = [dict(zip("cab", row, strict=True)) for row in PROBABILITIES]


@pytest.mark.parametrize(
    ("predicted", "signature"),
    [
        (NAMED, Signature()),
        (NAMED, Signature(class_names=("a", "b", "c"))),
        (PROBABILITIES, Signature(class_names=("c", "a", "b"))),
        ([{f"p_{name}": row[name] for name in "cab"} for row in NAMED], Signature(class_names=("c", "a", "b"))),
        (PROBABILITIES, Signature(outputs=tuple(ColumnSpec(name, "double") for name in "cab"))),
    ],
    ids=["names in the answer", "names in both", "names given", "other names in the answer", "names in the signature"],
)
def test_the_most_probable_class_is_predicted(predicted: list[Any], signature: Signature) -> None:
    truth = ["c", "b", "a", "a"]
    checked = scored(truth, predicted, signature=signature)
    assert checked.predicted == ["c", "b", "a", "c"]
    assert checked.metrics["accuracy"] == 0.75
    by_class = np.asarray(PROBABILITIES)[:, [1, 2, 0]]
    area = metrics.roc_auc_score(truth, by_class, multi_class="ovr", labels=["a", "b", "c"])
    assert checked.metrics["roc_auc"] == pytest.approx(area)


def test_probabilities_of_numbered_classes_need_no_names() -> None:
    checked = scored([0, 1, 1, 0], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    assert checked.metrics["accuracy"] == 0.75
    assert checked.metrics["roc_auc"] == 1
    assert scored([False, True], [[0.9, 0.1], [0.2, 0.8]]).metrics["accuracy"] == 1
    assert scored([0, 1], [{"0": 0.9, "1": 0.1}, {"0": 0.2, "1": 0.8}]).metrics["accuracy"] == 1
    assert scored([1, 1], [{"1": 0.9, "0": 0.1}] * 2).metrics["accuracy"] == 1


def test_the_area_of_probabilities_of_class_1_equals_scikit_learns() -> None:
    truth, chances = [0, 1, 1, 0, 1], [0.2, 0.9, 0.4, 0.6, 0.7]
    checked = scored(truth, chances, "classification")
    assert checked.metrics["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, chances))


def test_there_is_no_area_if_a_class_has_no_rows() -> None:
    named = Signature(class_names=("0", "1"))
    assert "roc_auc" not in scored([1, 1], [[0.1, 0.9], [0.6, 0.4]], signature=named).metrics


def test_a_row_without_probabilities_counts_as_wrong() -> None:
    checked = scored([0, 1, 0, 1], [[0.9, 0.1], None, [0.7, 0.3], [0.1, 0.9]])
    assert checked.metrics["accuracy"] == 0.75
    assert checked.metrics["roc_auc"] == 1


NUMBERED = (ColumnSpec("0", "double"), ColumnSpec("1", "double"))


@pytest.mark.parametrize(
    ("truth", "predicted", "signature", "complaint"),
    [
        (["a", "b"], [[0.5, 0.5]] * 2, Signature(), "2 probabilities per row without the names of the classes"),
        ([5, 7], [[0.5, 0.5]] * 2, Signature(), "without the names of the classes"),
        # The classes are 0, 1, 2 or 1, 2, 3: scored as the wrong ones, every row would be off by one.
        ([1, 2, 1], [[0.5, 0.3, 0.2]] * 3, Signature(), "'y' does not show that they are 0 to 2: .* --classes"),
        ([0, 1], [[0.5, 0.3, 0.2]] * 2, Signature(), "does not show that they are 0 to 2"),
        ([1, 1], [[0.1, 0.9], [0.6, 0.4]], Signature(), "does not show that they are 0 to 1"),
        # pandas calls the columns of an array so.
        ([1, 2, 3], [{"0": 0.5, "1": 0.3, "2": 0.2}] * 3, Signature(), "does not show that they are 0 to 2"),
        ([1, 2, 2], [[0.5, 0.5]] * 3, Signature(outputs=NUMBERED), "does not show that they are 0 to 1"),
        (["a", "b"], [{"p_a": 0.5, "p_b": 0.5}] * 2, Signature(), "is none of these: name the classes with --classes"),
        (["a", "b"], [{"a": 0.5, "B": 0.5}] * 2, Signature(), "'B' and the truth 'b' in 'y' are written differently"),
        (["a", "b"], [[0.5, 0.5]] * 2, Signature(class_names=("a", " b")), "are written differently"),
        (
            ["a", "b"],
            [[0.5, 0.5]] * 2,
            Signature(class_names=("a",)),
            "2 probabilities per row, and 1 classes are named",
        ),
        (["a", "b"], [[0.5, 0.5]] * 2, Signature(class_names=("a", "a")), "are of the same class: a, a"),
    ],
)
def test_probabilities_of_unknown_classes_are_refused(
    truth: list[Any], predicted: list[Any], signature: Signature, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        scored(truth, predicted, signature=signature)


def test_a_regression_needs_one_number_per_row() -> None:
    with pytest.raises(InputError, match="predicts 2 numbers per row, and a regression needs one"):
        scored([1.5, 2.5], [[0.5, 0.5]] * 2, "regression")


def rows_of_csv(truth: str) -> Rows:
    """Rows of a CSV file with these values, between which are commas, as the truth."""
    text = "x,y\n" + "".join(f"1,{value}\n" for value in truth.split(","))
    return prepare(
        files.parse(text.encode(), "rows.csv", "y"), "y", task="classification", signature=Signature(), origin="a test"
    )


@pytest.mark.parametrize(
    ("truth", "predicted", "accuracy"),
    [
        ("1e3,1000", ["1000", "1e3"], 0.0),
        ("1.1,1.10", ["1.1", "1.1"], 0.5),
        ("1,0", ["1.0", "0.0"], 1.0),
        ("1.0,2.0", [1, 2], 1.0),
    ],
)
def test_texts_that_are_one_number_are_different_classes_if_the_model_predicts_text(
    truth: str, predicted: list[Any], accuracy: float
) -> None:
    assert scoring.compare(rows_of_csv(truth), answers_of(predicted)).metrics["accuracy"] == accuracy


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        ("0,1,1", ["false", "true", "true"]),
        ("0,1,1.0", ["false", "true", "true"]),
        ("true,false", ["1", "0"]),
        ("true,True,false", ["true", "true", "false"]),
        ("0.1,0.2", ["0.10000000149011612", "0.2"]),
        ("0.1,0.10,0.2", ["0.10000000149011612", "0.10000000149011612", "0.2"]),
        ("01,1", ["01", "1"]),
    ],
)
def test_truth_of_numbers_or_booleans_keeps_its_type_if_the_model_predicts_text(
    truth: str, predicted: list[str]
) -> None:
    assert scoring.compare(rows_of_csv(truth), answers_of(predicted)).metrics["accuracy"] == 1.0


@pytest.mark.parametrize("truth", ["0,1,2,0", "0,1,1.0,2"])
def test_rejects_predicted_names_where_the_truth_is_numbers(truth: str) -> None:
    with pytest.raises(InputError, match="cannot be compared with the truth"):
        scoring.compare(rows_of_csv(truth), answers_of(["setosa", "versicolor", "virginica", "setosa"]))


@pytest.mark.parametrize("truth", [["+0.5", "+1.5"], ["+0.5", "-1.5"], ["00.5", "01.5"]])
def test_truth_of_numbers_in_another_form_needs_a_task_if_the_model_predicts_fractions(truth: list[str]) -> None:
    """As classes, all rows would be wrong."""
    with pytest.raises(InputError, match=f"has numbers such as '{re.escape(truth[0])}', which may be text: give --"):
        scored(truth, [0.4, 1.4])
    rows = files.parse(b"x,y\n1,+0.5\n1,-1.5\n", "rows.csv", "y")
    prepared = prepare(rows, "y", task="regression", signature=Signature(), origin="a test")
    assert scoring.compare(prepared, answers_of([0.5, -1.5])).metrics["rmse"] == 0.0


def test_truth_of_two_numbers_needs_a_task_if_the_model_predicts_fractions() -> None:
    """These may be probabilities or decision values of classes called -1 and 1."""
    with pytest.raises(InputError, match=r"only the values -1 and 1, and the predictions are fractions \(as 0.9\)"):
        scored([-1, 1, 1], [-1.0, 0.9, 2.5])
    assert scored([-1, 1, 1], [-1.0, 0.9, 2.5], "regression").task == "regression"


@pytest.mark.parametrize("marker", ["NaN", "NA", "inf", "n/a"])
def test_numbers_and_text_in_the_truth_of_a_model_that_predicts_numbers_are_an_error(marker: str) -> None:
    with pytest.raises(InputError, match="the truth in 'y' has numbers and text"):
        scored([marker, "1.5", "2.5"], [1.0, 1.5, 2.5])


def test_probabilities_of_class_1_are_understood_also_where_the_truth_is_text() -> None:
    assert scored(["0", "1"], [0.1, 0.9]).metrics["accuracy"] == 1.0
