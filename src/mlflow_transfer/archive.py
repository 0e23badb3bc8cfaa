"""The archive format, version 1: JSON lines and plain files. See docs/reference/archive-format.md.

A file is never changed after it was written, so snapshots share the files that did not change between them.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from mlflow_common.errors import InputError, PlatformError
from mlflow_common.safe_path import UnsafeNameError, relative_name
from mlflow_transfer.location import shown
from mlflow_transfer.losses import LossLog
from mlflow_transfer.manifest import Entry, Manifest
from mlflow_transfer.records import digest
from mlflow_transfer.stores import ArchiveStore, Folder, GoneError, UnreadableError, local_path, open_store

FORMAT = "mlflow-transfer-archive"
VERSION = 1
INDEX = "archive.json"
_PARTS = "snapshots"
_UNDER_WAY = "under-way"
# The names of the files that backups write. Only these are deleted, and what a manifest names: an archive's folder may
# hold other files, such as the artifacts of an MLflow server. Earlier versions wrote artifacts/OWNER/PATH.
_TAKEN = "[0-9]{8}T[0-9]{6}(?:[0-9]{6})?Z"
_OWN = re.compile(
    rf"snapshots/{_TAKEN}/[0-9]{{6,}}\.jsonl|records/[^/]+-[0-9a-f]{{16}}\.jsonl"
    rf"|runs/[^/]+/[^/]+-[0-9a-f]{{16}}\.jsonl|artifacts/[^/]+/{_TAKEN}/.+|under-way/{_TAKEN}\.json",
    re.DOTALL,
)
# Files that may be in a folder before its first backup: hidden ones, and S3's objects that stand for folders.
_HARMLESS = re.compile(r"(.*/)?(\.[^/]*)?", re.DOTALL)
_PART_ENTRIES = 5_000
_PART_SECONDS = 60.0
# The largest size in bytes of the index or of a part of a manifest. 5,000 entries take a few megabytes.
_LARGEST_PART = 256 << 20
# The number of losses that the index lists. Of further losses it stores only the number.
MOST_LOSSES = 1_000
# A backup refreshes its mark at most once an hour. It counts as killed when the mark is a day old.
_ANNOUNCED_EVERY = 3600.0
_DEAD = 24 * 3600.0
# SQLite stores signed integers of 64 bits.
_HUGE = 1 << 63


@dataclass(frozen=True)
class Snapshot:
    """The result of one backup. Its manifest consists of the lines of all its parts.

    Args:
        partial: it does not contain everything of the source, by choice (`selected`) or because of read errors.
        losses: what could not be read, as `place` and `reason`; at most the first thousand.
        selected: only some experiments were backed up, or no artifacts.
    """

    taken: str
    source: str
    version: str
    parts: list[dict[str, Any]]
    counts: dict[str, int] = field(default_factory=dict)
    partial: bool = False
    losses: list[dict[str, str]] = field(default_factory=list)
    selected: bool = False

    @property
    def covers_all(self) -> bool:
        """Whether it contains everything of the whole source that could be read."""
        # Earlier versions set only `partial` when experiments were selected.
        return not self.partial or (bool(self.losses) and not self.selected)


class DamagedPartError(PlatformError):
    """The content of a manifest's part is not what was written."""


class Archive:
    """An archive in a folder or S3 prefix."""

    def __init__(self, store: ArchiveStore) -> None:
        self.store = store

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, oldest first; an empty list if there is no archive yet.

        Raises:
            InputError: the index does not belong to an archive, or was written by a later version of this tool.
        """
        return self._index() or []

    def check_place(self) -> None:
        """Refuse a location that holds other files and no archive, before anything is written there.

        Raises:
            InputError: it does, or it is an archive whose index is damaged or lost.
        """
        if self._index() is not None:
            return
        for item in self.store.list():
            if _HARMLESS.fullmatch(item.path) or item.path.startswith(f"{_UNDER_WAY}/"):
                continue
            if _OWN.fullmatch(item.path):
                raise InputError(
                    f"{self.store.uri} holds files of backups, such as {item.path[:200]!r}, but no {INDEX}, and the "
                    f"next backup would delete what a new one does not name: restore {INDEX} (a bucket keeps earlier "
                    "versions), or name an empty or new folder or prefix"
                )
            raise InputError(
                f"{self.store.uri} holds {item.path[:200]!r} and no archive: name an empty or new folder or prefix "
                "for the backup"
            )

    def _index(self) -> list[Snapshot] | None:
        """The snapshots that the index names; None if there is no index."""
        try:
            return self._snapshots(self._content(INDEX))
        except GoneError:
            return None

    def _snapshots(self, text: bytes) -> list[Snapshot]:
        try:
            index = json.loads(text)
            known = index["format"] == FORMAT
            version = int(index["version"])
            found = [_snapshot(one) for one in index["snapshots"]] if known and version <= VERSION else []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            raise InputError(f"{self.store.uri}/{INDEX} is damaged, or not the index of an archive") from None
        if not known or version > VERSION:
            raise InputError(
                f"{self.store.uri} is of format {str(index['format'])[:80]!r} {version}: use a later version of this "
                "tool"
            )
        return found

    def manifest(self, snapshot: Snapshot, losses: LossLog | None = None) -> Manifest:
        """The entries of a snapshot.

        Args:
            losses: collects the parts that are missing or damaged, instead of raising an error.

        Raises:
            PlatformError: a part of it is missing or damaged.
        """
        manifest = Manifest()
        self._add(manifest, snapshot, losses)
        return manifest

    def known(self) -> Manifest:
        """The entries that the next backup can reuse: those of the newest complete snapshot and all later ones.

        Later entries come from partial snapshots and from interrupted backups. Their files exist as well.
        """
        snapshots = self.snapshots()
        whole = next((one for one in reversed(snapshots) if not one.partial), None)
        since = whole.taken if whole else ""
        found = Manifest()
        if whole:
            self._add(found, whole)
        found.add(self._leftovers(snapshots, since))
        for snapshot in snapshots:
            if snapshot.taken > since:
                self._add(found, snapshot)
        return found

    def _leftovers(self, snapshots: list[Snapshot], since: str) -> Iterator[Entry]:
        known = _parts_of(snapshots)
        for item in list(self.store.below(_PARTS).list()):
            file = f"{_PARTS}/{item.path}"
            if file not in known and _OWN.fullmatch(file) and _taken_of(file) > since:
                # Another backup may have deleted it in the meantime.
                with suppress(GoneError):
                    yield from self._part(file, "")

    def write_part(self, taken: str, number: int, entries: list[Entry]) -> dict[str, Any]:
        """Write a part of a manifest, so that an interrupted backup can continue from there."""
        content = b"".join(_line(_brief(entry)) for entry in entries)
        file = f"{_PARTS}/{taken}/{number:06}.jsonl"
        self.store.write(file, [content], len(content))
        return {"file": file, "sha256": _sha256(content), "size": len(content)}

    def begin(self, taken: str) -> None:
        """Mark a backup as running. No data is deleted until it ends or its mark is a day old.

        The first backup writes an index without snapshots, so that an archive without an index has lost it.
        """
        if self._index() is None:
            self._change(lambda found: found, create=True)
        content = json.dumps({"by": f"{platform.node()} {os.getpid()}", "at": time.time()}).encode()
        self.store.write(f"{_UNDER_WAY}/{taken}.json", [content], len(content))

    def end(self, taken: str) -> None:
        """Remove the mark of a backup, whether it succeeded or failed."""
        self.store.delete(f"{_UNDER_WAY}/{taken}.json")

    def publish(self, snapshot: Snapshot) -> None:
        """Add a snapshot to the index. Only this write makes the backup visible."""
        self._change(lambda found: sorted([*found, snapshot], key=lambda one: one.taken))

    def prune(self, keep: int) -> int:
        """Keep the newest snapshots of the whole source and later partial ones. Delete files that none of them needs.

        The newest snapshot without losses is always kept. A kill at any point leaves no snapshot that lacks a file,
        and no entry of a deleted file: the index is changed first, then manifests are deleted, then data. While another
        backup is running, data is not deleted, because that backup may need it. The next call deletes it.

        Returns:
            The number of deleted files.
        """
        found = self.snapshots()
        if not found:
            return 0
        before = _parts_of(found)
        if _newest(found, keep) != found:
            self._change(lambda now: _newest(now, keep))
        # List the files before the index is read again: a newer file belongs to a running backup.
        paths = [item.path for item in self.store.list()]
        under_way = self._under_way()
        parts = _parts_of(self.snapshots())
        gone = [
            path
            for path in paths
            if path.startswith(f"{_PARTS}/")
            and (_OWN.fullmatch(path) or path in before)
            and path not in parts
            and _taken_of(path) not in under_way
        ]
        named = self._named(gone)
        self._delete(gone)
        if under_way or self._under_way():
            named.close()
            return len(gone)
        kept = self.snapshots()
        needed = Manifest()
        for snapshot in kept:
            entries = self.manifest(snapshot)
            needed.add(map(_by_file, entries.all()))
            entries.close()
        files = {INDEX, *_parts_of(kept), *gone}
        data = [
            path
            for path in paths
            if (_OWN.fullmatch(path) or named.holds(path)) and path not in files and not needed.holds(path)
        ]
        needed.close()
        named.close()
        self._delete(data)
        self._delete(list(self.store.abandoned()))
        return len(gone) + len(data)

    def _named(self, parts: Iterable[str]) -> Manifest:
        """The artifacts that parts of manifests name. A part that cannot be read names none."""
        found = Manifest()
        for part in parts:
            with suppress(GoneError, UnreadableError, UnsafeNameError, DamagedPartError):
                found.add(_by_file(one) for one in list(self._part(part, "")) if one.file.startswith("artifacts/"))
        return found

    def _delete(self, paths: Collection[str]) -> None:
        for path in paths:
            # This tool does not write such names, so the file is not its own.
            with suppress(UnsafeNameError):
                self.store.delete(path)

    def _under_way(self) -> frozenset[str]:
        """The start times of the running backups."""
        found = set()
        for item in list(self.store.below(_UNDER_WAY).list()):
            try:
                marked_at = float(json.loads(self._content(f"{_UNDER_WAY}/{item.path}"))["at"])
            except GoneError:
                continue  # It ended in the meantime.
            except (ValueError, KeyError, TypeError, RecursionError, UnsafeNameError):
                marked_at = (
                    time.time()
                )  # The mark is unreadable: treat the backup as running, so that nothing is deleted.
            if time.time() - marked_at < _DEAD:
                found.add(item.path.removesuffix(".json"))
        return frozenset(found)

    def _change(self, make: Callable[[list[Snapshot]], list[Snapshot]], *, create: bool = False) -> None:
        """Change the list of snapshots atomically, because another backup may have changed it since it was read."""

        def changed(text: bytes | None) -> bytes:
            if text is None and not create:
                raise PlatformError(f"{self.store.uri}/{INDEX} was deleted meanwhile: restore it, then back up again")
            snapshots = make([] if text is None else self._snapshots(text))
            index = {"format": FORMAT, "version": VERSION, "snapshots": [_index_entry(one) for one in snapshots]}
            return json.dumps(index, indent=1).encode()

        self.store.change(INDEX, changed)

    def _add(self, manifest: Manifest, snapshot: Snapshot, losses: LossLog | None = None) -> None:
        for part in snapshot.parts:
            try:
                manifest.add(list(self._part(part["file"], part["sha256"])))
            except (GoneError, UnreadableError, UnsafeNameError, DamagedPartError) as error:
                if losses is None:
                    raise PlatformError(f"{error.message}: the archive is damaged") from None
                losses.add(
                    f"{self.store.uri}/{part['file']}", f"this part of the list of files is lost: {error.message}"
                )

    def _part(self, file: str, sha256: str) -> Iterator[Entry]:
        content = self._content(file)
        if sha256 and _sha256(content) != sha256:
            raise DamagedPartError(f"{self.store.uri}/{file} is damaged: its checksum is not the one that was written")
        for number, line in enumerate(content.splitlines(), 1):
            try:
                yield _entry(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise DamagedPartError(f"{self.store.uri}/{file} is damaged: line {number} is not an entry") from None

    def _content(self, file: str) -> bytes:
        content = bytearray()
        for chunk in self.store.read(file):
            content += chunk
            if len(content) > _LARGEST_PART:
                raise UnreadableError(f"{self.store.uri}/{file} is larger than {_LARGEST_PART >> 20} MB")
        return bytes(content)


class Parts:
    """Collects entries and writes them as parts of a snapshot's manifest. A killed backup loses a minute of work."""

    def __init__(self, archive: Archive, taken: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._archive, self._taken, self._clock = archive, taken, clock
        self._open: list[Entry] = []
        self._written = self._announced = clock()
        self.written: list[dict[str, Any]] = []

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        self._open.append(entry)
        if len(self._open) >= _PART_ENTRIES or self._clock() - self._written >= _PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the entries that were collected since the last part."""
        if self._open:
            self.written.append(self._archive.write_part(self._taken, len(self.written), self._open))
            self._open = []
        self._written = self._clock()
        if self._written - self._announced >= _ANNOUNCED_EVERY:
            self._archive.begin(self._taken)
            self._announced = self._written


def safe_name(text: str) -> str:
    """A file name for any text: the text itself if it is safe, otherwise its safe characters and a digest."""
    plain = re.sub(r"[^A-Za-z0-9_.\-]", "_", text)[:80]
    return plain if plain == text and plain not in {"", ".", ".."} else f"{plain}-{digest(text)[:16]}"


def _brief(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if value or name not in {"parts_sha256", "part_size"}}


def _entry(data: dict[str, Any]) -> Entry:
    """An entry of a manifest. Fields that a later version of the tool added are ignored."""
    values: dict[str, Any] = {one.name: data[one.name] for one in fields(Entry) if one.name in data}
    for name, value in values.items():
        if name in {"size", "order", "part_size"}:
            if type(value) is not int or not -_HUGE < value < _HUGE:
                raise TypeError(name)
        elif type(value) is not str:
            raise TypeError(name)
    return Entry(**values)


def _snapshot(data: dict[str, Any]) -> Snapshot:
    """A snapshot of the index. Fields that a later version of the tool added are ignored."""
    values: dict[str, Any] = {one.name: data[one.name] for one in fields(Snapshot) if one.name in data}
    relative_name(str(values["taken"]))
    for name, kind in (("taken", str), ("source", str), ("version", str), ("parts", list)):
        if type(values[name]) is not kind:
            raise TypeError(name)
    for part in values["parts"]:
        if type(part["file"]) is not str or type(part["sha256"]) is not str:
            raise TypeError("parts")
    values["losses"] = [{"place": str(one["place"]), "reason": str(one["reason"])} for one in values.get("losses", ())]
    values["counts"] = {str(name): int(count) for name, count in dict(values.get("counts", {})).items()}
    return Snapshot(**{**values, "partial": bool(values.get("partial")), "selected": bool(values.get("selected"))})


def _index_entry(snapshot: Snapshot) -> dict[str, Any]:
    """The index entry of a snapshot. Empty fields that earlier versions of the tool do not know are left out."""
    return {name: value for name, value in asdict(snapshot).items() if value or name not in {"losses", "selected"}}


def _by_file(entry: Entry) -> Entry:
    """An entry for the file alone: the same object may have several files."""
    return Entry("file", entry.file, entry.size, entry.sha256, "", entry.file)


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _newest(snapshots: list[Snapshot], keep: int) -> list[Snapshot]:
    """The newest snapshots of the whole source and the partial ones after the oldest of them; all if there is none.

    The newest one without losses is always kept, however old, because it may contain what later ones have lost.
    """
    whole = [one for one in snapshots if one.covers_all][-keep:]
    perfect = [one for one in snapshots if not one.partial][-1:]
    return [one for one in snapshots if not whole or one.taken >= whole[0].taken or one in perfect]


def _parts_of(snapshots: Iterable[Snapshot]) -> set[str]:
    return {part["file"] for snapshot in snapshots for part in snapshot.parts}


def _taken_of(part: str) -> str:
    """The backup that a part of a manifest belongs to."""
    return part.split("/")[1]


def open_archive(uri: str, s3: Callable[[], Any]) -> Archive:
    """The archive at a folder or S3 prefix.

    Args:
        s3: returns the S3 client.

    Raises:
        InputError: the location cannot hold an archive.
    """
    folder = local_path(uri)
    if folder is not None:
        return Archive(Folder(folder))
    store = open_store(uri, s3)
    if not store.features.holds_archives:
        raise InputError(f"{shown(uri)} cannot hold an archive: give a folder or an S3 prefix")
    return Archive(cast("ArchiveStore", store))
