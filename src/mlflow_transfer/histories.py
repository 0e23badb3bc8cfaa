"""Compares metric histories without keeping them in memory.

Each metric gets a count and a sum of hashes, which do not depend on the order of its points.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from mlflow_transfer.records import History, Point, Run, point_key
from mlflow_transfer.sources.base import Source

# The number of points of a metric, and the sum of their hashes.
Sum = tuple[int, int]


async def sums(history: History, takes: Callable[[Point], bool] = lambda _: True) -> dict[str, Sum]:
    """The sum of each metric, of the points that `takes` accepts."""
    found: dict[str, Sum] = {}
    async for chunk in history:
        for point in filter(takes, chunk):
            raw = hashlib.blake2b(repr(point_key(point)).encode("utf-8", "surrogatepass"), digest_size=12).digest()
            count, total = found.get(point.key, (0, 0))
            found[point.key] = count + 1, (total + int.from_bytes(raw)) & ((1 << 128) - 1)
    return found


async def sums_of_both(
    left: Source, right: Source, pairs: Sequence[tuple[Run, Run]], takes: Callable[[Point], bool] = lambda _: True
) -> AsyncGenerator[tuple[Run, Run, dict[str, Sum], dict[str, Sum]], None]:
    """The sums of each pair of runs. Both sides are read in bulk.

    Args:
        takes: the points of the left side that count.
    """
    async with (
        aclosing(left.histories([one for one, _ in pairs])) as ours,
        aclosing(right.histories([other for _, other in pairs])) as theirs,
    ):
        for one, other in pairs:
            (mine, our_history), (yours, their_history) = await asyncio.gather(anext(ours), anext(theirs))
            assert (mine.id, yours.id) == (one.id, other.id)  # noqa: S101 each side yields in the order of the request
            yield one, other, *await asyncio.gather(sums(our_history, takes), sums(their_history))
