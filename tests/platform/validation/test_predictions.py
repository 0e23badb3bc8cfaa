"""An endpoint's response: one prediction per row is accepted, and anything else is rejected before scoring."""

import json
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_platform.validation import predictions
from mlflow_platform.validation.predictions import Predictions


def read(answer: Any, expected: int = 2) -> Predictions:
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return predictions.interpret(predictions.parse(content, "e", expected=expected), "e")


@pytest.mark.parametrize(
    "answer",
    [
        [1, 2],
        {"predictions": [1, 2]},
        {"predictions": [[1], [2]]},
        {"predictions": [[[1]], [[2]]]},
        {"predictions": [{"label": 1}, {"label": 2}]},
        {"predictions": [{"label": [1]}, {"label": 2}]},
        {"predictions": {"label": [1, 2]}},
        {"predictions": [1, 2], "model": "m"},
    ],
)
def test_one_value_per_row_is_understood_in_every_form(answer: Any) -> None:
    assert list(read(answer).values) == [1, 2]


def test_values_keep_their_types() -> None:
    values = list(read([1, "1"]).values) + list(read([True, 2**60 + 1]).values)
    assert values == [1, "1", True, 2**60 + 1]
    assert [type(value) for value in values] == [int, str, bool, int]


def test_null_and_nan_are_not_predictions() -> None:
    found = read(b'{"predictions": [null, NaN, [null], {"label": NaN}, "NaN"]}', 5)
    assert list(found.values) == [None, None, None, None, "NaN"]
    assert found.missing == 4


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ({"predictions": [[0.25, 0.75], [1, 0]]}, ()),
        ({"predictions": [{"a": 0.25, "b": 0.75}, {"b": 0, "a": 1}]}, ("a", "b")),
    ],
)
def test_one_probability_per_class_is_understood(answer: Any, names: tuple[str, ...]) -> None:
    found = read(answer)
    assert found.is_vector
    assert list(found.values) == [[0.25, 0.75], [1, 0]]
    assert found.names == names


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"<html>", "does not answer with JSON"),
        (b"\xff", "does not answer with JSON"),
        (b"", "does not answer with JSON"),
        (b"[" * 100_000, "does not answer with JSON"),
        (b"9" * 5_000, "does not answer with JSON"),
        ({"answer": 42}, "no key `predictions`"),
        ({"predictions": [1]}, "answers with 1 predictions for 2 rows"),
        ({"predictions": [1, 2, 3]}, "answers with 3 predictions for 2 rows"),
        ({"predictions": []}, "answers with 0 predictions for 2 rows"),
        ({"predictions": "many"}, "answers with 'many', which is not a list"),
        ({"predictions": 1}, "answers with 1, which is not a list"),
        ({"predictions": {"a": [1, 2], "b": [1, 2]}}, "which is not a list"),
        ({"predictions": [[1.5, 2.5], [1.5, 2.5]]}, "are not class probabilities"),
        ({"predictions": [[0.5, 0.5], [0.9, 0.9]]}, "those of row 2 are not class probabilities"),
        (b'{"predictions": [[0.5, NaN], [0.5, 0.5]]}', "are not class probabilities"),
        (
            {"predictions": [["a", "b"], ["a", "b"]]},
            "predicts \\['a', 'b'\\] for row 1: a prediction must be one value",
        ),
        ({"predictions": [[], []]}, "a prediction must be one value"),
        ({"predictions": [{}, {}]}, "a prediction must be one value"),
        ({"predictions": [{"a": {"b": 1, "c": "x"}}, 1]}, "a prediction must be one value"),
        ({"predictions": [{"label": "a", "score": 1}, {"label": "a", "score": 1}]}, "must be one value"),
        ({"predictions": [[True, False], [True, False]]}, "must be one value"),
        ({"predictions": [1, [0.5, 0.5]]}, "in several forms: some rows with one value and some with 2 numbers"),
        ({"predictions": [[0.5, 0.5], [0.2, 0.3, 0.5]]}, "in several forms"),
        ({"predictions": [{"a": 0.5, "b": 0.5}, {"a": 0.5, "c": 0.5}]}, "in several forms"),
        ({"predictions": [{"a": 0.9}, {"b": 0.8}]}, "objects with one key, but not always the same: a, b"),
    ],
)
def test_rejects_anything_else_with_one_line(answer: Any, complaint: str) -> None:
    with pytest.raises(PlatformError, match=complaint) as wrong:
        read(answer)
    assert "\n" not in wrong.value.message


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b'{"predictions": [1, 2], "predictions": [2, 1]}', "the key 'predictions' twice"),
        (b'{"predictions": [{"a": 0.9, "a": 0.1}, 1]}', "the key 'a' twice"),
        (b'{"predictions": ["\\ud800", "a"]}', "half of a surrogate pair"),
        (b'{"predictions": [[1%s, 0], [0, 1]]}' % (b"0" * 400), "are not class probabilities"),
    ],
)
def test_answers_that_are_ambiguous_or_cannot_be_stored_are_an_error(answer: bytes, message: str) -> None:
    with pytest.raises(PlatformError, match=message):
        read(answer)
