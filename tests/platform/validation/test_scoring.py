"""Validation: rows go out in batches, answers come back in order, and whose fault a failure is."""

import io
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.validation import scoring as validation
from mlflow_platform.validation.scoring import Answers, Rows

FEATURES = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0, 5.0], "b": ["x", None, "z", "u", "v"]})


@pytest.fixture
def runtime(aws: Callable[[str], Any]) -> Any:
    return aws("sagemaker-runtime")


@pytest.fixture
def stub(runtime: Any) -> Iterator[Stubber]:
    with Stubber(runtime) as stub:
        yield stub
        stub.assert_no_pending_responses()


def answered(stub: Stubber, body: Any, sent: Any = ANY) -> None:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    stub.add_response(
        "invoke_endpoint",
        {"Body": StreamingBody(io.BytesIO(text), len(text)), "ContentType": "application/json"},
        {"EndpointName": "e", "ContentType": "application/json", "Body": sent},
    )


def ask(runtime: Any, features: pd.DataFrame = FEATURES, batch_size: int = 2) -> Answers:
    ticks = count(0, 0.5)
    return validation.ask(runtime, "e", features, batch_size=batch_size, seconds=lambda: next(ticks))


def test_rows_are_sent_in_batches_and_predictions_come_back_in_order(runtime: Any, stub: Stubber) -> None:
    split = [
        {"columns": ["a", "b"], "data": [[1.0, "x"], [2.0, None]]},
        {"columns": ["a", "b"], "data": [[3.0, "z"], [4.0, "u"]]},
        {"columns": ["a", "b"], "data": [[5.0, "v"]]},
    ]
    for rows, predictions in zip(split, [[1, 2], [3, 4], [5]], strict=True):
        answered(stub, {"predictions": predictions}, json.dumps({"dataframe_split": rows}))
    answers = ask(runtime)
    assert list(answers.predictions) == [1, 2, 3, 4, 5]
    assert list(answers.durations) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("body", [[1, 2, 3, 4, 5], {"predictions": [{"y": n} for n in range(1, 6)]}])
def test_other_forms_of_predictions_are_understood(runtime: Any, stub: Stubber, body: Any) -> None:
    answered(stub, body)
    assert list(ask(runtime, batch_size=9).predictions) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("body", [b"<html>", {"answer": 42}, {"predictions": [1]}, {"predictions": "many"}, b"\xff"])
def test_an_answer_that_is_no_prediction_per_row_is_refused(runtime: Any, stub: Stubber, body: Any) -> None:
    answered(stub, body)
    with pytest.raises(PlatformError, match=r"e (answers with something else|does not answer with one prediction)"):
        ask(runtime)


def refused(stub: Stubber, status: int, message: str) -> None:
    more = {"OriginalStatusCode": status, "OriginalMessage": message}
    stub.add_client_error("invoke_endpoint", "ModelError", "Received client error", 424, response_meta=None)
    stub._queue[-1]["response"][1].update(more)


def test_rows_that_the_model_refuses_are_the_caller_s_fault(runtime: Any, stub: Stubber) -> None:
    said = (
        "Failed to predict data '   a\n0  1'. \nError: Failed to enforce schema of data '   a\n0  1' with schema "
        "'['b': double (required)]'. Error: Model is missing inputs ['b']. Note that there were extra inputs: ['a']."
    )
    refused(stub, 400, json.dumps({"error_code": "BAD_REQUEST", "message": said}))
    with pytest.raises(InputError) as wrong:
        ask(runtime)
    assert wrong.value.message == (
        "the model refuses the rows: Model is missing inputs ['b']. Note that there were extra inputs: ['a']."
    )
    assert wrong.value.status == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ntext", "plain text"),
        ("", "it gives no reason"),
        ("x" * 999, "x" * 300 + "…"),
        ('"a string"', '"a string"'),
    ],
)
def test_what_a_container_says_is_shown_on_one_line(runtime: Any, stub: Stubber, text: str, shown: str) -> None:
    refused(stub, 500, text)
    with pytest.raises(PlatformError) as failed:
        ask(runtime)
    assert failed.value.message == f"the model fails on the rows (HTTP 500): {shown}"
    assert failed.value.status == 1


def test_an_endpoint_that_is_gone_meanwhile_is_told(runtime: Any, stub: Stubber) -> None:
    stub.add_client_error("invoke_endpoint", "ValidationError", "Endpoint e of account 1 not found.", 400)
    with pytest.raises(PreconditionError, match="there is no endpoint e that serves"):
        ask(runtime)


def compared(truth: list[Any], predicted: list[Any], task: validation.Task) -> validation.Validation:
    import numpy as np

    rows = Rows(pd.DataFrame({"x": range(len(truth)), "y": truth}), "y", task, "a test")
    return validation.compare(rows, Answers(np.asarray(predicted), np.asarray([0.010, 0.020, 0.030])))


def test_a_classification_is_scored_by_name() -> None:
    checked = compared(["a", "b", "b", "a"], ["a", "b", "a", "a"], "classification")
    assert checked.metrics["accuracy"] == 0.75
    assert checked.metrics["f1_macro"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert checked.metrics["latency_p50_ms"] == pytest.approx(20)
    assert checked.metrics["latency_p95_ms"] == pytest.approx(29)
    assert compared([0, 1], ["0", "1"], "classification").metrics["accuracy"] == 1


def test_a_regression_is_scored_by_error() -> None:
    checked = compared([1.0, 2.0, 3.0], [1.0, 2.0, 5.0], "regression")
    assert checked.metrics["rmse"] == pytest.approx((4 / 3) ** 0.5)
    assert checked.metrics["mae"] == pytest.approx(2 / 3)
    assert checked.metrics["r2"] == pytest.approx(-1)


@pytest.mark.parametrize(("threshold", "passes"), [(None, True), (0.75, True), (0.76, False)])
def test_a_threshold_is_held_against_accuracy(threshold: float | None, passes: bool) -> None:
    assert compared(["a", "b", "b", "a"], ["a", "b", "a", "a"], "classification").passes(threshold) is passes


def test_a_threshold_is_held_against_r2_of_a_regression() -> None:
    checked = compared([1.0, 2.0, 3.0], [1.1, 2.0, 3.0], "regression")
    assert checked.passes(0.99)
    assert not checked.passes(0.999)


def test_names_cannot_be_regressed() -> None:
    with pytest.raises(InputError, match="are no numbers: give --task classification"):
        compared(["a"], ["b"], "regression")


@pytest.mark.parametrize(
    ("column", "task"),
    [
        ("y\na\nb\n", "classification"),
        ("y\nTrue\nFalse\n", "classification"),
        ("y\n0\n1\n2\n", "classification"),
        ("y\n0.5\n1\n", "regression"),
        ("y\n" + "\n".join(map(str, range(30))), "regression"),
    ],
)
def test_the_task_is_told_by_the_truth(tmp_path: Path, column: str, task: str) -> None:
    (tmp_path / "rows.csv").write_text(column)
    assert validation.read(tmp_path / "rows.csv", "y", task=None, origin="here").task == task


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "there is no file"),
        (b"", "cannot be read as CSV"),
        (b"\x00\xff\xfe", "cannot be read as CSV"),
        (b'a,y\n1,2\n"', "cannot be read as CSV"),
        (b"a,y\n", "has no rows"),
        (b"a,b\n1,2\n", r"has no column 'y' to compare with \(it has: a, b\)"),
        (b"a,y\n1,\n1,2\n", "lacks the truth .* in 1 of 2 rows"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        validation.read(path, "y", task=None, origin="here")
