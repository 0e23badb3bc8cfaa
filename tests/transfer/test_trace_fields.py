"""The client's request id and the previews of traces, which only the API of MLflow 3 sets."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import httpx

from mlflow_transfer.client import Client
from mlflow_transfer.context import CopyContext
from mlflow_transfer.copiers.traces import TraceCopier
from mlflow_transfer.destination import Destination
from mlflow_transfer.limits import Limits
from mlflow_transfer.links import Kind, Link, Links
from mlflow_transfer.options import Options
from mlflow_transfer.records import SOURCE_ID, Experiment, Trace
from mlflow_transfer.sources.rest import RestSource
from tests.transfer.moving import places


def copied(trace: Trace, version: str, link: Link | None = None) -> list[tuple[str, Any]]:
    """The calls of a copy of this trace: their paths and bodies."""
    calls: list[tuple[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        calls.append((f"{request.method} {request.url.path}", body))
        if "trace" in body:
            return httpx.Response(200, json=body)
        old = {"request_id": "tr-new", "experiment_id": "9", "tags": body.get("tags", [])}
        return httpx.Response(200, json={"trace_info": old})

    async def traces(_: str) -> Any:
        yield [trace]

    async def revive(_: str) -> str:
        return "9"

    links = Links.temporary()
    if link is not None:
        links.put(Kind.TRACE, link)
    client = Client("there", "http://there", transport=httpx.MockTransport(answer))
    source = SimpleNamespace(losses=list, traces=traces)
    checkpoint, progress = SimpleNamespace(links=links), SimpleNamespace(total=print, advance=print)
    there = Destination(RestSource(client, version, places().store, "there"))
    parts: list[Any] = [source, there, checkpoint, Options(), progress, Limits.of(version), None]

    async def files(_: object) -> None:
        pass

    others: list[Any] = [SimpleNamespace(revive=revive), SimpleNamespace(copy=files)]
    others.append(SimpleNamespace(lacks_trace=lambda _: True))
    asyncio.run(TraceCopier(CopyContext(*parts), *others).copy(Experiment("1", "e", "")))
    return calls


def traced(**given: Any) -> Trace:
    return Trace("tr-1", "1", 1_700_000_000_123, 5, "OK", {"k": "v"}, {"t": "1"}, **given)


def test_the_newer_api_creates_a_trace_with_its_fields_and_the_older_one_ends_it() -> None:
    (start, body), (end, _) = copied(traced(client_request_id="mine", request_preview="q"), "3.10.1")
    info = body["trace"]["trace_info"]
    assert start == "POST /api/3.0/mlflow/traces"
    assert end == f"PATCH /api/2.0/mlflow/traces/{info.pop('trace_id')}"
    assert info == {
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "9"}},
        "request_time": "2023-11-14T22:13:20.123+00:00",
        "state": "IN_PROGRESS",
        "trace_metadata": {"k": "v"},
        "tags": {"t": "1", SOURCE_ID: "tr-1"},
        "client_request_id": "mine",
        "request_preview": "q",
    }


def test_a_trace_without_such_fields_and_an_older_server_need_the_older_api() -> None:
    for given, version in (({}, "3.10.1"), ({"request_preview": "q"}, "3.0.1")):
        calls = [call for call, _ in copied(traced(**given), version)]
        assert calls == ["POST /api/2.0/mlflow/traces", "PATCH /api/2.0/mlflow/traces/tr-new"]


def test_a_copy_in_progress_is_created_again_with_the_fields_that_its_trace_got_since() -> None:
    link = Link("tr-1", "tr-old", "", "s3://b/t")
    calls = copied(traced(request_preview="q"), "3.10.1", link)
    assert calls[0] == (
        "POST /api/2.0/mlflow/traces/delete-traces",
        {"experiment_id": "9", "request_ids": ["tr-old"]},
    )
    assert [call for call, _ in calls[1:2]] == ["POST /api/3.0/mlflow/traces"]
    assert [call for call, _ in copied(traced(), "3.10.1", link)] == ["PATCH /api/2.0/mlflow/traces/tr-old"]
