"""Servers and databases with arbitrary content: whatever they hold, reading them ends with records and named losses."""

import asyncio
import contextlib
import json
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_common.errors import PlatformError
from mlflow_common.retry import Retry
from mlflow_transfer.client import Client
from mlflow_transfer.sources.rest import RestSource
from tests.support.properties import examples
from tests.transfer.moving import places
from tests.transfer.test_unreadable_file_stores import everything

RUN, OTHER = "a" * 32, "b" * 32
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
QUICK = Retry(attempts=1, patience=0.0)


def run(run_id: str) -> dict[str, Any]:
    point = {"key": "loss", "value": 0.5, "timestamp": 1, "step": 1}
    info = {
        "run_id": run_id, "experiment_id": "1", "run_name": "r", "status": "FINISHED", "start_time": 1, "end_time": 2,
        "lifecycle_stage": "active", "artifact_uri": "s3://b/a",
    }  # fmt: skip
    data = {"metrics": [point], "params": [{"key": "p", "value": "v"}], "tags": [{"key": "t", "value": "v"}]}
    dataset = {"name": "d", "digest": "x", "source_type": "local", "source": "s"}
    inputs = {"dataset_inputs": [{"tags": [{"key": "k", "value": "v"}], "dataset": dataset}]}
    outputs = {"model_outputs": [{"model_id": "m-1", "step": 0}]}
    return {"info": info, "data": data, "inputs": inputs, "outputs": outputs}


def answers() -> dict[str, Any]:
    """A well-formed answer to each call."""
    key = {"key": "k", "value": "v"}
    point = {"key": "loss", "value": 0.5, "timestamp": 1, "step": 1}
    return {
        "experiments/search": {"experiments": [{"experiment_id": "1", "name": "one", "tags": [key]}]},
        "runs/search": {"runs": [run(RUN), run(OTHER)]},
        "runs/get": {"run": run(RUN)},
        "metrics/get-history-bulk": {"metrics": [{**point, "run_id": RUN}, {**point, "run_id": OTHER}]},
        "metrics/get-history": {"metrics": [point]},
        "logged-models/search": {
            "models": [
                {
                    "info": {"model_id": "m-1", "experiment_id": "1", "name": "m", "tags": [key]},
                    "data": {"metrics": [{**point, "run_id": RUN}], "params": [key]},
                }
            ]
        },
        "traces": {
            "traces": [
                {"request_id": "t", "experiment_id": "1", "timestamp_ms": 1, "status": "OK", "request_metadata": [key]}
            ]
        },
        "registered-models/search": {
            "registered_models": [{"name": "reg", "tags": [key], "aliases": [{"alias": "best", "version": "1"}]}]
        },
        "model-versions/search": {"model_versions": [{"name": "reg", "version": "1", "tags": [key]}]},
    }


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, as the keys that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places_in(one, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with another one at a place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


PLACES = [(call, place) for call, answer in answers().items() for place in places_in(answer)]


def is_value(call: str, place: tuple[Any, ...]) -> bool:
    """Whether a place has a value that decides nothing about what else there is: no container, and no id."""
    found: Any = answers()[call]
    for key in place:
        found = found[key]
    return not isinstance(found, dict | list) and not str(place[-1]).endswith("_id")


def read(given: dict[str, Any], version: str = "3.0.1") -> tuple[dict[str, Any], list[str]]:
    """Everything that a server with these answers holds, and the losses."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = given.get(request.url.path.partition("/mlflow/")[2])
        if callable(found):
            found = found()
        if isinstance(found, int):
            return httpx.Response(found, content=b"{}")
        return httpx.Response(200, content=json.dumps(found).encode("utf-8", "surrogatepass"))

    async def work() -> tuple[dict[str, Any], list[str]]:
        client = Client("server", "http://server", retry=QUICK, transport=httpx.MockTransport(answer))
        source = RestSource(client, version, places().store, "server")
        source.listing.lenient = True
        try:
            found = await everything(source)
        finally:
            await source.close()
        return found, [f"{loss.place}: {loss.reason}" for loss in source.losses()]

    return asyncio.run(work())


def test_reads_a_whole_server_without_losses() -> None:
    found, losses = read(answers())
    assert losses == []
    assert set(found["runs"]) == {RUN, OTHER}
    assert {run_id: len(points) for run_id, points in found["points"].items()} == {RUN: 1, OTHER: 1}


def objects(found: dict[str, Any]) -> int:
    """The number of objects and points."""
    points = sum(map(len, found["points"].values()))
    versions = sum(len(model["versions"]) for model in found["registered"])
    return points + versions + sum(map(len, found.values()))


WHOLE = objects(read(answers())[0])


@examples(100)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=2))
def test_no_answer_of_a_server_causes_a_traceback(changes: list[tuple[tuple[str, tuple[Any, ...]], Any]]) -> None:
    given_answers = answers()
    for (call, place), value in changes:
        try:
            given_answers[call] = changed(given_answers[call], place, value)
        except (LookupError, TypeError, ValueError):
            continue  # The first change has removed this place.
    # An error is one line. Any other exception fails the test.
    with contextlib.suppress(PlatformError):
        found, losses = read(given_answers)
        assert losses or objects(found) >= WHOLE or not all(is_value(*place) for place, _ in changes)


def test_empty_pages_without_end_are_a_loss() -> None:
    tokens = count()
    endless = {"traces": lambda: {"traces": [], "next_page_token": str(next(tokens))}}
    found, losses = read(answers() | endless)
    assert [loss for loss in losses if "empty pages one after another" in loss]
    assert set(found["runs"]) == {RUN, OTHER}


def test_null_for_a_field_that_is_not_set_is_its_default() -> None:
    (version,) = answers()["model-versions/search"]["model_versions"]
    given_answers = answers() | {"model-versions/search": {"model_versions": [version | {"description": None}]}}
    found, losses = read(given_answers)
    assert losses == []
    assert found["registered"][0]["versions"][0]["description"] == ""


@pytest.mark.parametrize(
    "given_answers",
    [{"metrics/get-history-bulk": {}}, {"metrics/get-history-bulk": {"metrics": None}, "metrics/get-history": {}}],
    ids=["bulk", "one by one"],
)
def test_a_metric_that_the_server_lists_without_a_point_is_a_loss(given_answers: dict[str, Any]) -> None:
    _, losses = read(answers() | given_answers)
    assert losses == [
        f"run {run_id} metric 'loss': the server lists it and returns no point of it" for run_id in (RUN, OTHER)
    ]


@pytest.mark.parametrize("call", sorted(answers().keys() - {"experiments/search", "runs/get"}))
def test_an_object_without_the_list_is_a_loss(call: str) -> None:
    gateway = {call: {"message": "session expired"}}
    if call == "metrics/get-history":
        gateway["metrics/get-history-bulk"] = {"metrics": None}
    _, losses = read(answers() | gateway)
    assert losses


def test_a_listing_of_experiments_that_is_none_is_an_error() -> None:
    with pytest.raises(PlatformError, match="the response has no experiments, but 'message'"):
        read(answers() | {"experiments/search": {"message": "session expired"}})


def test_an_object_of_another_experiment_is_a_loss() -> None:
    given_answers = answers()
    for call, place in (
        ("runs/search", ("runs", 0, "info", "experiment_id")),
        ("logged-models/search", ("models", 0, "info", "experiment_id")),
        ("traces", ("traces", 0, "experiment_id")),
    ):
        given_answers[call] = changed(given_answers[call], place, "2")
    found, losses = read(given_answers)
    assert len([loss for loss in losses if "it belongs to the experiment '2'" in loss]) == 3
    assert (set(found["runs"]), found["models"], found["traces"]) == ({OTHER}, [], [])


TRACE = {
    "trace_id": "tr-1",
    "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}},
    "request_time": "2026-11-30T20:40:31.829Z",
    "execution_duration": "1.500s",
    "state": "STATE_UNSPECIFIED",
    "trace_metadata": {"k": "v"},
    "tags": {"mlflow.artifactLocation": "s3://b/t", "t": "v"},
    "request_preview": "q",
}


def test_traces_of_mlflow_3_are_read_with_their_previews() -> None:
    found, losses = read(answers() | {"traces/search": {"traces": [TRACE, TRACE | {"assessments": [{}]}]}}, "3.10.1")
    assert losses == ["assessments of trace tr-1: assessments of traces are not transferred"]
    trace, other = found["traces"]
    assert trace == other
    assert (trace["timestamp"], trace["duration"], trace["status"]) == (1796071231829, 1500, "TRACE_STATUS_UNSPECIFIED")
    assert (trace["tags"], trace["metadata"], trace["artifact_uri"]) == ({"t": "v"}, {"k": "v"}, "s3://b/t")
    assert (trace["client_request_id"], trace["request_preview"], trace["response_preview"]) == ("", "q", "")


def test_a_text_of_a_trace_that_a_server_may_have_cut_is_a_loss() -> None:
    """MLflow's servers return at most 250 characters of metadata, and 4,096 of a tag."""
    metadata = {"cut": "x" * 250, "short": "x" * 249, "cut by the client": "x" * 247 + "..."}
    cut = TRACE | {"trace_metadata": metadata, "tags": {"cut": "x" * 4096, "short": "x" * 250}}
    losses = read(answers() | {"traces/search": {"traces": [cut]}}, "3.10.1")[1]
    assert [loss.partition(":")[0] for loss in losses] == ["trace tr-1 tag 'cut'", "trace tr-1 metadata 'cut'"]


@pytest.mark.parametrize(("status", "lost"), [(404, 0), (403, 1), (400, 1), (500, 1)])
def test_a_server_that_refuses_the_newer_api_shows_its_traces_without_previews(status: int, lost: int) -> None:
    found, losses = read(answers() | {"traces/search": status}, "3.10.1")
    assert (len(found["traces"]), len(losses)) == (1, lost)
    assert all(loss.startswith("client request ids, previews and assessments of traces: ") for loss in losses)


@pytest.mark.parametrize("place", places_in(TRACE), ids=str)
def test_a_malformed_trace_of_mlflow_3_is_read_or_a_loss(place: tuple[Any, ...]) -> None:
    for value in (None, "", "x", -1, [], {}, {"a": 1}, "\ud800"):
        changed_trace = changed(TRACE, place, value)
        found, losses = read(answers() | {"traces/search": {"traces": [changed_trace]}}, "3.10.1")
        assert len(found["traces"]) + len(losses) >= 1
