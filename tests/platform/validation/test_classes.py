"""Classes are equal when they mean the same in the truth's type, however the endpoint writes them."""

import re
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.validation.classes import align


def right(truth: list[Any], predicted: list[Any]) -> list[bool]:
    found = align(truth, predicted, target="y")
    return [true == guess for true, guess in zip(found.truth, found.predicted, strict=True)]


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        ([0, 1], [0.0, 1.0]),
        ([0.0, 1.0], [0, 1]),
        ([0, 1], ["0", "1"]),
        ([0, 1], ["0.0", "1.0"]),
        ([0, 1], [False, True]),
        ([0, 1], ["False", "true"]),
        ([False, True], [0, 1]),
        ([False, True], [0.0, 1.0]),
        ([False, True], ["false", "True"]),
        ([False, True], ["0", "1.0"]),
        (["0", "1"], [0, 1]),
        (["0", "1"], [0.0, 1.0]),
        (["0.0", "1.0"], [0, 1]),
        (["0", "1"], ["0.0", "1.0"]),
        (["false", "true"], [False, True]),
        (["False", "True"], ["false", "true"]),
        (["a", "1"], ["a", 1]),
        ([2**53, 2**53 + 1], [str(2**53), 2**53 + 1]),
        ([0.1, 0.5], [0.10000000149011612, 0.5]),
        ([0.10000000149011612, 0.5], ["0.1", 0.5]),
        ([10001, 90210], ["10001", "90210"]),
        (["NA", "None", "nan", "null"], ["NA", "None", "nan", "null"]),
    ],
)
def test_one_class_in_another_form_is_the_same_class(truth: list[Any], predicted: list[Any]) -> None:
    assert right(truth, predicted) == [True, True] * (len(truth) // 2)


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        (["02134", "2134"], ["2134", "2134"], [False, True]),
        (["1", "1.0"], ["1.0", "1.0"], [False, True]),
        (["True", "true"], ["true", "true"], [False, True]),
        ([2**53, 2**53 + 1], [2**53 + 1, 2**53 + 1], [False, True]),
        ([10001, 90210], ["02134", "90210"], [False, True]),
        (["None", "a"], [None, "a"], [False, True]),
        (["nan", "a"], [None, "a"], [False, True]),
        ([0, 1], [None, 1], [False, True]),
        ([1, 2], [1.5, 2], [False, True]),
        (["a", "b"], ["x", "z"], [False, False]),
        ([1, True, "a"], ["a", "a", "a"], [False, False, True]),
        ([False, 0, "b"], ["False", "b", "b"], [True, False, True]),
        (["02134", "007"], ["2134", "007"], [False, True]),
        (["2134", "2134", "NA"], ["02134", "2134", "NA"], [False, True, True]),
        ([0, 1], [7, 8], [False, False]),
        (["a", "b"], [None, None], [False, False]),
    ],
)
def test_different_classes_stay_different(truth: list[Any], predicted: list[Any], expected: list[bool]) -> None:
    assert right(truth, predicted) == expected


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        (["setosa", "virginica"], [0, 2]),
        ([0, 1], ["setosa", "virginica"]),
        ([True, False], ["yes", "no"]),
        ([True, False], [2, 0]),
        (["NA", "1.5"], [2.5, 3.5]),
    ],
)
def test_values_that_cannot_be_compared_are_an_error(truth: list[Any], predicted: list[Any]) -> None:
    with pytest.raises(InputError, match="cannot be compared with the truth"):
        align(truth, predicted, target="y")


@pytest.mark.parametrize("predicted", [[0.1, 0.9], [-1.3, 2.7], [None, 0.5]])
def test_fractions_are_no_classes_of_whole_numbers(predicted: list[Any]) -> None:
    with pytest.raises(InputError, match="are not classes: the truth in 'y' has whole numbers only"):
        align([1, 2], predicted, target="y")


def test_fractions_are_no_classes_either_if_a_few_predictions_are_whole() -> None:
    """Probabilities of a forest are often exactly 1."""
    with pytest.raises(InputError, match=r"\(as 0.1\) are not classes: .*, and few of them are predicted"):
        align([1, 2, 2], [0.1, 1.0, 0.8], target="y")
    assert align([1, 2, 2], [1.5, 1.0, 2.0], target="y").predicted == [2, 0, 1]


def test_classes_of_the_truth_come_first_and_in_order() -> None:
    found = align(["b", "a", "b"], ["c", "a", None], target="y")
    assert (found.names, found.known) == (["a", "b", "c"], 2)
    assert (found.truth, found.predicted) == ([1, 0, 1], [2, 0, -1])


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        (["02134", "00501"], ["2134", "501"]),
        (["02134", "02134"], ["2134", "2134"]),
        (["2134"], ["02134"]),
        ([2134], ["02134"]),
        ([10001, 2134], ["10001", "02134"]),
        (["10001", "2134"], ["10001", "02134"]),
        (["10001", "02134"], ["10001", "2134"]),
        ([10001, 2134, 501], ["10001", None, "00501"]),
        (["02134", "10001"], [2134, 10001]),
        ([2134, 501], ["02134", "00501"]),
        (["Setosa", "Virginica"], ["setosa", "virginica"]),
        (["cat ", "dog"], ["cat", "cat"]),
        (["caf\u00e9"], ["cafe\u0301"]),
        (["cafe\u0301", "tea"], ["caf\u00e9", "tea"]),
        (["2026-01-31T00:00:00"], ["2026-01-31"]),
        (["2026-01-31 12:00:00"], ["2026-01-31T12:00:00.000"]),
        # Also where other classes are predicted as the truth writes them.
        (["Setosa", "virginica"], ["setosa", "virginica"]),
        (["setosa ", "virginica"], ["setosa", "virginica"]),
        (["iris  setosa", "b"], ["iris setosa", "b"]),
        (["iris\u00a0setosa", "b"], ["iris setosa", "b"]),
        (["zero\u200bwidth", "b"], ["zerowidth", "b"]),
        (["STRASSE", "b"], ["stra\u00dfe", "b"]),
        (["\uff21", "b"], ["A", "b"]),
        (["\ud55c", "b"], ["\u1112\u1161\u11ab", "b"]),
        ([1, 2], [" 1", "2"]),
        (["+1", "-1"], [1, -1]),
        (["+1", "-1", "0"], ["1", "-1", "0"]),
        (["2026-01-31T00:00:00+00:00", "b"], ["2026-01-31T00:00:00Z", "b"]),
        (["2026-01-31T01:00:00+01:00", "b"], ["2026-01-31", "b"]),
        (["a", "A", "b"], ["\u00e5", "b", " A"]),
    ],
)
def test_classes_that_are_only_written_differently_are_an_error(truth: list[Any], predicted: list[Any]) -> None:
    for given in ((truth, predicted), (predicted, truth)) if None not in predicted else ((truth, predicted),):
        with pytest.raises(InputError, match="are written differently") as refused:
            align(*given, target="y")
        # The two are never shown as the same text.
        shown = re.findall("'[^']*'", refused.value.message)
        assert shown[0] != shown[1]


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        (["a", "A"], ["a", "a"], [True, False]),
        (["a", "b"], ["a", "A"], [True, False]),
        (["a", "b", "a"], ["A", "b", "a"], [False, True, True]),
    ],
)
def test_classes_that_hardly_differ_are_noted(truth: list[Any], predicted: list[Any], expected: list[bool]) -> None:
    found = align(truth, predicted, target="y")
    assert [true == guess for true, guess in zip(found.truth, found.predicted, strict=True)] == expected
    (note,) = found.notes
    assert note.startswith("'A' and 'a' are scored as different classes")


def test_classes_that_the_model_names_itself_are_different_without_a_note() -> None:
    for truth, predicted in ((["A", "b"], ["a", "b"]), (["A"], ["a"]), (["a", "A"], ["a", "a"])):
        found = align(truth, predicted, target="y", stated=("a", "A", "b"))
        assert found.truth[0] != found.predicted[0] or truth[0] == predicted[0]
        assert found.notes == ()
    assert align(["a", "b"], ["a", "b"], target="y").notes == ()
