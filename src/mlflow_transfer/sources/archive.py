"""Reads a snapshot of a backup archive as a source. Checks every record, because the archive may be forged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from mlflow_common.errors import InputError
from mlflow_common.safe_path import UnsafeNameError
from mlflow_transfer.archive import Archive, Snapshot
from mlflow_transfer.losses import Loss, LossLog
from mlflow_transfer.manifest import ARTIFACT, EXPERIMENTS, MODELS, REGISTERED, RUN, TRACES, Entry
from mlflow_transfer.records import Experiment, History, LoggedModel, Point, RegisteredModel, Run, Trace
from mlflow_transfer.sources.archive_files import ArchiveFiles, DamagedError
from mlflow_transfer.sources.archive_json import (
    experiment_from_json,
    model_from_json,
    registered_from_json,
    run_from_json,
    trace_from_json,
)
from mlflow_transfer.sources.base import PAGE, Features, Kind, of_experiment
from mlflow_transfer.sources.parsing import MALFORMED
from mlflow_transfer.stores import ArchiveView, GoneError, Item, Store, UnreadableError

T = TypeVar("T")


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
        self._files = ArchiveFiles(archive.store, self._losses, lenient=lenient)
        self._manifest = archive.manifest(self._snapshot, self._losses if lenient else None)
        self.name = self.identity = archive.store.uri
        self.version = self._snapshot.version

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
            found = await asyncio.gather(
                *(self._files.in_thread(partial(self._files.damage, entry)) for entry in batch)
            )
            for entry, text in zip(batch, found, strict=True):
                if text:
                    damaged.append(text)
                    self._files.damaged[entry.file] = text
            files += len(batch)
            checked(sum(entry.size for entry in batch))
        if damaged and not self._lenient:
            many = "" if len(damaged) == 1 else f" and {len(damaged) - 1} more files"
            raise DamagedError(f"{self.name}/{damaged[0]}{many}: nothing was restored", damaged)
        return files

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
        found = await asyncio.gather(*(self._files.in_thread(partial(self._run, entry)) for entry in entries))
        return [run for run in found if run is not None]

    def _run(self, entry: Entry) -> Run | None:
        try:
            self._files.check(entry.file)
            first = next(self._files.lines(entry), None)
            if first is None:
                raise DamagedError(f"{self.name}/{entry.file} is damaged: it is empty")
            run = of_experiment(run_from_json(first), entry.owner)
            if run.id != entry.id:
                raise DamagedError(f"{self.name}/{entry.file} is damaged: it holds another run, {run.id!r}")
        except (GoneError, UnreadableError, UnsafeNameError, DamagedError, *MALFORMED) as error:
            self._files.lose(f"run {entry.id} (file {entry.file})", entry.file, error)
            return None
        return run

    async def link(self, runs: Sequence[Run]) -> None:
        """Do nothing: the runs already have their links."""

    async def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with its points, streamed from its file."""
        for run in runs:
            entry = self._manifest.run(run.id)
            if entry is not None:
                yield run, self._history(entry)

    async def _history(self, entry: Entry) -> History:
        lines = self._files.lines(entry)
        try:
            await self._files.in_thread(lambda: next(lines, None))
            while data := await self._files.in_thread(lambda: next(lines, None)):
                yield [Point(str(key), float(value), int(at), int(step)) for key, value, at, step in data["points"]]
        except (GoneError, UnreadableError, DamagedError, *MALFORMED) as error:
            self._files.lose(f"metrics of run {entry.id} (file {entry.file})", entry.file, error)

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
            if entry is not None and entry.file in self._files.damaged:
                raise UnreadableError(self._files.damaged[entry.file])
            return None if entry is None else Item(entry.file, entry.size)

        return ArchiveView(uri, self._archive.store, files, find)

    async def close(self) -> None:
        """Close the manifest."""
        self._files.close()
        self._manifest.close()

    async def _records(
        self, kind: str, parse: Callable[[dict[str, Any]], T], owner: str = ""
    ) -> AsyncIterator[list[T]]:
        entry = self._manifest.get(kind, owner)
        if entry is not None:
            async for page in self._files.records(entry, parse):
                yield page


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
