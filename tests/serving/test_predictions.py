"""What a serving container answers."""

import json
import time

import httpx
import pytest

from tests.serving.models import COLUMNS, ROWS, SPLIT
from tests.serving.running import Serving

INPUTS = json.dumps({"inputs": dict(zip(COLUMNS, map(list, zip(*ROWS, strict=True)), strict=True))})
INSTANCES = json.dumps({"instances": [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]})
CSV = "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in ROWS)])


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (SPLIT, "application/json"),
        (INPUTS, "application/json"),
        (INSTANCES, "application/json"),
        (CSV, "text/csv"),
        (CSV, "text/csv; charset=utf-8"),
    ],
    ids=["dataframe_split", "inputs", "instances", "csv", "csv with charset"],
)
def test_rows_in_every_documented_format_are_predicted(serving: Serving, body: str, content_type: str) -> None:
    answer = serving.invoke(body, content_type)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": [0, 1, 2]}


def test_rows_without_a_column_are_the_callers_fault_and_the_answer_names_the_column(serving: Serving) -> None:
    rows = {"columns": COLUMNS[:3], "data": [row[:3] for row in ROWS]}
    answer = serving.invoke(json.dumps({"dataframe_split": rows}))
    assert answer.status_code == 400
    assert "Model is missing inputs ['petal width (cm)']" in answer.json()["message"]


@pytest.mark.parametrize("body", ["", "[1, 2]", "{}", '{"dataframe_split": {"columns": ["a"], "data": "no"}}'])
def test_a_body_that_is_no_table_is_the_callers_fault(serving: Serving, body: str) -> None:
    answer = serving.invoke(body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_a_content_type_that_is_not_understood_is_refused(serving: Serving) -> None:
    answer = serving.invoke("<rows/>", "application/xml")
    assert answer.status_code == 415
    assert "text/csv" in answer.text


def test_connections_are_answered_without_waiting_for_a_delayed_acknowledgement(serving: Serving) -> None:
    with httpx.Client() as client:
        seconds = []
        for _ in range(20):
            began = time.perf_counter()
            client.get(f"{serving.url}/version")
            seconds.append(time.perf_counter() - began)
    assert sorted(seconds)[10] < 0.03
