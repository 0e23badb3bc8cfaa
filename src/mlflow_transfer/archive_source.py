"""Reads a snapshot of an archive as a source."""

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
from mlflow_transfer.archive import (
    ARTIFACT,
    EXPERIMENTS,
    MODELS,
    REGISTERED,
    RUN,
    TRACES,
    Archive,
    Entry,
    Snapshot,
)
from mlflow_transfer.checksums import Summing
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import (
    Experiment,
    History,
    LoggedModel,
    ModelPoint,
    ModelVersion,
    Point,
    RegisteredModel,
    Run,
    Trace,
)
from mlflow_transfer.source import PAGE, Features
from mlflow_transfer.stores import GoneError, Item, Rearranged, Store

_THREADS = 8

T = TypeVar("T")


class DamagedError(PlatformError):
    """Files of the archive are missing or are not what was written."""


class ArchiveSource:
    """A snapshot: the newest of the whole server, or the one that was taken at `taken`."""

    def __init__(self, archive: Archive, taken: str | None = None) -> None:
        self._archive = archive
        self._snapshot = _chosen(archive, taken)
        self._manifest = archive.manifest(self._snapshot)
        self.name = self.identity = archive.store.uri
        self.version = self._snapshot.version
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="archive")

    async def features(self) -> Features:
        """By what it holds."""
        prompts = any(model.is_prompt for model in await self.registered_models())
        models = next(self._manifest.of(MODELS), None) is not None
        return Features(models, next(self._manifest.of(TRACES), None) is not None, prompts)

    async def check(self, checked: Callable[[int], None] = lambda _: None) -> int:
        """Compare every file with its checksum.

        Returns:
            The number of files.

        Raises:
            DamagedError: some are not what was written; each is named.
        """
        files = 0
        damaged: list[str] = []
        entries = self._manifest.all()
        while batch := [entry for _, entry in zip(range(PAGE), entries, strict=False)]:
            found = await asyncio.gather(*(self._in_thread(partial(self._damage, entry)) for entry in batch))
            damaged += [text for text in found if text]
            files += len(batch)
            checked(sum(entry.size for entry in batch))
        if damaged:
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
        except Exception as error:  # Whatever the store raises, the file cannot be read.
            return f"{entry.file} cannot be read ({type(error).__name__})"
        if size != entry.size:
            return f"{entry.file} is damaged: it has {size} bytes instead of {entry.size}"
        if known is not None and found.checksum() != known:
            return f"{entry.file} is damaged: its checksum is not the one that was written"
        return ""

    async def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, deleted ones too."""
        async for page in self._records(EXPERIMENTS):
            for data in page:
                yield Experiment(**data)

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, deleted ones too."""
        entries = self._manifest.of(RUN, experiment_id)
        while page := [entry for _, entry in zip(range(PAGE), entries, strict=False)]:
            yield list(await asyncio.gather(*(self._run(entry) for entry in page)))

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """Those of these runs that exist."""
        entries = [entry for one in ids if (entry := self._manifest.run(one)) is not None]
        return list(await asyncio.gather(*(self._run(entry) for entry in entries)))

    async def _run(self, entry: Entry) -> Run:
        return _run_from(await self._in_thread(partial(self._header, entry.file)))

    def _header(self, file: str) -> dict[str, Any]:
        first = next(self._lines(file), None)
        if first is None:
            raise DamagedError(f"{self.name}/{file} is damaged: it is empty")
        return first

    async def link(self, runs: Sequence[Run]) -> None:
        """Nothing: the links came with the runs."""

    async def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with its points, streamed from its file."""
        for run in runs:
            entry = self._manifest.run(run.id)
            if entry is not None:
                yield run, self._history(entry.file)

    async def _history(self, file: str) -> History:
        lines = self._lines(file)
        await self._in_thread(lambda: next(lines, None))
        while data := await self._in_thread(lambda: next(lines, None)):
            yield [Point(key, float(value), timestamp, step) for key, value, timestamp, step in data["points"]]

    async def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in pages."""
        async for page in self._records(MODELS, experiment_id):
            yield [_model_from(data) for data in page]

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""
        return [
            RegisteredModel(**{**data, "versions": [ModelVersion(**one) for one in data["versions"]]})
            async for page in self._records(REGISTERED)
            for data in page
        ]

    async def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in pages."""
        async for page in self._records(TRACES, experiment_id):
            yield [Trace(**data) for data in page]

    def store(self, uri: str) -> Store:
        """The artifacts that lay at this URI when they were backed up."""

        def files() -> Iterator[Item]:
            return (
                Item(entry.id, entry.size, entry.sha256 or entry.parts_sha256)
                for entry in self._manifest.of(ARTIFACT, uri)
            )

        def find(path: str) -> Item | None:
            entry = self._manifest.get(ARTIFACT, uri, path)
            return None if entry is None else Item(entry.file, entry.size)

        return Rearranged(uri, self._archive.store, files, find)

    def losses(self) -> list[Loss]:
        """What could not be read: nothing."""
        return []

    async def close(self) -> None:
        """Let go of the manifest."""
        self._threads.shutdown()
        self._manifest.close()

    async def _records(self, kind: str, owner: str = "") -> AsyncIterator[list[dict[str, Any]]]:
        entry = self._manifest.get(kind, owner)
        lines = iter(()) if entry is None else self._lines(entry.file)
        while page := await self._in_thread(lambda: list(islice(lines, PAGE))):
            yield page

    def _lines(self, file: str) -> Iterator[dict[str, Any]]:
        decode = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode
        held = ""
        for chunk in self._archive.store.read(file):
            # Only "\n" ends a line: texts may hold other line ends.
            *whole, held = (held + decode(chunk)).split("\n")
            yield from map(json.loads, whole)
        if held:
            raise DamagedError(f"{self.name}/{file} is damaged: its last line is cut off")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _chosen(archive: Archive, taken: str | None) -> Snapshot:
    snapshots = archive.snapshots()
    if not snapshots:
        raise InputError(f"{archive.store.uri} holds no finished backup")
    whole = [one for one in snapshots if not one.partial]
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


def _run_from(data: dict[str, Any]) -> Run:
    latest = {key: Point(point[0], float(point[1]), *point[2:]) for key, point in data["latest"].items()}
    outputs = [(model, step) for model, step in data["model_outputs"]]
    return Run(**{**data, "latest": latest, "model_outputs": outputs})


def _model_from(data: dict[str, Any]) -> LoggedModel:
    points = [
        ModelPoint(model, run, Point(point[0], float(point[1]), *point[2:]), name, checksum)
        for model, run, point, name, checksum in data["points"]
    ]
    return LoggedModel(**{**data, "points": points})
