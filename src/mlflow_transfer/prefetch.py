"""Reads items ahead while earlier items are being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")

_FIRST = 8


def growing(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """The items in groups of up to `most`. Groups start small, so that writing can begin soon, and double in size."""
    size, start = min(_FIRST, most), 0
    while start < len(items):
        yield items[start : start + size]
        start, size = start + size, min(2 * size, most)


async def prefetch(items: AsyncGenerator[T, None], most: int) -> AsyncGenerator[T, None]:
    """Yields the same items. Reads up to `most` of them ahead."""
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
