"""A destination that fails at one object only: the object is a loss, and everything else is copied."""

import asyncio
from collections.abc import Awaitable, Callable
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
from mlflow_transfer.records import Point
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
