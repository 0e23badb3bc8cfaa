"""Reads ahead: what comes next is fetched while what came before is still written, and little at first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")

_FIRST = 8


def growing(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """The items in groups of up to `most`, each up to twice the one before, so that writing can begin at once."""
    size, start = min(_FIRST, most), 0
    while start < len(items):
        yield items[start : start + size]
        start, size = start + size, min(2 * size, most)


async def prefetch(items: AsyncGenerator[T, None], most: int) -> AsyncGenerator[T, None]:
    """The same items; up to `most` of them are read before they are asked for."""
    room = asyncio.Semaphore(most)
    found: asyncio.Queue[tuple[T] | None] = asyncio.Queue()

    async def read() -> None:
        try:
            async with aclosing(items):
                async for item in items:
                    await room.acquire()
                    found.put_nowait((item,))
        finally:
            found.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while one := await found.get():
            room.release()
            yield one[0]
        await reader
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
