"""Reads the files of an archive. Checks every record, because the archive may be forged."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from mlflow_common.errors import PlatformError
from mlflow_common.safe_path import UnsafeNameError
from mlflow_transfer.checksums import Summing
from mlflow_transfer.losses import LossLog
from mlflow_transfer.manifest import Entry
from mlflow_transfer.sources.base import PAGE
from mlflow_transfer.sources.parsing import MALFORMED, described
from mlflow_transfer.stores import GoneError, Store, UnreadableError

_THREADS = 8
# The maximum characters of one line. A run's record with all its parameters and tags takes a few megabytes.
_LONGEST_LINE = 256 << 20

T = TypeVar("T")


class DamagedError(PlatformError):
    """Files of the archive are missing, or their content is not what was written."""


class ArchiveFiles:
    """The files of an archive.

    Args:
        lenient: treat damaged and missing files as losses; by default they are errors.

    Attributes:
        damaged: what is wrong with files that were found damaged, by file.
    """

    def __init__(self, store: Store, losses: LossLog, *, lenient: bool) -> None:
        self._store, self._losses, self._lenient = store, losses, lenient
        self.damaged: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="archive")

    def damage(self, entry: Entry) -> str:
        """What is wrong with a file, compared with its checksum; empty if nothing is."""
        known = entry.checksum
        found, size = Summing(known.part if known else 0), 0
        try:
            for chunk in self._store.read(entry.file):
                found.update(chunk)
                size += len(chunk)
        except GoneError:
            return f"{entry.file} is missing"
        except Exception as error:  # Whatever the store raises means that the file cannot be read.
            reason = error.message if isinstance(error, PlatformError) else type(error).__name__
            return f"{entry.file} cannot be read ({reason})"
        if size != entry.size:
            return f"{entry.file} is damaged: it has {size} bytes instead of {entry.size}"
        if known is not None and found.checksum() != known:
            return f"{entry.file} is damaged: its checksum is not the one that was written"
        return ""

    def check(self, file: str) -> None:
        """Refuse a file that was found damaged.

        Raises:
            DamagedError: it is damaged.
        """
        if file in self.damaged:
            raise DamagedError(self.damaged[file])

    def lose(self, place: str, file: str, error: Exception) -> None:
        """Record a loss.

        Raises:
            DamagedError: the archive is not read leniently.
        """
        if not self._lenient:
            message = error.message if isinstance(error, PlatformError) else f"{file} is damaged: {described(error)}"
            raise DamagedError(message if self._store.uri in message else f"{self._store.uri}/{message}") from error
        self._losses.add(place, error.message if isinstance(error, PlatformError) else described(error))

    async def records(self, entry: Entry, parse: Callable[[dict[str, Any]], T]) -> AsyncIterator[list[T]]:
        """The records of a file in pages. A malformed record is a loss, as is the rest of a file after a torn line."""
        lines = enumerate(self.lines(entry), 1)
        try:
            self.check(entry.file)
            while page := await self.in_thread(lambda: list(islice(lines, PAGE))):
                records = []
                for number, data in page:
                    try:
                        records.append(parse(data))
                    except MALFORMED as error:
                        self.lose(f"{self._store.uri}/{entry.file} line {number}", entry.file, error)
                yield records
        except (GoneError, UnreadableError, UnsafeNameError, DamagedError, *MALFORMED) as error:
            self.lose(f"{self._store.uri}/{entry.file}", entry.file, error)

    def lines(self, entry: Entry) -> Iterator[dict[str, Any]]:
        """The lines of a file. The end of a file with another checksum than the one that was written is an error."""
        decode = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode
        file, known = entry.file, entry.checksum
        found, held = Summing(known.part if known else 0), ""
        for chunk in self._store.read(file):
            found.update(chunk)
            # Only "\n" ends a line, because texts may contain other line separators.
            *whole, held = (held + decode(chunk)).split("\n")
            yield from map(json.loads, whole)
            if len(held) > _LONGEST_LINE:
                raise DamagedError(
                    f"{self._store.uri}/{file} is damaged: a line is longer than {_LONGEST_LINE >> 20} MB"
                )
        if held:
            raise DamagedError(f"{self._store.uri}/{file} is damaged: its last line is cut off")
        if known is not None and found.checksum() != known:
            raise DamagedError(f"{self._store.uri}/{file} is damaged: its checksum is not the one that was written")

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work in a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Stop the worker threads."""
        self._threads.shutdown()
