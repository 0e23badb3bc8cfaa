"""The fast path of a serving container returns the same status and body as MLflow for every request."""

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_serving.application import Application, FastApplication, make_batcher
from mlflow_serving.batching import Batcher, is_row_wise, split
from mlflow_serving.model import predictor
from mlflow_serving.tables import TableReader
from tests.support.properties import examples

NAMES = ["age", "visits", "level", "member", "country"]
JSON, CSV = "application/json", "text/csv"


class Pair:
    """MLflow's application and the fast application for the same model."""

    def __init__(self, folder: Path) -> None:
        from mlflow.pyfunc import load_model, scoring_server

        self.model = load_model(str(folder))
        self.mlflow: Application = scoring_server.init(self.model)
        reader = TableReader.of(self.model.metadata)
        assert reader is not None
        predict, reason = predictor(self.model, reader, batching=True)
        assert predict is not None, reason
        self.predicted: list[int] = []

        def counted(frame: pd.DataFrame) -> Any:
            self.predicted.append(len(frame))
            return predict(frame)

        self.batcher = make_batcher(counted, reader)
        self.fast = FastApplication(self.mlflow, self.batcher, timeout=60)

    async def both(self, body: bytes, content_type: str) -> tuple[httpx.Response, httpx.Response]:
        """The responses of MLflow and of the fast application."""
        one = await _post(self.mlflow, body, content_type)
        return one, await _post(self.fast, body, content_type)


async def _post(application: Application, body: bytes, content_type: str) -> httpx.Response:
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
        return await client.post("/invocations", content=body, headers={"content-type": content_type})


def _same(one: httpx.Response, other: httpx.Response) -> bool:
    return (one.status_code, one.headers["content-type"], one.content) == (
        other.status_code,
        other.headers["content-type"],
        other.content,
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pipeline over columns of every type that the fast path reads."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = pd.DataFrame(
        {
            "age": [20.5, 31.0, 42.25, 53.0],
            "visits": [1, 2, 3, 4],
            "level": np.array([1, 2, 1, 2], np.int32),
            "member": [True, False, True, False],
            "country": ["us", "de", "NA", "us"],
        }
    )
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["country"]), remainder="passthrough")
    model = make_pipeline(columns, RandomForestClassifier(5, random_state=0)).fit(rows, ["a", "b", "a", "b"])
    folder = tmp_path_factory.mktemp("mixed") / "model"
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(rows, model.predict(rows)),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    made = Pair(folder)
    yield made
    made.batcher.close()


ROW = {"age": 20.5, "visits": 3, "level": 1, "member": True, "country": "us"}
ROWS = [ROW, {**ROW, "age": 53, "member": False, "country": "fr"}]


def _split(rows: list[dict[str, Any]], names: list[str] | None = None) -> dict[str, Any]:
    names = names or NAMES
    return {"dataframe_split": {"columns": names, "data": [[row.get(name) for name in names] for row in rows]}}


VALID = {
    "split": _split(ROWS),
    "split in another order": _split(ROWS, NAMES[::-1]),
    "records": {"dataframe_records": ROWS},
}
INVALID_OR_UNUSUAL = {
    "an extra column": {"dataframe_records": [{**ROW, "extra": 1}]},
    "a missing column": {"dataframe_records": [{"age": 1.0}]},
    "an integer in a float column beyond 2^53": {"dataframe_records": [{**ROW, "age": 2**60 + 1}]},
    "a float in an integer column": {"dataframe_records": [{**ROW, "visits": 1.5}]},
    "an integer beyond 32 bits": {"dataframe_records": [{**ROW, "level": 2**31}]},
    "an integer beyond 64 bits": {"dataframe_records": [{**ROW, "visits": 2**64}]},
    "null in a float column": {"dataframe_records": [{**ROW, "age": None}]},
    "null in a string column": {"dataframe_records": [{**ROW, "country": None}]},
    "text in a float column": {"dataframe_records": [{**ROW, "age": "20.5"}]},
    "a number in a boolean column": {"dataframe_records": [{**ROW, "member": 1}]},
    "a boolean in an integer column": {"dataframe_records": [{**ROW, "visits": True}]},
    "a number in a string column": {"dataframe_records": [{**ROW, "country": 5}]},
    "no rows": {"dataframe_records": []},
    "rows of different lengths": {"dataframe_split": {"columns": NAMES, "data": [[1.0, 2], [1.0]]}},
    "an index": {"dataframe_split": {**_split(ROWS)["dataframe_split"], "index": [5, 6]}},
    "a column twice": {"dataframe_split": {"columns": [*NAMES[:4], "age"], "data": [[1.0, 2, 1, True, 1.0]]}},
    "params": {**_split(ROWS), "params": {"a": 1}},
    "two forms": {**_split(ROWS), "dataframe_records": ROWS},
    "instances": {"instances": ROWS},
    "inputs": {"inputs": {name: [row[name] for row in ROWS] for name in NAMES}},
    "inputs without a list": {"inputs": ROW},
    "a list": [ROW],
    "nothing": {},
    "an unknown form": {"rows": ROWS},
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID)
def test_a_plain_table_is_answered_by_the_fast_path_with_mlflows_body(pair: Pair, body: object) -> None:
    before = len(pair.predicted)
    one, other = asyncio.run(pair.both(json.dumps(body).encode(), JSON))
    assert one.status_code == 200, one.text
    assert _same(one, other)
    assert len(pair.predicted) == before + 1


@pytest.mark.parametrize("body", INVALID_OR_UNUSUAL.values(), ids=INVALID_OR_UNUSUAL)
def test_every_other_table_gets_mlflows_status_and_body(pair: Pair, body: object) -> None:
    one, other = asyncio.run(pair.both(json.dumps(body).encode(), JSON))
    assert (one.status_code, one.content) == (other.status_code, other.content)


@pytest.mark.parametrize(
    "content_type",
    [
        *(JSON, CSV, f"{JSON}; charset=utf-8", f"{CSV};charset=latin-1", "text/xml", ""),
        *(f"{JSON};", f"{JSON}; Charset=UTF-8", f"{CSV}; charset=UTF-8;", f"{CSV}; header=present"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        json.dumps(VALID["split"]).encode(),
        b"age,visits,level,member,country\n20.5,1,1,True,us\n",
        b"age,visits,level,member,country\n20.5,1,1,True,NA\n,1,1,True,us\n",
        b"age,visits,level,member,country\n20.5,x,1,True,us\n",
        b"age,visits,level,member,country\n",
        b"country,age,visits,level,member\nus,20.5,1,1,False\n",
        b"age;visits\n1;2\n",
        json.dumps({"dataframe_records": [{**ROW, "age": float("nan")}]}).encode(),
        json.dumps({"dataframe_records": [{**ROW, "age": float("inf")}]}).encode(),
        json.dumps(VALID["split"]).encode("utf-8-sig"),
        json.dumps(VALID["split"]).encode("utf-16"),
    ],
)
def test_bodies_and_content_types_of_all_kinds_get_mlflows_response(pair: Pair, body: bytes, content_type: str) -> None:
    one, other = asyncio.run(pair.both(body, content_type))
    assert (one.status_code, one.content) == (other.status_code, other.content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_json_in_another_encoding_is_left_to_mlflow(pair: Pair, encoding: str) -> None:
    """Versions of MLflow differ in what they accept."""
    reader = TableReader.of(pair.model.metadata)
    assert reader is not None
    body = json.dumps(VALID["split"])
    assert reader.read(body.encode(), JSON) is not None
    assert reader.read(body.encode(encoding), JSON) is None


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)
ANY_ROW = st.fixed_dictionaries(
    {
        "age": st.floats(-100, 100) | VALUES,
        "visits": st.integers(0, 9) | VALUES,
        "level": st.integers(0, 9) | VALUES,
        "member": st.booleans() | VALUES,
        "country": st.sampled_from(["us", "de", "NA", ""]) | VALUES,
    }
)

FORMS = st.sampled_from(["split", "records", "inputs", "instances"])


@examples(150)
@given(
    rows=st.lists(ANY_ROW, min_size=1, max_size=3), form=st.sampled_from(["split", "records", "inputs", "instances"])
)
def test_arbitrary_values_get_mlflows_response(pair: Pair, rows: list[dict[str, Any]], form: str) -> None:
    bodies: dict[str, Callable[[], object]] = {
        "split": lambda: _split(rows),
        "records": lambda: {"dataframe_records": rows},
        "instances": lambda: {"instances": rows},
        "inputs": lambda: {"inputs": {name: [row[name] for row in rows] for name in NAMES}},
    }
    one, other = asyncio.run(pair.both(json.dumps(bodies[form]()).encode(), JSON))
    assert (one.status_code, one.content) == (other.status_code, other.content)


def test_waiting_requests_are_predicted_together_and_each_gets_its_own_response(pair: Pair) -> None:
    bodies = [json.dumps(_split([{**ROW, "age": age, "member": age % 2 == 0}])).encode() for age in range(40)]
    bodies[7] = json.dumps({"dataframe_records": [{"age": 1.0}]}).encode()

    async def all_of(application: Application) -> list[httpx.Response]:
        return await asyncio.gather(*(_post(application, body, JSON) for body in bodies))

    before = len(pair.predicted)
    answers = asyncio.run(all_of(pair.fast))
    calls = pair.predicted[before:]
    assert sum(calls) == 39
    assert len(calls) < 39
    assert [answer.status_code for answer in answers].count(400) == 1
    for one, other in zip(asyncio.run(all_of(pair.mlflow)), answers, strict=True):
        assert (one.status_code, one.content) == (other.status_code, other.content)


def test_an_error_in_one_request_does_not_affect_the_others_in_its_batch() -> None:
    started = threading.Event()

    def predict(frame: pd.DataFrame) -> Any:
        started.wait(60)
        if (frame["x"] < 0).any():
            raise ValueError("negative")
        return frame["x"].to_numpy() * 2

    batcher = Batcher(predict)
    answers = [batcher.submit(pd.DataFrame({"x": [value]})) for value in (1, -1, 3)]
    started.set()
    assert answers[0].result(60).tolist() == [2]
    with pytest.raises(ValueError, match="negative"):
        answers[1].result(60)
    assert answers[2].result(60).tolist() == [6]
    batcher.close()


def test_a_model_that_ends_the_program_does_not_end_the_predictions() -> None:
    def predict(frame: pd.DataFrame) -> Any:
        return sys.exit(3) if frame["x"].iloc[0] < 0 else frame["x"].to_numpy()

    batcher = Batcher(predict)
    with pytest.raises(RuntimeError, match=r"the model called sys.exit\(3\)"):
        batcher.submit(pd.DataFrame({"x": [-1]})).result(60)
    assert batcher.submit(pd.DataFrame({"x": [4]})).result(60).tolist() == [4]
    batcher.close()


def test_tables_with_other_columns_or_types_are_not_joined() -> None:
    seen: list[int] = []
    ready = threading.Event()

    def predict(frame: pd.DataFrame) -> Any:
        ready.wait(60)
        seen.append(len(frame))
        return frame.iloc[:, 0].to_numpy()

    batcher = Batcher(predict)
    frames = [pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [2]}), pd.DataFrame({"x": [0.5]}), pd.DataFrame({"y": [1]})]
    answers = [batcher.submit(frame) for frame in frames]
    ready.set()
    assert [answer.result(60).tolist() for answer in answers] == [[1], [2], [0.5], [1]]
    assert sum(seen) == 4
    assert max(seen) <= 2
    batcher.close()


def test_a_batch_has_at_most_the_given_number_of_rows() -> None:
    seen: list[int] = []
    ready = threading.Event()

    def predict(frame: pd.DataFrame) -> Any:
        ready.wait(60)
        seen.append(len(frame))
        return frame["x"].to_numpy()

    batcher = Batcher(predict, max_rows=10)
    answers = [batcher.submit(pd.DataFrame({"x": range(4)})) for _ in range(5)]
    answers.append(batcher.submit(pd.DataFrame({"x": range(25)})))
    ready.set()
    assert [len(answer.result(60)) for answer in answers] == [4, 4, 4, 4, 4, 25]
    assert max(count for count in seen if count != 25) <= 10
    batcher.close()


def test_a_model_that_uses_its_whole_input_is_not_row_wise() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 4.0]})
    assert is_row_wise(lambda rows: rows["x"].to_numpy() * 2, frame)
    assert not is_row_wise(lambda rows: (rows["x"] - rows["x"].mean()).to_numpy(), frame)
    assert not is_row_wise(lambda rows: [rows["x"].sum()], frame)
    assert not is_row_wise(lambda rows: {"sum": rows["x"].sum()}, frame)


@pytest.mark.parametrize("kind", [np.array, list, pd.Series, pd.DataFrame], ids=["array", "list", "series", "frame"])
def test_predictions_are_split_by_the_rows_of_each_request(kind: Callable[[list[int]], Any]) -> None:
    parts = split(kind([1, 2, 3]), [2, 1])
    assert [np.asarray(part).ravel().tolist() for part in parts] == [[1, 2], [3]]
