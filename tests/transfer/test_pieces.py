"""Unit tests of batches, streamed responses, the mapping of ids, limits and retries."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from mlflow_common.retry import Retry
from mlflow_transfer.batches import Batches
from mlflow_transfer.client import Client
from mlflow_transfer.limits import Limits
from mlflow_transfer.records import Point, point_key
from mlflow_transfer.rest_stream import BrokenError, points_of
from mlflow_transfer.rewrite import moved, rewrite_ids
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
