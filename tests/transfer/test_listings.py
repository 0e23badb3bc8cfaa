"""A copy does not list again what its plan listed, and the kept listings have a limited size."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, cast

from mlflow_transfer.listings import Listings
from mlflow_transfer.records import Run


class Pages:
    """Experiments with two pages of two runs each. Counts how often each was listed."""

    def __init__(self) -> None:
        self.listed: Counter[str] = Counter()

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        self.listed[experiment_id] += 1
        yield [a_run(f"{experiment_id}1"), a_run(f"{experiment_id}2")]
        yield [a_run(f"{experiment_id}3"), a_run(f"{experiment_id}4")]


def a_run(name: str) -> Run:
    return Run(name, "1", name, "me", "FINISHED", 1, 2, "active", "", params={"p": "x" * 20_000})


async def runs(listings: Listings, experiment_id: str) -> list[str]:
    return [run.name async for page in listings.runs(experiment_id) for run in page]


def test_lists_once_what_was_read_in_advance() -> None:
    source = Pages()
    listings = Listings(cast(Any, source), most=200_000)

    async def go() -> list[Any]:
        await listings.read(["a", "b"])
        return [await runs(listings, "a"), await runs(listings, "b"), await runs(listings, "a")]

    a, b, again = asyncio.run(go())
    assert (a, b, again) == (["a1", "a2", "a3", "a4"], ["b1", "b2", "b3", "b4"], a)
    assert source.listed == {"a": 1, "b": 1}


def test_lists_again_what_does_not_fit() -> None:
    source = Pages()
    listings = Listings(cast(Any, source), most=130_000)

    async def go() -> list[Any]:
        await listings.read(["a", "b", "c"])
        return [await runs(listings, "a"), await runs(listings, "b"), await runs(listings, "c")]

    assert [len(found) for found in asyncio.run(go())] == [4, 4, 4]
    assert source.listed == {"a": 1, "b": 2, "c": 1}
