"""Unit tests of batches, streamed responses, the mapping of ids, limits and retries."""

import asyncio
import json
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils import validation

from mlflow_common.retry import Retry
from mlflow_transfer.batches import Batches
from mlflow_transfer.client import Client
from mlflow_transfer.fingerprints import copied_run_fingerprint, run_fingerprint
from mlflow_transfer.fitting import fit_experiment, fit_registered_model, fit_trace
from mlflow_transfer.limits import Limits, adapt
from mlflow_transfer.losses import Loss, loss_lines
from mlflow_transfer.records import (
    Experiment,
    ModelVersion,
    Point,
    RegisteredModel,
    Run,
    Trace,
    fingerprint,
    point_key,
    to_json,
)
from mlflow_transfer.rest_stream import BrokenError, points_of
from mlflow_transfer.rewrite import moved, rewrite_ids, rewrite_own_tags, split_tags
from mlflow_transfer.session import counted
from mlflow_transfer.sources.archive_json import trace_from_json
from mlflow_transfer.sources.database_rows import trace_from_row
from mlflow_transfer.sources.rest import RestSource
from mlflow_transfer.stores import Folder

RUN, NEW = "a" * 32, "b" * 32


def read(text: str, size: int, step: int = 7) -> list[list[Point]]:
    raw = text.encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(raw), step):
            yield raw[start : start + step]

    async def go() -> list[list[Point]]:
        return [found async for found in points_of(chunks(), size)]

    return asyncio.run(go())


def test_streams_a_long_response() -> None:
    metrics = [{"key": "lö}s[s", "value": index / 3, "timestamp": index, "step": index} for index in range(100)]
    metrics[3]["value"] = "NaN"
    del metrics[4]["step"]
    pages = read(json.dumps({"metrics": metrics}, indent=2, ensure_ascii=False), 30)
    points = [point for page in pages for point in page]
    assert [len(page) for page in pages] == [30, 30, 30, 10]
    assert math.isnan(points[3].value)
    assert (points[4].step, points[99]) == (0, Point("lö}s[s", 33.0, 99, 99))


@pytest.mark.parametrize("text", ["{}", '{"metrics": []}'])
def test_accepts_a_response_without_points(text: str) -> None:
    assert read(text, 10) == []


@pytest.mark.parametrize("text", ["", '{"metrics": [', '{"metrics": [{"key": "a", "value": 1, "timestamp": 1}, {"ke'])
def test_rejects_an_incomplete_response(text: str) -> None:
    with pytest.raises(BrokenError):
        read(text, 10)


def test_batches_respect_every_limit_of_the_server() -> None:
    batches = Batches()
    for index in range(250):
        batches.param(f"p{index}", "x" * 6000)
        batches.tag(f"t{index}", "y" * 5000)
    for index in range(3000):
        batches.point(Point("m", 1.0, index, index))
    batches.close_open()
    found = batches.take_full()
    for batch in found:
        assert len(batch) <= 1000
        assert len(batch.params) <= 100
        assert len(batch.tags) <= 100
        assert len(json.dumps(batch.body(RUN))) < 1_000_000
    assert sum(len(batch.points) for batch in found) == 3000
    assert sum(len(batch.params) for batch in found) == 250


def test_500_points_20_parameters_and_a_tag_fit_one_batch() -> None:
    batches = Batches()
    for index in range(20):
        batches.param(f"p{index}", "v")
    for index in range(500):
        batches.point(Point("m", float(index), index, index))
    batches.tag("t", "v")
    batches.close_open()
    assert len(batches.take_full()) == 1


def test_maps_only_whole_ids() -> None:
    known = {RUN: NEW, f"m-{RUN}": f"m-{NEW}"}
    text = f"runs:/{RUN}/model models:/m-{RUN} x{RUN} {RUN}0 {'c' * 32}"
    assert rewrite_ids(text, known.get) == f"runs:/{NEW}/model models:/m-{NEW} x{RUN} {RUN}0 {'c' * 32}"


def test_a_run_that_is_its_own_parent_names_its_copy() -> None:
    run = Run(RUN, "7", "r", "u", "FINISHED", 1, 2, "active", "", tags={"mlflow.parentRunId": RUN, "user": RUN})
    now, later = split_tags(run.tags, RUN, lambda _: None)
    assert now == {"user": RUN}
    assert rewrite_own_tags(later, RUN, "copy", lambda _: None) == {"mlflow.parentRunId": "copy"}
    there = replace(run, id="copy", tags={"mlflow.parentRunId": "copy"})
    assert run_fingerprint(run, {RUN: "copy"}.get) == copied_run_fingerprint(there, fingerprint(run))


def test_maps_a_version_source_below_a_moved_root_only() -> None:
    roots = {f"s3://old/1/{RUN}/artifacts": f"s3://new/7/{NEW}/artifacts"}
    known = {RUN: NEW}
    assert moved(f"s3://old/1/{RUN}/artifacts/model", roots, known.get) == f"s3://new/7/{NEW}/artifacts/model"
    assert moved(f"s3://elsewhere/{RUN}/model", roots, known.get) == f"s3://elsewhere/{RUN}/model"
    assert moved(f"runs:/{RUN}/model", roots, known.get) == f"runs:/{NEW}/model"
    assert moved("models:/other/3", roots, known.get) == "models:/other/3"


def test_nan_equals_nan_and_infinity_equals_its_stored_form() -> None:
    assert point_key(Point("m", math.nan, 1, 1)) == point_key(Point("m", float("nan"), 1, 1))
    assert point_key(Point("m", math.inf, 1, 1)) == point_key(Point("m", 1.7976931348623157e308, 1, 1))
    assert point_key(Point("m", 1, 1, 1)) == point_key(Point("m", 1.0, 1, 1))


def test_allowed_names_depend_on_the_version() -> None:
    assert not Limits.of("2.13").takes_name("a:b")
    assert Limits.of("2.16").takes_name("a:b")
    for bad in ("../x", "/x", "a//b", "a;b", "."):
        assert not Limits.of("3.0").takes_name(bad)


@pytest.mark.parametrize("name", ["a:b", "a;b", "a/b", "/x", "a//b", "../b", ".", "", "ü", "a b", "x" * 250, "x" * 251])
def test_names_are_allowed_as_mlflow_allows_them(name: str) -> None:
    def accepts(check: Callable[..., object], *values: str) -> bool:
        with suppress(MlflowException):
            check(*values)
            return True
        return False

    limits = Limits.of("3.10")
    assert limits.takes_name(name) == accepts(validation._validate_experiment_tag, name, "v")
    assert limits.takes_name(name) == accepts(validation._validate_registered_model_tag, name, "v")
    assert limits.takes_name(name) == accepts(validation._validate_trace_tag, name, "v")
    if name:  # MLflow refuses an empty alias elsewhere.
        assert limits.takes_alias(name) == accepts(validation._validate_model_alias_name, name)


@pytest.mark.parametrize("alias", ["v1", "V23", "latest", "Latest", "a b", "a:b", "x" * 256])
def test_reserved_and_impossible_aliases_are_not_allowed(alias: str) -> None:
    assert not Limits.of("2.13").takes_alias(alias)
    assert Limits.none().takes_alias(alias)


def test_tags_that_mlflow_2_13_refuses_are_left_out_of_every_kind_of_object() -> None:
    tags = {"team:owner": "a", "good": "b"}
    old, new = Limits.of("2.13"), Limits.of("3.0")
    experiment, lost = fit_experiment(Experiment("7", "e", "", tags=tags), old)
    assert (experiment.tags, [loss.place for loss in lost]) == ({"good": "b"}, ["experiment 'e' tag 'team:owner'"])
    trace, lost = fit_trace(Trace("tr-1", "7", 1, 1, "OK", tags=tags), old)
    assert (trace.tags, [loss.place for loss in lost]) == ({"good": "b"}, ["trace tr-1 tag 'team:owner'"])
    version = ModelVersion("m", 3, "", "", "", "", "None", {**tags, "card": "x" * 6000})
    model = RegisteredModel("m", "", tags, {"best": 3, "v1": 3}, [version])
    fitting, lost = fit_registered_model(model, old)
    assert (fitting.tags, fitting.versions[0].tags["card"], fitting.aliases) == ({"good": "b"}, "x" * 5000, {"best": 3})
    assert [loss.place.removeprefix("registered model 'm' ") for loss in lost] == [
        "tag 'team:owner'",
        "version 3 tag 'team:owner'",
        "version 3 tag 'card'",
        "alias 'v1'",
    ]
    assert fit_registered_model(replace(model, aliases={}), new) == (replace(model, aliases={}), [])
    assert fit_registered_model(model, Limits.none()) == (model, [])


def test_columns_that_replaced_tags_and_metadata_of_traces_are_read_as_servers_return_them() -> None:
    """MLflow 3.17 stores the name, the session, the tokens and the cost of a trace in columns of their own."""
    row = {"request_id": "tr-1", "experiment_id": 7, "timestamp_ms": 1, "execution_time_ms": 1, "status": "OK"}
    columns = {"trace_name": "ask", "session_id": "s", "input_tokens": 3, "total_tokens": 3, "total_cost": 0.5}
    tags, metadata = defaultdict[str, dict[str, str]](dict), defaultdict[str, dict[str, str]](dict)
    tags["tr-1"], metadata["tr-1"] = {"t": "v"}, {"k": "v"}
    trace = trace_from_row(cast("Any", {**row, **columns, "output_tokens": None}), tags, metadata)
    assert trace.tags == {"t": "v", "mlflow.traceName": "ask"}
    assert trace.metadata == {
        "k": "v",
        "mlflow.trace.session": "s",
        "mlflow.trace.tokenUsage": '{"input_tokens": 3, "total_tokens": 3}',
        "mlflow.trace.cost": '{"total_cost": 0.5}',
    }
    with pytest.raises(ValueError, match="whole number"):
        trace_from_row(cast("Any", {**row, "input_tokens": "many"}), tags, metadata)


def test_many_losses_that_are_alike_are_one_line() -> None:
    ids = [f"tr-{number:032x}" for number in range(5_000)]
    losses = [Loss(f"trace {one}", "its spans are elsewhere") for one in ids]
    losses += [Loss(f"run {one} param 'a'", "cut") for one in ("a" * 32, "b" * 32)]
    expected = [f"trace {ids[0]} and 4,999 others: its spans are elsewhere", f"run {'a' * 32} param 'a': cut"]
    assert loss_lines(losses) == [*expected, f"run {'b' * 32} param 'a': cut"]
    others = [Loss(f"folder {number}", "it cannot be read") for number in range(30)]
    assert loss_lines([*losses, *others])[-1] == "and 13 more"


@pytest.mark.parametrize(
    ("count", "what", "text"),
    [
        (1, "runs", "1 run"), (2000, "runs", "2,000 runs"), (1, "registered models", "1 registered model"),
        (16, "run", "16 runs"), (0, "registered_models", "0 registered models"), (1, "losses", "1 loss"),
        (1, "artifact bytes", "1 artifact byte"), (1, "run status", "1 run status"),
        (1, "registered model aliases", "1 registered model aliases"),
    ],
)  # fmt: skip
def test_one_object_is_counted_in_the_singular(count: int, what: str, text: str) -> None:
    assert counted(count, what) == text


def test_the_previews_of_a_trace_are_a_loss_for_an_older_server_and_stay_in_an_archive() -> None:
    row = {"request_id": "tr-1", "experiment_id": 7, "timestamp_ms": 1, "execution_time_ms": 2, "status": "OK"}
    fields = {"client_request_id": "mine", "request_preview": "q", "response_preview": None}
    trace = trace_from_row(cast("Any", {**row, **fields}), defaultdict(dict), defaultdict(dict))
    assert trace_from_json(json.loads(json.dumps(to_json(trace)))) == trace
    assert (trace.client_request_id, trace.request_preview, trace.response_preview) == ("mine", "q", "")
    assert fit_trace(trace, Limits.none()) == (trace, [])
    assert fit_trace(trace, Limits.of("3.10")) == (trace, [])
    for late, version in ((0, "3.0"), (1 << 60, "3.10")):
        fitting, losses = fit_trace(replace(trace, timestamp=late), Limits.of(version))
        assert fitting.own_fields == {}
        assert [(loss.place, loss.reason) for loss in losses] == [
            ("trace tr-1", "the destination's API cannot set its client_request_id, request_preview")
        ]
    fitting, losses = fit_trace(replace(trace, client_request_id="x" * 51), Limits.of("3.10"))
    assert fitting.own_fields == {"client_request_id": "x" * 50, "request_preview": "q"}
    assert [loss.place for loss in losses] == ["trace tr-1 client_request_id"]
    old = trace_from_row(cast("Any", row), defaultdict(dict), defaultdict(dict))
    assert fit_trace(old, Limits.of("3.10")) == (old, [])


def test_a_schema_that_mlflow_2_13_refuses_is_a_loss_and_the_data_set_stays() -> None:
    dataset = {"name": "rows", "digest": "1", "source_type": "local", "source": "x", "schema": "x" * 70_000}
    run = Run(RUN, "7", "r", "u", "FINISHED", 1, 2, "active", "", inputs=[{"dataset": dataset, "tags": []}])
    fitting, _, losses = adapt(run, Limits.of("2.13"))
    assert [sorted(one["dataset"]) for one in fitting.inputs] == [["digest", "name", "source", "source_type"]]
    assert [loss.reason for loss in losses] == ["its schema has 70000 characters, and the destination allows 65535"]
    assert adapt(run, Limits.of("2.16")) == (run, {}, [])


def test_waits_grow_with_jitter_and_respect_the_servers_request() -> None:
    always = Retry(random=lambda: 1.0, longest=5)
    assert [always.wait(attempt) for attempt in (1, 2, 3, 10)] == [0.2, 0.4, 0.8, 5]
    assert always.wait(1, retry_after=7) == pytest.approx(7.1)
    assert Retry(random=lambda: 0.0).wait(9) == 0


def test_reads_all_pages_of_a_history() -> None:
    tokens: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        token = request.url.params.get("page_token", "")
        tokens.append(token)
        step = len(tokens)
        more = {'a"': {}, "": {"next_page_token": 'a"'}}[token]
        point = {"key": "loss", "value": 1.0, "timestamp": step, "step": step}
        return httpx.Response(200, json={"metrics": [point], **more})

    async def go() -> list[int]:
        client = Client("paged", "http://paged", transport=httpx.MockTransport(answer))
        source = RestSource(client, "3.0", lambda uri: Folder(Path(uri)), "paged")
        found = [point.step async for chunk in source.history("r", "loss") for point in chunk]
        await source.close()
        return found

    assert asyncio.run(go()) == [1, 2]
    assert tokens == ["", 'a"']


def test_reads_histories_of_mlflow_3_10_which_returns_nothing_without_the_number_of_points() -> None:
    point = {"key": "loss", "value": 1.0, "timestamp": 1, "step": 3}

    def answer(request: httpx.Request) -> httpx.Response:
        if "bulk" in request.url.path:
            return httpx.Response(404, json={"error_code": "ENDPOINT_NOT_FOUND", "message": "no"})
        if int(request.url.params.get("max_results", 0)) > 0:
            return httpx.Response(200, json={"metrics": [point]})
        if request.url.params.get("page_token"):
            return httpx.Response(400, json={"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid page token"})
        return httpx.Response(200, json={"next_page_token": "offset 0"})

    async def go() -> list[list[int]]:
        client = Client("paged", "http://paged", transport=httpx.MockTransport(answer))
        source = RestSource(client, "3.10.1", lambda uri: Folder(Path(uri)), "paged")
        run = Run(RUN, "7", "r", "u", "FINISHED", 1, 2, "active", "", latest={"loss": Point("loss", 1.0, 1, 3)})
        of_runs = [history async for _, history in source.histories([run])]
        histories = [source.history(RUN, "loss"), *of_runs]
        found = [[point.step async for chunk in history for point in chunk] for history in histories]
        await source.close()
        return found

    assert asyncio.run(go()) == [[3], [3]]
