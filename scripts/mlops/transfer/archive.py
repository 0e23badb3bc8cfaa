"""The archive's format, version 1: JSON lines and plain files that anything can read. See docs/archive-format.md.

A file once written is never changed, so snapshots share what did not change between them.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from scripts.mlops.errors import InputError, PlatformError
from scripts.mlops.transfer.checksums import Checksum
from scripts.mlops.transfer.records import digest
from scripts.mlops.transfer.stores import S3, Folder, Store

FORMAT = "mlflow-transfer-archive"
VERSION = 1
INDEX = "archive.json"
_PARTS = "snapshots"
_PART_ENTRIES = 5_000
_COLUMNS = "kind, file, size, sha256, owner, id, state, entry_order, parts_sha256, part_size"
EXPERIMENTS, RUN, MODELS, REGISTERED, TRACES, ARTIFACT = (
    "experiments", "run", "logged_models", "registered_models", "traces", "artifact",
)  # fmt: skip

T = TypeVar("T", "Entry", "Snapshot")


@dataclass(frozen=True)
class Entry:
    """One file of a snapshot.

    Args:
        file: its path in the archive.
        owner: the experiment of a record file, the artifact root (URI) of an artifact.
        id: the run of a run's file, the artifact's path below its root.
        state: changes when the source's thing does; by it the next backup knows what it has.
        order: a run's start, in milliseconds.
        sha256: of the whole file; empty where only `parts_sha256` is known.
        parts_sha256: that of the SHA-256s of its parts of `part_size` bytes, of a file that S3 copied in parts.
    """

    kind: str
    file: str
    size: int
    sha256: str
    owner: str = ""
    id: str = ""
    state: str = ""
    order: int = 0
    parts_sha256: str = ""
    part_size: int = 0

    @property
    def checksum(self) -> Checksum | None:
        """What the file's content is known by."""
        if self.parts_sha256:
            return Checksum(self.parts_sha256, self.part_size)
        return Checksum(self.sha256) if self.sha256 else None


@dataclass(frozen=True)
class Snapshot:
    """What one backup left: its manifest is the lines of all its parts."""

    taken: str
    source: str
    version: str
    parts: list[dict[str, Any]]
    counts: dict[str, int] = field(default_factory=dict)


class Manifest:
    """The entries of a snapshot, on disk while they are needed, for there may be millions."""

    def __init__(self) -> None:
        # An empty name is a temporary file that SQLite deletes by itself.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "CREATE TABLE entries (kind TEXT, file TEXT, size INTEGER, sha256 TEXT, owner TEXT, id TEXT, state TEXT, "
            "entry_order INTEGER, parts_sha256 TEXT, part_size INTEGER, PRIMARY KEY (kind, owner, id));"
            "CREATE INDEX by_file ON entries (file); CREATE INDEX by_id ON entries (kind, id)"
        )

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries; a later one of the same thing wins."""
        rows = (tuple(asdict(entry).values()) for entry in entries)
        self._db.executemany(
            f"INSERT OR REPLACE INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 fixed
            rows,
        )

    def get(self, kind: str, owner: str, one: str = "") -> Entry | None:
        """The entry of one thing."""
        found = self._select("kind = ? AND owner = ? AND id = ?", (kind, owner, one))
        return next(found, None)

    def run(self, run_id: str) -> Entry | None:
        """The entry of a run."""
        return next(self._select("kind = ? AND id = ?", (RUN, run_id)), None)

    def of(self, kind: str, owner: str | None = None) -> Iterator[Entry]:
        """All entries of a kind, or those of one owner, in order."""
        if owner is None:
            return self._select("kind = ?", (kind,))
        return self._select("kind = ? AND owner = ?", (kind, owner))

    def all(self) -> Iterator[Entry]:
        """All entries."""
        return self._select("1", ())

    def holds(self, file: str) -> bool:
        """Whether a file of the archive belongs to this."""
        return self._db.execute("SELECT 1 FROM entries WHERE file = ?", (file,)).fetchone() is not None

    def close(self) -> None:
        """Let the temporary file go."""
        self._db.close()

    def _select(self, where: str, values: tuple[object, ...]) -> Iterator[Entry]:
        statement = f"SELECT {_COLUMNS} FROM entries WHERE {where} ORDER BY entry_order, owner, id"  # noqa: S608 fixed
        return (Entry(*row) for row in self._db.execute(statement, values))


class Archive:
    """An archive in a folder or S3 prefix."""

    def __init__(self, store: Folder | S3) -> None:
        self.store = store

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, oldest first; none where there is no archive yet.

        Raises:
            InputError: this is something else, or of a later version.
        """
        try:
            text = b"".join(self.store.read(INDEX))
        except Exception as error:
            if _is_absent(error):
                return []
            raise
        try:
            index = json.loads(text)
            known = index["format"] == FORMAT
            version = int(index["version"])
            found = [_made(Snapshot, one) for one in index["snapshots"]]
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{self.store.uri}/{INDEX} is damaged or no archive's index") from None
        if not known or version > VERSION:
            raise InputError(
                f"{self.store.uri} is of format {index['format']} {version}: use a later version of this tool"
            )
        return found

    def manifest(self, snapshot: Snapshot) -> Manifest:
        """The entries of a snapshot.

        Raises:
            PlatformError: a part of it is missing or damaged.
        """
        manifest = Manifest()
        for part in snapshot.parts:
            manifest.add(self._part(part["file"], part["sha256"]))
        return manifest

    def leftovers(self) -> Iterator[Entry]:
        """Entries of a backup that was broken off: its files are there, and need not be written again."""
        known = {part["file"] for snapshot in self.snapshots() for part in snapshot.parts}
        for item in list(self.store.below(_PARTS).list()):
            file = f"{_PARTS}/{item.path}"
            if file not in known:
                yield from self._part(file, "")

    def write_part(self, taken: str, number: int, entries: list[Entry]) -> dict[str, Any]:
        """Write some lines of a manifest, so that a backup that is broken off can go on from them."""
        content = b"".join(_line(_brief(entry)) for entry in entries)
        file = f"{_PARTS}/{taken}/{number:06}.jsonl"
        self.store.write(file, [content], len(content))
        return {"file": file, "sha256": _sha256(content), "size": len(content)}

    def publish(self, snapshots: list[Snapshot]) -> None:
        """Make these the archive's snapshots: the one write that makes a backup count."""
        index = {"format": FORMAT, "version": VERSION, "snapshots": [asdict(one) for one in snapshots]}
        content = json.dumps(index, indent=1).encode()
        self.store.write(INDEX, [content], len(content))

    def prune(self, keep: int) -> int:
        """Keep the newest snapshots and delete every file that none of them needs.

        Returns:
            How many files were deleted.
        """
        kept = self.snapshots()[-keep:]
        if not kept:
            return 0
        needed = Manifest()
        for snapshot in kept:
            # Only the files count here: each gets a key of its own.
            entries = self.manifest(snapshot)
            needed.add(Entry("file", one.file, one.size, one.sha256, "", one.file) for one in entries.all())
            entries.close()
        self.publish(kept)
        files = {INDEX, *(part["file"] for snapshot in kept for part in snapshot.parts)}
        deleted = 0
        for item in list(self.store.list()):
            if item.path not in files and not needed.holds(item.path):
                self.store.delete(item.path)
                deleted += 1
        needed.close()
        return deleted

    def _part(self, file: str, sha256: str) -> Iterator[Entry]:
        try:
            content = b"".join(self.store.read(file))
        except Exception as error:
            if _is_absent(error):
                raise PlatformError(f"{self.store.uri}/{file} is missing: the archive is damaged") from None
            raise
        if sha256 and _sha256(content) != sha256:
            raise PlatformError(f"{self.store.uri}/{file} is damaged: its checksum is not the one that was written")
        return (_made(Entry, json.loads(line)) for line in content.splitlines())


class Parts:
    """Collects entries and writes them as parts of a snapshot's manifest."""

    def __init__(self, archive: Archive, taken: str) -> None:
        self._archive, self._taken = archive, taken
        self._open: list[Entry] = []
        self.written: list[dict[str, Any]] = []

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        self._open.append(entry)
        if len(self._open) >= _PART_ENTRIES:
            self.flush()

    def flush(self) -> None:
        """Write what is open."""
        if self._open:
            self.written.append(self._archive.write_part(self._taken, len(self.written), self._open))
            self._open = []


def safe_name(text: str) -> str:
    """A file name for any text."""
    plain = re.sub(r"[^\w.\-]", "_", text)[:80]
    return plain if plain == text and plain not in {"", ".", ".."} else f"{plain}-{digest(text)[:8]}"


def _brief(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if value or name not in {"parts_sha256", "part_size"}}


def _made(kind: type[T], data: dict[str, Any]) -> T:
    """What a line holds; fields that a later version of the tool added are left out."""
    known = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in data.items() if name in known})


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_absent(error: Exception) -> bool:
    response = getattr(error, "response", {})
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return isinstance(error, FileNotFoundError | NotADirectoryError) or code in {"NoSuchKey", "404"}


def as_archive_store(store: Store) -> Folder | S3:
    """The store, if an archive can lie in it."""
    if isinstance(store, Folder | S3):
        return store
    raise InputError(f"{store.uri} can hold no archive: give a folder or an S3 prefix")
