"""A destination that fails at one object only: the object is a loss, and everything else is copied."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from mlflow_common.errors import PlatformError
from mlflow_common.retry import Retry
from mlflow_transfer.batches import Batches
from mlflow_transfer.client import Client
from mlflow_transfer.context import CopyContext
from mlflow_transfer.destination import Destination
from mlflow_transfer.records import Experiment, LoggedModel, ModelVersion, Point, Trace
from mlflow_transfer.sources.rest import RestSource
from tests.transfer.moving import places
from tests.transfer.test_refused_content import run_with

API = "/api/2.0/mlflow/"


def batch() -> Any:
    batches = Batches()
    batches.point(Point("a", 1.0, 1, 0))
    batches.close_open()
    return batches.take_full()[0]


def failing(*calls: str) -> Destination:
    """A destination that fails at these calls, and has no runs."""

    def answer(request: httpx.Request) -> httpx.Response:
        call = request.url.path.removeprefix(API)
        if not calls or call in calls:
            return httpx.Response(500, json={"error_code": "INTERNAL_ERROR", "message": "struck"})
        if call == "runs/delete-tag":
            return httpx.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"})
        return httpx.Response(200, json={"metrics": []} if "history" in call else {})

    retry = Retry(attempts=2, longest=0.001)
    client = Client("there", "http://there", transport=httpx.MockTransport(answer), retry=retry)
    return Destination(RestSource(client, "3.0", places().store, "there"))


CALLS: dict[str, Callable[[Destination], Awaitable[object]]] = {
    "runs/create": lambda there: there.runs.create(run_with(), "1", {}),
    "runs/log-batch": lambda there: there.runs.log("r", batch()),
    "registered-models/alias": lambda there: there.registry.set_alias("m", "best", 1),
}


def copied(call: str, *failures: str) -> tuple[bool, list[tuple[str, str]]]:
    async def go() -> tuple[bool, list[tuple[str, str]]]:
        there = failing(*failures)
        parts: list[Any] = [SimpleNamespace(losses=list), there, *[None] * 5]
        context = CopyContext(*parts)
        done = await context.unless_refused("object", CALLS[call](there))
        return done, [(loss.place, loss.reason) for loss in context.summary.losses]

    return asyncio.run(go())


@pytest.mark.parametrize("call", CALLS)
def test_an_object_at_which_the_destination_fails_is_a_loss(call: str) -> None:
    done, ((place, reason),) = copied(call, call)
    assert (done, place) == (False, "object")
    assert reason.endswith(": answers 500 (struck)")


@pytest.mark.parametrize("call", CALLS)
def test_a_destination_that_fails_at_everything_ends_the_copy(call: str) -> None:
    with pytest.raises(PlatformError, match=r"there .*answers 500 \(struck\)$"):
        copied(call)


def test_a_destination_that_accepts_everything_and_stores_nothing_ends_the_copy() -> None:
    async def go() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json={}))
        client = Client("there", "http://there", transport=transport, retry=Retry(attempts=2, longest=0.001))
        there = Destination(RestSource(client, "3.0", places().store, "there"))
        parts: list[Any] = [SimpleNamespace(losses=list), there, *[None] * 5]
        await CopyContext(*parts).unless_refused("object", CALLS["runs/create"](there))

    with pytest.raises(PlatformError, match=r"there .* none of MLflow \(it has no 'run'\)$"):
        asyncio.run(go())


VERSION = ModelVersion("m", 1, "s", "", "", "", "None")
READS: dict[str, Callable[[Destination], Awaitable[object]]] = {
    "runs/get": lambda there: there.runs.get("r"),
    "runs/search": lambda there: there.runs.find("1", "r"),
    "runs/create": CALLS["runs/create"],
    "experiments/create": lambda there: there.experiments.create(Experiment("1", "e", ""), ""),
    "experiments/get": lambda there: there.experiments.get("1"),
    "logged-models": lambda there: there.models.create(LoggedModel("m", "1", "m", "", "READY", "", ""), "1", "", {}),
    "logged-models/m": lambda there: there.models.get("m"),
    "model-versions/create": lambda there: there.registry.create_version(VERSION, {}, ""),
    "traces": lambda there: there.traces.create(Trace("t", "1", 1, 1, "OK"), "1", {}),
    "traces of MLflow 3": lambda there: there.traces.create(Trace("t", "1", 1, 1, "OK", request_preview="q"), "1", {}),
    "traces/t/info": lambda there: there.traces.get("t"),
}
ODD: list[Any] = [None, "x", [], {}, {"info": None}, {"info": {}}, {"version": "x"}, [None], [{}]]
NAMES = (
    "run",
    "runs",
    "experiment",
    "experiment_id",
    "model",
    "models",
    "model_version",
    "trace_info",
    "trace",
    "traces",
)


@pytest.mark.parametrize("call", READS)
def test_no_answer_of_a_destination_causes_a_traceback(call: str) -> None:
    async def go(answer: dict[str, Any]) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
        client = Client("there", "http://there", transport=transport, retry=Retry(attempts=1, longest=0.001))
        with suppress(PlatformError):
            await READS[call](Destination(RestSource(client, "3.10", places().store, "there")))

    asyncio.run(go({}))
    for odd in ODD:
        asyncio.run(go(dict.fromkeys(NAMES, odd)))
