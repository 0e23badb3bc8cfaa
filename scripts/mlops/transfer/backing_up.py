"""Writes a source into an archive: whole the first time, then what is new or changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import IO, Any, TypeVar

from scripts.mlops.transfer.archive import (
    ARTIFACT,
    EXPERIMENTS,
    MODELS,
    REGISTERED,
    RUN,
    TRACES,
    Archive,
    Entry,
    Manifest,
    Parts,
    Snapshot,
    safe_name,
)
from scripts.mlops.transfer.artifacts import checksum, with_retries
from scripts.mlops.transfer.checksums import Checksum, Summing
from scripts.mlops.transfer.copying import Options, first_of
from scripts.mlops.transfer.progress import Progress, Tally
from scripts.mlops.transfer.records import (
    ACTIVE,
    Experiment,
    History,
    Run,
    digest,
    fingerprint,
    number_text,
    to_json,
)
from scripts.mlops.transfer.retry import Retry
from scripts.mlops.transfer.selecting import registered_models
from scripts.mlops.transfer.source import Source
from scripts.mlops.transfer.stores import CHUNK, S3, ChangedError, Item, Store

_IN_MEMORY = 4 << 20
_AT_ONCE = 16

T = TypeVar("T")


class BackingUp:
    """One backup. `taken` names the snapshot: a time such as 20261121T043000Z."""

    def __init__(
        self,
        source: Source,
        archive: Archive,
        taken: str,
        options: Options | None = None,
        progress: Progress | None = None,
        retry: Retry | None = None,
    ) -> None:
        self.source, self.archive, self._taken = source, archive, taken
        self.options = options or Options(include_deleted=True)
        self.progress: Progress = progress or Tally()
        self._retry = retry or Retry()
        self._known = Manifest()
        self._parts = Parts(archive, taken)
        self._counts: Counter[str] = Counter()
        self._threads = ThreadPoolExecutor(self.options.threads, thread_name_prefix="backup")

    async def run(self) -> Snapshot:
        """Back everything up.

        Raises:
            PlatformError: it could not be finished; the archive's snapshots are as they were.
        """
        try:
            return await self._back_up()
        except BaseExceptionGroup as group:
            raise first_of(group) from group
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._known.close()

    async def _back_up(self) -> Snapshot:
        snapshots = await self._in_thread(self.archive.snapshots)
        if snapshots:
            last = await self._in_thread(lambda: self.archive.manifest(snapshots[-1]))
            self._known.add(last.all())
            last.close()
        self._known.add(await self._in_thread(lambda: list(self.archive.leftovers())))
        experiments = self.options.chosen([one async for one in self.source.experiments()], self.source.name)
        self.progress.total("experiments", len(experiments))
        await self._records(EXPERIMENTS, "", [to_json(one) for one in experiments])
        for experiment in experiments:
            await self._runs(experiment)
            await self._models(experiment)
            await self._traces(experiment)
            self.progress.advance("experiments")
        chosen = {one.id for one in experiments} if self.options.experiments else None
        await self._records(REGISTERED, "", [to_json(one) for one in await registered_models(self.source, chosen)])
        await self._in_thread(self._parts.flush)
        snapshot = Snapshot(self._taken, self.source.name, self.source.version, self._parts.written, dict(self._counts))
        await self._in_thread(lambda: self.archive.publish([*snapshots, snapshot]))
        return snapshot

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
                await self._artifacts(run.artifact_uri, run.id)

    async def _write_run(self, run: Run, history: History) -> None:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            _write_line(file, to_json(run))
            async for points in history:
                _write_line(file, {"points": [[p.key, number_text(p.value), p.timestamp, p.step] for p in points]})
                self._counts["metric points"] += len(points)
            folder = f"runs/{safe_name(run.experiment_id)}"
            entry = Entry(RUN, "", 0, "", run.experiment_id, run.id, fingerprint(run), run.start_time)
            await self._file(file, folder, run.id, entry)
        self.progress.advance("runs")

    async def _models(self, experiment: Experiment) -> None:
        found: list[Any] = []
        async for models in self.source.logged_models(experiment.id):
            found += [to_json(model) for model in models]
            for model in models:
                await self._artifacts(model.artifact_uri, model.id)
        if found:
            await self._records(MODELS, experiment.id, found)

    async def _traces(self, experiment: Experiment) -> None:
        found: list[Any] = []
        async for traces in self.source.traces(experiment.id):
            found += [to_json(trace) for trace in traces]
            for trace in traces:
                if trace.artifact_uri:
                    await self._artifacts(trace.artifact_uri, trace.id)
        if found:
            await self._records(TRACES, experiment.id, found)

    async def _records(self, kind: str, owner: str, records: list[dict[str, Any]]) -> None:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            for record in records:
                _write_line(file, record)
            name = f"{kind}-{safe_name(owner)}" if owner else kind
            await self._file(file, "records", name, Entry(kind, "", 0, "", owner), count=len(records))

    async def _file(self, file: IO[bytes], folder: str, name: str, entry: Entry, count: int = 1) -> None:
        """Write a file under a name that its content gives, if the archive lacks it."""
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

    async def _artifacts(self, uri: str, owner: str) -> None:
        if not self.options.artifacts or not uri:
            return
        store = self.source.store(uri)
        items = await self._in_thread(lambda: sorted(store.list(), key=lambda item: item.path))
        await asyncio.gather(*(self._artifact(store, uri, owner, item) for item in items))

    async def _artifact(self, store: Store, uri: str, owner: str, item: Item) -> None:
        known = self._known.get(ARTIFACT, uri, item.path)
        state = digest([item.size, item.tag])
        if known is None or known.state != state or not item.tag:
            file = f"artifacts/{safe_name(owner)}/{item.path}"
            if self._known.holds(file):
                file += f".{state[:8]}"
            self.progress.total("bytes", item.size)
            item, found = await self._in_thread(lambda: self._copy(store, item, file))
            whole, parts = ("", found.sha256) if found.part else (found.sha256, "")
            state = digest([item.size, item.tag])
            known = Entry(ARTIFACT, file, item.size, whole, uri, item.path, state, 0, parts, found.part)
        self._keep(known)
        self._counts["artifact bytes"] += item.size

    def _copy(self, store: Store, item: Item, file: str) -> tuple[Item, Checksum]:
        """Copy a file into the archive.

        Returns:
            What was copied, which may have changed since it was listed, and its checksum.
        """
        target = self.archive.store

        def copy() -> tuple[Item, Checksum]:
            nonlocal item
            if isinstance(store, S3) and isinstance(target, S3):
                try:
                    told = target.copy(store, item, file, summed=True)
                except ChangedError:
                    item = store.look(item.path)
                    raise
                self.progress.advance("bytes", item.size)
                return item, told or checksum(target, file)
            found = Summing()
            target.write(file, self._summed(store, item, found), item.size)
            return item, found.checksum()

        return with_retries(copy, self._retry, f"artifact {item.path} of {store.uri} cannot be backed up")

    def _summed(self, store: Store, item: Item, found: Summing) -> Iterator[bytes]:
        left = item.size
        for chunk in store.read(item.path):
            found.update(chunk)
            left -= len(chunk)
            self.progress.advance("bytes", len(chunk))
            yield chunk
        if left:
            raise EOFError(f"{item.size} bytes were announced and {item.size - left} came")

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
