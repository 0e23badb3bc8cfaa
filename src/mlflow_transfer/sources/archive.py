"""Reads a snapshot of a backup archive as a source. Checks every record, because the archive may be forged."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from mlflow_common.errors import InputError, PlatformError
from mlflow_common.safe_path import UnsafeNameError
from mlflow_transfer.archive import Archive, Snapshot
from mlflow_transfer.checksums import Summing
from mlflow_transfer.losses import Loss, LossLog
from mlflow_transfer.manifest import ARTIFACT, EXPERIMENTS, MODELS, REGISTERED, RUN, TRACES, Entry
from mlflow_transfer.records import Experiment, History, LoggedModel, Point, RegisteredModel, Run, Trace
from mlflow_transfer.sources.archive_json import (
    experiment_from_json,
    model_from_json,
    registered_from_json,
    run_from_json,
    trace_from_json,
)
from mlflow_transfer.sources.base import PAGE, Features, Kind, of_experiment
from mlflow_transfer.sources.parsing import MALFORMED, described
from mlflow_transfer.stores import ArchiveView, GoneError, Item, Store, UnreadableError

_THREADS = 8
# The maximum characters of one line. A run's record with all its parameters and tags takes a few megabytes.
_LONGEST_LINE = 256 << 20

T = TypeVar("T")


class DamagedError(PlatformError):
    """Files of the archive are missing, or their content is not what was written."""


class ArchiveSource:
    """A snapshot: the one that was taken at `taken`, by default the newest of the whole server.

    Args:
        lenient: treat damaged and missing files as losses; by default they are errors.
    """

    kind: Kind = "archive"

    def __init__(self, archive: Archive, taken: str | None = None, *, lenient: bool = False) -> None:
        self._archive = archive
        self._snapshot = _chosen(archive, taken)
        self._lenient = lenient
        self._losses = LossLog()
        for one in self._snapshot.losses:
            self._losses.add(one["place"], f"it is not in the backup of {self._snapshot.taken}: {one['reason']}")
        self._damaged: dict[str, str] = {}
        self._manifest = archive.manifest(self._snapshot, self._losses if lenient else None)
        self.name = self.identity = archive.store.uri
        self.version = self._snapshot.version
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="archive")

    def losses(self) -> Sequence[Loss]:
        """What is missing in the backup, and what is damaged in the archive."""
        return self._losses.list()

    async def features(self) -> Features:
        """The features, derived from the contents of the snapshot."""
        prompts = any(model.is_prompt for model in await self.registered_models())
        models = next(self._manifest.of(MODELS), None) is not None
        return Features(models, next(self._manifest.of(TRACES), None) is not None, prompts)

    async def check(self, checked: Callable[[int], None] = lambda _: None) -> int:
        """Compare every file with its checksum.

        Returns:
            The number of files.

        Raises:
            DamagedError: some files are damaged; it names each. A lenient source records them as losses instead.
        """
        files = 0
        damaged: list[str] = []
        entries = self._manifest.all()
        while batch := [entry for _, entry in zip(range(PAGE), entries, strict=False)]:
            found = await asyncio.gather(*(self._in_thread(partial(self._damage, entry)) for entry in batch))
            for entry, text in zip(batch, found, strict=True):
                if text:
                    damaged.append(text)
                    self._damaged[entry.file] = text
            files += len(batch)
            checked(sum(entry.size for entry in batch))
        if damaged and not self._lenient:
            many = "" if len(damaged) == 1 else f" and {len(damaged) - 1} more files"
            raise DamagedError(f"{self.name}/{damaged[0]}{many}: nothing was restored", damaged)
        return files

    def _damage(self, entry: Entry) -> str:
        known = entry.checksum
        found, size = Summing(known.part if known else 0), 0
        try:
            for chunk in self._archive.store.read(entry.file):
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

    async def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, including deleted ones."""
        async for page in self._records(EXPERIMENTS, experiment_from_json):
            for experiment in page:
                yield experiment

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, including deleted ones."""
        entries = self._manifest.of(RUN, experiment_id)
        while page := [entry for _, entry in zip(range(PAGE), entries, strict=False)]:
            yield await self._read_runs(page)

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, as far as they exist."""
        return await self._read_runs([entry for one in ids if (entry := self._manifest.run(one)) is not None])

    async def _read_runs(self, entries: Sequence[Entry]) -> list[Run]:
        found = await asyncio.gather(*(self._in_thread(partial(self._run, entry)) for entry in entries))
        return [run for run in found if run is not None]

    def _run(self, entry: Entry) -> Run | None:
        try:
            self._check_file(entry.file)
            first = next(self._lines(entry), None)
            if first is None:
                raise DamagedError(f"{self.name}/{entry.file} is damaged: it is empty")
            run = of_experiment(run_from_json(first), entry.owner)
            if run.id != entry.id:
                raise DamagedError(f"{self.name}/{entry.file} is damaged: it holds another run, {run.id!r}")
        except (GoneError, UnreadableError, UnsafeNameError, DamagedError, *MALFORMED) as error:
            self._lose(f"run {entry.id} (file {entry.file})", entry.file, error)
            return None
        return run

    def _check_file(self, file: str) -> None:
        if file in self._damaged:
            raise DamagedError(self._damaged[file])

    def _lose(self, place: str, file: str, error: Exception) -> None:
        """Record a loss.

        Raises:
            DamagedError: this source is not lenient.
        """
        if not self._lenient:
            message = error.message if isinstance(error, PlatformError) else f"{file} is damaged: {described(error)}"
            raise DamagedError(message if self.name in message else f"{self.name}/{message}") from error
        self._losses.add(place, error.message if isinstance(error, PlatformError) else described(error))

    async def link(self, runs: Sequence[Run]) -> None:
        """Do nothing: the runs already have their links."""

    async def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with its points, streamed from its file."""
        for run in runs:
            entry = self._manifest.run(run.id)
            if entry is not None:
                yield run, self._history(entry)

    async def _history(self, entry: Entry) -> History:
        lines = self._lines(entry)
        try:
            await self._in_thread(lambda: next(lines, None))
            while data := await self._in_thread(lambda: next(lines, None)):
                yield [Point(str(key), float(value), int(at), int(step)) for key, value, at, step in data["points"]]
        except (GoneError, UnreadableError, DamagedError, *MALFORMED) as error:
            self._lose(f"metrics of run {entry.id} (file {entry.file})", entry.file, error)

    async def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in pages."""
        async for page in self._records(
            MODELS, lambda data: of_experiment(model_from_json(data), experiment_id), experiment_id
        ):
            yield page

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""
        return [model async for page in self._records(REGISTERED, registered_from_json) for model in page]

    async def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in pages."""
        async for page in self._records(
            TRACES, lambda data: of_experiment(trace_from_json(data), experiment_id), experiment_id
        ):
            yield page

    def store(self, uri: str) -> Store:
        """The artifacts that had this URI when they were backed up."""

        def files() -> Iterator[Item]:
            return (
                Item(entry.id, entry.size, entry.sha256 or entry.parts_sha256)
                for entry in self._manifest.of(ARTIFACT, uri)
            )

        def find(path: str) -> Item | None:
            entry = self._manifest.get(ARTIFACT, uri, path)
            if entry is not None and entry.file in self._damaged:
                raise UnreadableError(self._damaged[entry.file])
            return None if entry is None else Item(entry.file, entry.size)

        return ArchiveView(uri, self._archive.store, files, find)

    async def close(self) -> None:
        """Close the manifest."""
        self._threads.shutdown()
        self._manifest.close()

    async def _records(
        self, kind: str, parse: Callable[[dict[str, Any]], T], owner: str = ""
    ) -> AsyncIterator[list[T]]:
        """The records of a file in pages. A malformed record is a loss, as is the rest of a file after a torn line."""
        entry = self._manifest.get(kind, owner)
        if entry is None:
            return
        lines = enumerate(self._lines(entry), 1)
        try:
            self._check_file(entry.file)
            while page := await self._in_thread(lambda: list(islice(lines, PAGE))):
                records = []
                for number, data in page:
                    try:
                        records.append(parse(data))
                    except MALFORMED as error:
                        self._lose(f"{self.name}/{entry.file} line {number}", entry.file, error)
                yield records
        except (GoneError, UnreadableError, UnsafeNameError, DamagedError, *MALFORMED) as error:
            self._lose(f"{self.name}/{entry.file}", entry.file, error)

    def _lines(self, entry: Entry) -> Iterator[dict[str, Any]]:
        """The lines of a file. The end of a file with another checksum than the one that was written is an error."""
        decode = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode
        file, known = entry.file, entry.checksum
        found, held = Summing(known.part if known else 0), ""
        for chunk in self._archive.store.read(file):
            found.update(chunk)
            # Only "\n" ends a line, because texts may contain other line separators.
            *whole, held = (held + decode(chunk)).split("\n")
            yield from map(json.loads, whole)
            if len(held) > _LONGEST_LINE:
                raise DamagedError(f"{self.name}/{file} is damaged: a line is longer than {_LONGEST_LINE >> 20} MB")
        if held:
            raise DamagedError(f"{self.name}/{file} is damaged: its last line is cut off")
        if known is not None and found.checksum() != known:
            raise DamagedError(f"{self.name}/{file} is damaged: its checksum is not the one that was written")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _chosen(archive: Archive, taken: str | None) -> Snapshot:
    snapshots = archive.snapshots()
    if not snapshots:
        raise InputError(f"{archive.store.uri} holds no finished backup")
    whole = [one for one in snapshots if one.covers_all]
    if taken is None and not whole:
        raise InputError(
            f"{archive.store.uri} holds only partial backups (--experiment, --no-artifacts): choose one with "
            f"--snapshot, such as {snapshots[-1].taken}"
        )
    if taken is None:
        return whole[-1]
    found = next((one for one in snapshots if one.taken == taken), None)
    if found is None:
        known = ", ".join(one.taken for one in snapshots[-5:])
        raise InputError(f"{archive.store.uri} holds no snapshot {taken}: the newest are {known}")
    return found
