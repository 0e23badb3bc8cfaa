"""Captured lines: what is read, and how each unusable one is named."""

import base64
import csv
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.monitoring import capture, dataset, payload
from mlflow_platform.monitoring.dataset import Deployment
from mlflow_platform.validation.signature import ColumnSpec, Signature
from tests.support import captured

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
SIGNATURE = Signature((ColumnSpec("x", "double"), ColumnSpec("n", "long", required=False), ColumnSpec("s", "string")))
SERVED = [Deployment(NOON, "run1", "models:/m/1", SIGNATURE)]
ROWS = {"x": [1.5, 2], "n": [1, None], "s": ["a", "b"]}


def changed(**parts: Any) -> bytes:
    event = json.loads(captured.line("e1", ROWS, [0, 1], NOON))
    for path, value in parts.items():
        *parents, last = path.split("__")
        target = event
        for parent in parents:
            target = target[parent]
        target[last] = value
    return json.dumps(event).encode()


def test_rows_have_the_types_of_the_signature_and_the_ids_of_their_request() -> None:
    line = captured.line("e1", ROWS, ["setosa", "virginica"], NOON, inference_id="order-1")
    [table], problems = dataset.convert(line.encode(), SERVED)
    assert not problems
    assert table.select(["x", "n", "s"]).to_pydict() == ROWS
    assert [str(table.schema.field(name).type) for name in ("x", "n", "s")] == ["double", "int64", "string"]
    assert table["_inference_id"].to_pylist() == ["order-1", "order-1"]
    assert table["_row"].to_pylist() == [0, 1]
    assert table["_run_id"].to_pylist() == ["run1", "run1"]
    assert dataset.predicted(dataset.from_parquet(dataset.to_parquet(table))) == ["setosa", "virginica"]


def test_requests_before_the_first_known_deployment_are_of_no_model() -> None:
    line = captured.line("e1", ROWS, [0, 1], datetime(2026, 3, 4, tzinfo=UTC))
    [table], _ = dataset.convert(line.encode(), SERVED)
    assert table["_run_id"].to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"captureData": {"endpointIn', "is not JSON (an incomplete line?)"),
        (b"[1]", "the line is not a JSON object"),
        (b'{"eventMetadata": {}}', "has no captureData"),
        (changed(eventMetadata__eventId=None), "has no eventMetadata.eventId"),
        (changed(eventMetadata__inferenceTime="noon"), "has no eventMetadata.inferenceTime in ISO 8601"),
        (changed(captureData__endpointInput__data="%%"), "has an endpointInput that is not base64"),
        (changed(captureData__endpointInput__data=None), "has an endpointInput that is not base64"),
        (changed(captureData__endpointInput=None), "has no captureData.endpointInput"),
        (
            changed(captureData__endpointInput__observedContentType="image/png"),
            "has a request of type image/png, which is neither JSON nor CSV",
        ),
        (
            changed(captureData__endpointOutput__data=base64.b64encode(b'{"predictions": [1]}').decode()),
            "the endpoint answers with 1 predictions for 2 rows",
        ),
        (
            changed(captureData__endpointOutput__data=base64.b64encode(b'{"error_code": "BAD_REQUEST"}').decode()),
            "the endpoint answers with JSON that has no key `predictions`",
        ),
    ],
)
def test_an_unusable_line_is_named_and_spoils_no_other(line: bytes, reason: str) -> None:
    good = captured.line("e2", ROWS, [0, 1], NOON).encode()
    [table], problems = dataset.convert(b"\n".join([good, line, b"", good]), SERVED)
    assert [(each.line, each.reason) for each in problems] == [(2, reason)]
    assert table.num_rows == 4


def test_csv_that_was_captured_as_text_is_read_by_its_header() -> None:
    event = json.loads(captured.line("e1", ROWS, [0, 1], NOON))
    event["captureData"]["endpointInput"] = {
        "observedContentType": "text/csv; charset=utf-8",
        "mode": "INPUT",
        "data": "s,x\na,1\nb,2\n",
        "encoding": "CSV",
    }
    [table], problems = dataset.convert(json.dumps(event).encode(), SERVED)
    assert not problems
    assert table.select(["x", "n", "s"]).to_pydict() == {"x": [1.0, 2.0], "n": [None, None], "s": ["a", "b"]}


def test_a_csv_field_for_an_input_of_any_type_is_missing_only_if_it_is_empty() -> None:
    request = capture.Body("text/csv", b"x,y\nNA,1\n,2\n")
    found = payload.inputs(request, Signature((ColumnSpec("x", "any"), ColumnSpec("y", "double"))))
    assert found["x"] == ['"NA"', None]


def test_a_model_without_a_signature_keeps_its_inputs_as_json() -> None:
    served = [Deployment(NOON, "run1", None, Signature())]
    [table], problems = dataset.convert(captured.line("e1", {"a": [1, "b"]}, [0, 1], NOON).encode(), served)
    assert not problems
    assert table["a"].to_pylist() == ["1", '"b"']


def test_a_column_of_the_data_sets_own_in_a_request_spoils_no_other() -> None:
    """A caller of a model without a signature must not stop its monitoring."""
    lines = [captured.line("e1", {"_time": [1]}, [0], NOON), captured.line("e2", {"a": [1]}, [0], NOON)]
    [table], problems = dataset.convert("\n".join(lines).encode(), [Deployment(NOON, "run1", None, Signature())])
    assert [each.reason for each in problems] == [
        "has a request with a column '_time', which the data set has for itself"
    ]
    assert table.num_rows == 1
    served = [Deployment(NOON, "run1", None, Signature((ColumnSpec("_time", "long"),)))]
    with pytest.raises(InputError, match="the model has an input '_time'"):
        dataset.convert(lines[0].encode(), served)


@pytest.mark.parametrize(
    ("before", "after", "first", "second"),
    [("double", "string", 1.5, "q"), ("boolean", "long", True, 3), ("object", "double", {"a": 1}, 1.5)],
)
def test_an_hour_in_which_a_column_gets_another_type_keeps_both(
    before: str, after: str, first: Any, second: Any
) -> None:
    served = [
        Deployment(NOON, "run1", None, Signature((ColumnSpec("x", before),))),
        Deployment(NOON + timedelta(minutes=30), "run2", None, Signature((ColumnSpec("x", after),))),
    ]
    lines = [
        captured.line("e1", {"x": [first]}, [0], NOON),
        captured.line("e2", {"x": [second]}, [0], NOON + timedelta(minutes=40)),
        captured.line("e3", {"x": [first]}, [0], NOON + timedelta(minutes=20)),
    ]
    tables, problems = dataset.convert("\n".join(lines).encode(), served)
    assert not problems
    assert [table["_run_id"].to_pylist() for table in tables] == [["run1", "run1"], ["run2"]]
    bounds = {"since": NOON, "until": NOON + timedelta(hours=1)}
    chosen = dataset.select(tables, run_id="run2", **bounds)
    assert chosen is not None
    assert chosen["x"].to_pylist() == [second]


def test_an_array_of_another_shape_counts_as_missing() -> None:
    """A caller must not stop the monitoring of a model that takes an array."""
    served = [Deployment(NOON, "run1", None, Signature((ColumnSpec(None, "float64", is_tensor=True, shape=(-1, 2)),)))]
    rows = [{"0": [1.5], "1": [2.5]}, {"0": [[1.0, 2.0]], "1": [[3.0]]}, {"0": [3.5], "1": [4.5]}]
    lines = "\n".join(captured.line(f"e{number}", row, [0], NOON) for number, row in enumerate(rows))
    tables, problems = dataset.convert(lines.encode(), served)
    assert not problems
    table = dataset.select(tables, run_id="run1", since=NOON, until=NOON + timedelta(hours=1))
    assert table is not None
    assert table["0"].to_pylist() == [1.5, 3.5, None]


def test_the_same_event_in_two_files_counts_once() -> None:
    [table], _ = dataset.convert(captured.line("e1", ROWS, [0, 1], NOON).encode(), SERVED)
    found = dataset.select([table, table], run_id="run1", since=NOON, until=datetime(2026, 3, 6, tzinfo=UTC))
    assert found is not None
    assert found.num_rows == 2


def test_the_folder_of_a_day_is_that_of_the_documented_layout() -> None:
    assert capture.folder("", "e", "AllTraffic", date(2026, 3, 5)) == "e/AllTraffic/2026/03/05/"


def test_a_csv_answer_with_a_field_that_is_too_long_is_unusable() -> None:
    before = csv.field_size_limit(131_072)  # Python's default, which the training raises.
    try:
        with pytest.raises(capture.LineError, match="has an answer that is not CSV"):
            payload.answers(capture.Body("text/csv", b"a" * 200_000), 1)
    finally:
        csv.field_size_limit(before)


def test_requests_whose_rows_have_names_of_their_own_are_unusable() -> None:
    """In a table, each of the 8,000 rows would have 8,000 columns: a caller could fill the memory of the monitoring."""
    request = json.dumps({"dataframe_records": [{f"c{number}": 1} for number in range(8_000)]}).encode()
    with pytest.raises(capture.LineError, match="8,000 different names of columns in 8,000 rows"):
        payload.inputs(capture.Body("application/json", request), Signature())


def test_classes_in_a_csv_answer_that_look_like_numbers_are_kept() -> None:
    answer = capture.Body("text/csv", b"0\n02134\n00501\n+49\n1.5\n7\n")
    assert payload.answers(answer, 5) == ["02134", "00501", "+49", 1.5, 7]
