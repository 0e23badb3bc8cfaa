"""Prefetching yields the same items and errors, and reads a limited number of items in advance."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from mlflow_transfer.prefetch import growing, prefetch


class Numbers:
    """Counts to ten or fails at a number, and records how far it was read and whether it was closed."""

    def __init__(self, fails_at: int = 99) -> None:
        self.fails_at, self.read, self.closed = fails_at, 0, False

    async def items(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(10):
                if number == self.fails_at:
                    raise ValueError("no more")
                self.read = number + 1
                yield number
        finally:
            self.closed = True


def test_yields_all_items_in_order() -> None:
    async def go() -> list[int]:
        return [number async for number in prefetch(Numbers().items(), 3)]

    assert asyncio.run(go()) == list(range(10))


def test_reads_a_limited_number_in_advance_and_closes_the_source_at_the_end() -> None:
    numbers = Numbers()

    async def go() -> None:
        async with aclosing(prefetch(numbers.items(), 3)) as found:
            assert await anext(found) == 0
            for _ in range(20):
                await asyncio.sleep(0)
            # One was yielded, three are ready, and one more waits for space.
            assert numbers.read == 5

    asyncio.run(go())
    assert numbers.closed


def test_raises_an_error_after_the_items_before_it() -> None:
    found = []

    async def go() -> None:
        async for number in prefetch(Numbers(fails_at=2).items(), 5):
            found.append(number)  # noqa: PERF401 what came before the error is what counts

    with pytest.raises(ValueError, match="no more"):
        asyncio.run(go())
    assert found == [0, 1]


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(0, 100, []), (5, 100, [5]), (300, 100, [8, 16, 32, 64, 100, 80]), (10, 3, [3, 3, 3, 1])],
)
def test_groups_start_small_and_contain_every_item_once(count: int, most: int, sizes: list[int]) -> None:
    groups = list(growing(range(count), most))
    assert [len(group) for group in groups] == sizes
    assert [number for group in groups for number in group] == list(range(count))
