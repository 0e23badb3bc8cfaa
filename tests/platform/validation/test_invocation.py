"""Requests: rows are sent in batches without loss, responses stay in order, and errors say who must act."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pandas as pd
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.validation import invocation, requests
from mlflow_platform.validation.invocation import Answers, Load
from mlflow_platform.validation.rows import Rows
from mlflow_platform.validation.signature import ColumnSpec, Signature
from tests.platform.validation.support import ask as ask_mlflow
from tests.platform.validation.support import columns, rows_of

FEATURES = {"a": [1.0, 2.0, 3.0, 4.0, 5.0], "b": ["x", None, "z", "u", "v"]}


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


def sent(batch_size: int = 2, **more: Any) -> list[requests.Request]:
    return requests.make(rows_of([0] * 5, features=FEATURES, **more), batch_size=batch_size)


def ask(runtime: Any, batch_size: int = 2, load: Load | None = None) -> Answers:
    ticks = count(0, 0.5)
    return invocation.ask(runtime, "e", sent(batch_size), load=load or Load(), seconds=lambda: next(ticks))


def test_rows_are_sent_in_batches_and_predictions_come_back_in_order(runtime: Any, stub: Stubber) -> None:
    split = [
        {"columns": ["a", "b"], "data": [[1.0, "x"], [2.0, None]]},
        {"columns": ["a", "b"], "data": [[3.0, "z"], [4.0, "u"]]},
        {"columns": ["a", "b"], "data": [[5.0, "v"]]},
    ]
    for rows, predictions in zip(split, [[1, 2], [3, 4], [5]], strict=True):
        answered(stub, {"predictions": predictions}, json.dumps({"dataframe_split": rows}))
    answers = ask(runtime)
    assert list(answers.predictions.values) == [1, 2, 3, 4, 5]
    assert list(answers.durations) == [0.5, 0.5, 0.5]
    assert answers.elapsed == 3.5


def test_more_requests_than_batches_repeat_rows_for_the_latency_alone(runtime: Any, stub: Stubber) -> None:
    for predictions in ([1, 2, 3], [4, 5], [9, 9, 9], [9, 9]):
        answered(stub, {"predictions": predictions})
    answers = ask(runtime, batch_size=3, load=Load(requests=4))
    assert list(answers.predictions.values) == [1, 2, 3, 4, 5]
    assert len(answers.durations) == 4


@pytest.mark.parametrize("body", [b"<html>", {"answer": 42}, {"predictions": [1]}, {"predictions": "many"}, b"\xff"])
def test_rejects_a_response_without_one_prediction_per_row(runtime: Any, stub: Stubber, body: Any) -> None:
    answered(stub, body)
    with pytest.raises(PlatformError, match=r"^e (does not answer with|answers with)"):
        ask(runtime)


def refused(stub: Stubber, status: int, message: str) -> None:
    more = {"OriginalStatusCode": status, "OriginalMessage": message}
    stub.add_client_error("invoke_endpoint", "ModelError", "Received client error", 424, response_meta=None)
    stub._queue[-1]["response"][1].update(more)  # type: ignore[attr-defined]


def test_rows_that_the_model_refuses_are_the_callers_mistake(runtime: Any, stub: Stubber) -> None:
    text = (
        "Failed to predict data '   a\n0  1'. \nError: Failed to enforce schema of data '   a\n0  1' with schema "
        "'['b': double (required)]'. Error: Model is missing inputs ['b']. Note that there were extra inputs: ['a']."
    )
    refused(stub, 400, json.dumps({"error_code": "BAD_REQUEST", "message": text}))
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
        ("[" * 9_999, "[" * 300 + "…"),
    ],
)
def test_a_containers_error_is_shown_on_one_line(runtime: Any, stub: Stubber, text: str, shown: str) -> None:
    refused(stub, 500, text)
    with pytest.raises(PlatformError) as failed:
        ask(runtime)
    assert failed.value.message == f"the model fails on the rows (HTTP 500): {shown}"
    assert failed.value.status == 1


def test_an_endpoint_that_was_deleted_meanwhile_is_a_missing_precondition(runtime: Any, stub: Stubber) -> None:
    stub.add_client_error("invoke_endpoint", "ValidationError", "Endpoint e of account 1 not found.", 400)
    with pytest.raises(PreconditionError, match="there is no endpoint e that serves"):
        ask(runtime)


class Meeting:
    """An endpoint that responds only when it has a given number of simultaneous requests."""

    exceptions: Any = type("exceptions", (), {"ModelError": KeyError, "ClientError": KeyError})

    def __init__(self, clients: int, *, fails: bool = False) -> None:
        self._met = threading.Event()
        self._barrier = threading.Barrier(clients, action=self._met.set)
        self._fails = fails
        self.calls = 0

    def invoke_endpoint(self, **request: str) -> dict[str, Any]:
        self.calls += 1
        if not (self._fails and self._met.is_set()):
            # A client whose peers have failed would wait in vain.
            self._barrier.wait(60)
        if self._fails:
            raise PlatformError("broken")
        rows = json.loads(request["Body"])["dataframe_split"]["data"]
        return {"Body": io.BytesIO(json.dumps([row[0] for row in rows]).encode())}


def test_several_clients_send_at_the_same_time_and_keep_the_order() -> None:
    runtime: Any = Meeting(4)
    answers = invocation.ask(runtime, "e", sent(1), load=Load(4, 8), seconds=lambda: 0.0)
    assert list(answers.predictions.values) == FEATURES["a"]
    assert len(answers.durations) == runtime.calls == 8


def test_the_first_failure_of_several_clients_ends_the_validation() -> None:
    runtime: Any = Meeting(2, fails=True)
    with pytest.raises(PlatformError, match="broken"):
        invocation.ask(runtime, "e", sent(1), load=Load(2, 1_000), seconds=lambda: 0.0)
    assert runtime.calls == 2


ODD: dict[str, list[Any]] = {
    "n": [2**53 + 1, -(2**63), 2**63 - 1, None],
    "flag": [True, None, False, True],
    "zip": ["02134", "NA", "", None],
    "at": ["2026-01-31T12:30:15.123456789", None, "1700-01-01T00:00:00.000000000", "2026-01-31T00:00:00.000000000"],
    "x": [0.1, None, float("inf"), 1.0],
    "data": [b"\x00\xff", b"", None, b"x"],
}
ODD_TYPES = columns(n="long?", flag="boolean?", zip="string?", at="datetime?", x="double?", data="binary?")


@pytest.mark.parametrize("batch_size", [1, 2, 9])
def test_every_type_reaches_the_model_without_loss(batch_size: int) -> None:
    rows = Rows(ODD, [0] * 4, "y", None, "here", ODD_TYPES)

    def seen(frame: pd.DataFrame) -> list[str]:
        return [described(frame, number) for number in range(len(frame))]

    answers = ask_mlflow(rows, seen, batch_size=batch_size)
    assert [json.loads(text) for text in answers.predictions.values] == [
        {"n": 2**53 + 1, "flag": True, "zip": "02134", "at": "2026-01-31T12:30:15.123456789", "x": 0.1, "data": "00ff"},
        {"n": -(2**63), "flag": None, "zip": "NA", "at": None, "x": None, "data": ""},
        {"n": 2**63 - 1, "flag": False, "zip": "", "at": "1700-01-01T00:00:00.000000000", "x": "inf", "data": None},
        {"n": None, "flag": True, "zip": None, "at": "2026-01-31T00:00:00.000000000", "x": 1.0, "data": "78"},
    ]


def described(frame: pd.DataFrame, number: int) -> str:
    """A row as the model receives it, as JSON. A missing column is null."""

    def value(name: str) -> Any:
        if name not in frame or pd.isna(frame[name].iloc[number]):
            return None
        found = frame[name].iloc[number]
        match name:
            case "n":
                return int(found)
            case "flag":
                return bool(found)
            case "at":
                return found.isoformat(timespec="nanoseconds")
            case "x":
                return "inf" if found == float("inf") else float(found)
            case "data":
                return found.hex()
        return found

    return json.dumps({name: value(name) for name in ODD})


def test_a_model_with_one_tensor_input_receives_an_array() -> None:
    signature = Signature(inputs=(ColumnSpec(None, "float64", is_tensor=True, shape=(-1, 2)),))
    rows = rows_of([0, 0], signature=signature, features={"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert [json.loads(each.body) for each in requests.make(rows, batch_size=9)] == [{"inputs": [[1, 3], [2, 4]]}]
    rows = rows_of([0, 0], signature=signature, features={"a": [[1.0, 3.0], [2.0, 4.0]]})
    assert [json.loads(each.body) for each in requests.make(rows, batch_size=9)] == [{"inputs": [[1, 3], [2, 4]]}]
    numbers = Signature(inputs=(ColumnSpec(None, "float64", is_tensor=True, shape=(-1,)),))
    rows = rows_of([0, 0], signature=numbers, features={"a": [1.0, 2.0]})
    assert [json.loads(each.body) for each in requests.make(rows, batch_size=9)] == [{"inputs": [1, 2]}]


def test_requests_stay_within_the_endpoints_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "LARGEST_BODY", 120)
    rows = rows_of([0] * 5, features={"a": ["x" * 20] * 5})
    made = requests.make(rows, batch_size=5)
    assert [number for request in made for number in request.rows] == [0, 1, 2, 3, 4]
    assert len(made) > 1
    assert max(len(request.body) for request in made) <= 120
    with pytest.raises(InputError, match="row 1 takes 555 bytes as a request, and an endpoint takes 120"):
        requests.make(rows_of([0], features={"a": ["x" * 500]}), batch_size=5)
