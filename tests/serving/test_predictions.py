"""The responses of a serving container."""

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
def test_every_documented_input_format_is_predicted(serving: Serving, body: str, content_type: str) -> None:
    answer = serving.invoke(body, content_type)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": [0, 1, 2]}


def test_a_missing_column_is_status_400_and_is_named(serving: Serving) -> None:
    rows = {"columns": COLUMNS[:3], "data": [row[:3] for row in ROWS]}
    answer = serving.invoke(json.dumps({"dataframe_split": rows}))
    assert answer.status_code == 400
    assert "Model is missing inputs ['petal width (cm)']" in answer.json()["message"]


@pytest.mark.parametrize("body", ["", "[1, 2]", "{}", '{"dataframe_split": {"columns": ["a"], "data": "no"}}'])
def test_a_malformed_body_is_status_400(serving: Serving, body: str) -> None:
    answer = serving.invoke(body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_an_unknown_content_type_is_status_415(serving: Serving) -> None:
    answer = serving.invoke("<rows/>", "application/xml")
    assert answer.status_code == 415
    assert "text/csv" in answer.text


def test_responses_do_not_wait_for_delayed_acknowledgements(serving: Serving) -> None:
    with httpx.Client() as client:
        seconds = []
        for _ in range(20):
            began = time.perf_counter()
            client.get(f"{serving.url}/version")
            seconds.append(time.perf_counter() - began)
    assert sorted(seconds)[10] < 0.03
