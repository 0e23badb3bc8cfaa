"""Backs up a source into an archive: everything the first time, then what is new or changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import IO, Any, TypeVar, cast

from mlflow_common.errors import InputError
from mlflow_common.numbers import number_text
from mlflow_common.retry import RetriesExhaustedError, Retry, with_retries
from mlflow_common.safe_path import relative_name
from mlflow_transfer.archive import MOST_LOSSES, Archive, Parts, Snapshot, safe_name
from mlflow_transfer.artifacts import Reading, checksum
from mlflow_transfer.checksums import Checksum, Summing
from mlflow_transfer.losses import Loss, LossLog, LostParts, trace_losses
from mlflow_transfer.manifest import ARTIFACT, EXPERIMENTS, MODELS, REGISTERED, RUN, TRACES, Entry, Manifest
from mlflow_transfer.options import Options
from mlflow_transfer.progress import Tally, TransferProgress
from mlflow_transfer.records import (
    ACTIVE,
    Experiment,
    History,
    Run,
    digest,
    fingerprint,
    to_json,
)
from mlflow_transfer.selecting import all_experiments, registered_models
from mlflow_transfer.sources.base import Source
from mlflow_transfer.stores import CHUNK, SKIPPABLE, CopyingStore, GoneError, Item, Store, can_copy, overlap
from mlflow_transfer.tasks import first_error

_IN_MEMORY = 4 << 20
_AT_ONCE = 16

T = TypeVar("T")


class Backup:
    """One backup. `taken` names the snapshot: a time such as 20261121T043000Z.

    Anything that cannot be read is recorded as a loss. The rest is backed up, and the snapshot is marked as partial.
    """

    def __init__(
        self,
        source: Source,
        archive: Archive,
        taken: str,
        options: Options | None = None,
        progress: TransferProgress | None = None,
        retry: Retry | None = None,
    ) -> None:
        self.source, self.archive, self._taken = source, archive, taken
        self.options = options or Options(include_deleted=True)
        self.progress: TransferProgress = progress or Tally()
        self._retry = retry or Retry()
        self._known = Manifest()
        self._parts = Parts(archive, taken)
        self._counts: Counter[str] = Counter()
        self._losses = LossLog()
        self._lost = LostParts(source.losses)
        # The artifact root of each folder below `artifacts`.
        self._folders: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(self.options.threads, thread_name_prefix="backup")

    @property
    def losses(self) -> list[Loss]:
        """What could not be read."""
        return [*self.source.losses(), *self._losses.list()]

    async def run(self) -> Snapshot:
        """Back up everything.

        Raises:
            InputError: the archive would be a part of the file store, or contain it.
            PlatformError: the backup could not be finished. The archive's snapshots are unchanged.
        """
        if self.source.kind == "file store" and overlap(self.source.identity, self.archive.store.uri):
            raise InputError(
                f"{self.archive.store.uri} lies in the file store {self.source.name}, or contains it: name another "
                "folder for the backup"
            )
        try:
            # Check first, so that nothing is written into a location that is not an archive.
            await self._in_thread(self.archive.check_place)
            await self._in_thread(lambda: self.archive.begin(self._taken))
            return await self._back_up()
        except BaseExceptionGroup as group:
            raise first_error(group) from group
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._known.close()
            # A mark that remains only prevents the deletion of data for a day.
            with suppress(Exception):
                self.archive.end(self._taken)

    async def _back_up(self) -> Snapshot:
        self._known = await self._in_thread(self.archive.known)
        experiments = self.options.chosen(await all_experiments(self.source), self.source.name)
        self.progress.total("experiments", len(experiments))
        await self._records(EXPERIMENTS, [to_json(one) for one in experiments])
        for experiment in experiments:
            await self._runs(experiment)
            await self._models(experiment)
            await self._traces(experiment)
            self.progress.advance("experiments")
        chosen = {one.id for one in experiments} if self.options.experiments else None
        await self._records(REGISTERED, [to_json(one) for one in await registered_models(self.source, chosen)])
        await self._in_thread(self._parts.flush)
        snapshot = self._snapshot()
        await self._in_thread(lambda: self.archive.publish(snapshot))
        return snapshot

    def _snapshot(self) -> Snapshot:
        losses = self.losses
        counts = dict(self._counts) | ({"losses": len(losses)} if losses else {})
        selected = bool(self.options.experiments) or not self.options.artifacts
        return Snapshot(
            self._taken,
            self.source.name,
            self.source.version,
            self._parts.written,
            counts,
            partial=selected or bool(losses),
            losses=[{"place": one.place, "reason": one.reason} for one in losses[:MOST_LOSSES]],
            selected=selected,
        )

    async def _runs(self, experiment: Experiment) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def write(run: Run, history: History) -> None:
            async with slots:
                await self._write_run(run, history)

        async for page in self.source.runs(experiment.id):
            runs = [run for run in page if run.lifecycle_stage == ACTIVE or self.options.include_deleted]
            self.progress.total("runs", len(runs))
            todo = []
            for run in runs:
                known = self._known.get(RUN, run.experiment_id, run.id)
                unchanged = known is not None and run.finished and known.state == fingerprint(run)
                if known is not None and unchanged and not self.options.thorough:
                    self._keep(known)
                    self.progress.advance("runs")
                else:
                    todo.append(run)
            await self.source.link(todo)
            async with asyncio.TaskGroup() as tasks, aclosing(self.source.histories(todo)) as histories:
                async for run, history in histories:
                    async with slots:
                        pass
                    tasks.create_task(write(run, history))
            for run in runs:
                await self._artifacts(run.artifact_uri, run.id, f"run {run.id}")

    async def _write_run(self, run: Run, history: History) -> None:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            _write_line(file, to_json(run))
            async for points in history:
                _write_line(file, {"points": [[p.key, number_text(p.value), p.timestamp, p.step] for p in points]})
                self._counts["metric points"] += len(points)
            folder = f"runs/{safe_name(run.experiment_id)}"
            # The next backup reads a run again whose history is incomplete.
            state = "" if self._lost.of(run.id) else fingerprint(run)
            entry = Entry(RUN, "", 0, "", run.experiment_id, run.id, state, run.start_time)
            await self._file(file, folder, safe_name(run.id), entry)
        self.progress.advance("runs")

    async def _models(self, experiment: Experiment) -> None:
        async with self._writing(MODELS, experiment.id) as write:
            async for models in self.source.logged_models(experiment.id):
                for model in models:
                    write(to_json(model))
                    await self._artifacts(model.artifact_uri, model.id, f"logged model {model.id}")

    async def _traces(self, experiment: Experiment) -> None:
        async with self._writing(TRACES, experiment.id) as write:
            async for traces in self.source.traces(experiment.id):
                for trace in traces:
                    for loss in trace_losses(trace):
                        self._losses.add(loss.place, loss.reason)
                    write(to_json(trace))
                    await self._artifacts(trace.artifact_uri, trace.id, f"trace {trace.id}")

    async def _records(self, kind: str, records: list[dict[str, Any]]) -> None:
        async with self._writing(kind) as write:
            for record in records:
                write(record)

    @asynccontextmanager
    async def _writing(self, kind: str, owner: str = "") -> AsyncIterator[Callable[[dict[str, Any]], None]]:
        """A file of records, named after the last record was written. No file is stored if there are no records."""
        count = 0
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:

            def write(record: dict[str, Any]) -> None:
                nonlocal count
                count += 1
                _write_line(file, record)

            yield write
            if count or not owner:
                name = f"{kind}-{safe_name(owner)}" if owner else kind
                await self._file(file, "records", name, Entry(kind, "", 0, "", owner), count)

    async def _file(self, file: IO[bytes], folder: str, name: str, entry: Entry, count: int = 1) -> None:
        """Write a file, named by its content, unless the archive already has it."""
        size = file.tell()
        file.seek(0)
        found = hashlib.sha256()
        for chunk in _chunks(file):
            found.update(chunk)
        digits = found.hexdigest()
        path = f"{folder}/{name}-{digits[:16]}.jsonl"
        if not self._known.holds(path):
            file.seek(0)
            await self._in_thread(lambda: self.archive.store.write(path, _chunks(file), size))
        kept = Entry(entry.kind, path, size, digits, entry.owner, entry.id, entry.state, entry.order)
        self._keep(kept, count)

    async def _artifacts(self, uri: str, owner: str, place: str) -> None:
        if not self.options.artifacts or not uri:
            return
        store = self.source.store(uri)
        # The files of another archive are read from there, wherever they were before.
        if not store.features.complete and overlap(store.uri, self.archive.store.uri):
            self._losses.add(
                f"artifacts of {place}",
                f"artifacts at {uri} are not opened: the location contains, or lies in, this archive",
            )
            return
        try:
            items = await self._in_thread(partial(self._list, store))
        except SKIPPABLE as error:
            self._losses.add(f"artifacts of {place}", error.message)
            return
        except RetriesExhaustedError as error:
            if error.unreachable:
                raise
            self._losses.add(f"artifacts of {place}", error.message)
            return
        folder = self._folder_of(owner, uri)
        await asyncio.gather(*(self._artifact(store, uri, folder, item, place) for item in items))

    def _list(self, store: Store) -> list[Item]:
        def listed() -> list[Item]:
            return sorted(store.list(), key=lambda item: item.path)

        return with_retries(listed, self._retry, f"{store.uri} cannot be listed")

    def _folder_of(self, owner: str, uri: str) -> str:
        """The archive's folder for the artifacts of one owner. A hostile server may use one id for two objects."""
        name = safe_name(owner)
        if self._folders.setdefault(name, uri) != uri:
            name = f"{name}-{digest(uri)}"
        return f"artifacts/{name}/{self._taken}"

    async def _artifact(self, store: Store, uri: str, folder: str, item: Item, place: str) -> None:
        try:
            name = relative_name(item.path)
            entry = self._known.get(ARTIFACT, uri, name)
            if entry is None or not await self._in_thread(partial(self._holds, entry, store, item)):
                # The backup's time in the folder prevents overwriting the files of older snapshots.
                file = f"{folder}/{name}"
                self.progress.total("bytes", item.size)
                item, found = await self._in_thread(partial(self._copy, store, item, file))
                whole, parts = ("", found.sha256) if found.part else (found.sha256, "")
                state = digest([item.size, item.tag])
                entry = Entry(ARTIFACT, file, item.size, whole, uri, item.path, state, 0, parts, found.part)
        except SKIPPABLE as error:
            self._losses.add(f"artifact {item.path!r} of {place}", error.message)
            return
        except GoneError:
            return  # It was deleted after it was listed.
        self._keep(entry)
        self._counts["artifact bytes"] += item.size

    def _holds(self, entry: Entry, store: Store, item: Item) -> bool:
        """Whether the archive has the current file. Compares the content if the store's listing has no tags."""
        if item.tag:
            return entry.state == digest([item.size, item.tag])
        return entry.size == item.size and entry.checksum == checksum(store, item.path, retry=self._retry)

    def _copy(self, store: Store, item: Item, file: str) -> tuple[Item, Checksum]:
        """Copy a file into the archive.

        Returns:
            The file as it was copied, which may have changed since it was listed, and its checksum.

        Raises:
            GoneError: the file no longer exists.
            UnreadableError, UnwritableNameError, UnsafeNameError: this file cannot be backed up; others can.
        """
        target: Store = self.archive.store
        again = False
        reading = Reading(store)

        def copy() -> tuple[Item, Checksum]:
            nonlocal item, again
            if again:
                item = reading.look(item.path)
            again = True
            if can_copy(target, store):
                base, path = store.stored(item.path)
                made = cast("CopyingStore", target).copy(base, Item(path, item.size, item.tag), file, summed=True)
                self.progress.advance("bytes", item.size)
                return item, made or checksum(target, file)
            found, size = Summing(), 0

            def passing() -> Iterator[bytes]:
                nonlocal size
                for chunk in reading.chunks(item, lambda count: self.progress.advance("bytes", count)):
                    found.update(chunk)
                    size += len(chunk)
                    yield chunk

            target.write(file, passing(), item.size)
            # More bytes mean that the file is still being written. The next backup detects the change.
            return replace(item, size=size), found.checksum()

        try:
            return with_retries(copy, self._retry, f"artifact {item.path!r} of {store.uri} cannot be backed up")
        except RetriesExhaustedError as error:
            raise reading.explained(error) from error

    def _keep(self, entry: Entry, count: int = 1) -> None:
        self._parts.add(entry)
        self._counts[entry.kind] += count

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _write_line(file: IO[bytes], data: dict[str, Any]) -> None:
    file.write(json.dumps(data, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass") + b"\n")
