"""The manifest of a snapshot: one entry for each of its files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from mlflow_transfer.checksums import Checksum
from mlflow_transfer.scratch import full

_COLUMNS = "kind, file, size, sha256, owner, id, state, entry_order, parts_sha256, part_size"
EXPERIMENTS, RUN, MODELS, REGISTERED, TRACES, ARTIFACT = (
    "experiments", "run", "logged_models", "registered_models", "traces", "artifact",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One file of a snapshot.

    Args:
        file: its path in the archive.
        owner: of a record file, the experiment; of an artifact, the artifact root (a URI).
        id: of a run's file, the run; of an artifact, its path below its root.
        state: changes when the source's object changes. The next backup compares it to find what is new.
        order: the start time of a run, in milliseconds.
        sha256: the SHA-256 of the whole file; empty if only `parts_sha256` is known.
        parts_sha256: for a file that S3 copied in parts of `part_size` bytes, the SHA-256 of the SHA-256s of its parts.
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
        """The checksum of the file's content; None if none is stored."""
        if self.parts_sha256:
            return Checksum(self.parts_sha256, self.part_size)
        return Checksum(self.sha256) if self.sha256 else None


class Manifest:
    """The entries of a snapshot, in a temporary file, because there may be millions."""

    def __init__(self) -> None:
        # An empty name means a temporary file, which SQLite deletes by itself.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "CREATE TABLE entries (kind TEXT, file TEXT, size INTEGER, sha256 TEXT, owner TEXT, id TEXT, state TEXT, "
            "entry_order INTEGER, parts_sha256 TEXT, part_size INTEGER, PRIMARY KEY (kind, owner, id));"
            "CREATE INDEX by_file ON entries (file); CREATE INDEX by_id ON entries (kind, id)"
        )

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries. A later entry of the same object replaces the earlier one."""
        rows = (tuple(asdict(entry).values()) for entry in entries)
        statement = f"INSERT OR REPLACE INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 fixed
        try:
            self._db.executemany(statement, rows)
        except sqlite3.Error as error:
            raise full(error) from None

    def get(self, kind: str, owner: str, one: str = "") -> Entry | None:
        """The entry of one object; None if there is none."""
        found = self._select("kind = ? AND owner = ? AND id = ?", (kind, owner, one))
        return next(found, None)

    def run(self, run_id: str) -> Entry | None:
        """The entry of a run; None if there is none."""
        return next(self._select("kind = ? AND id = ?", (RUN, run_id)), None)

    def of(self, kind: str, owner: str | None = None) -> Iterator[Entry]:
        """All entries of a kind, or only those of one owner, in order."""
        if owner is None:
            return self._select("kind = ?", (kind,))
        return self._select("kind = ? AND owner = ?", (kind, owner))

    def all(self) -> Iterator[Entry]:
        """All entries."""
        return self._select("1", ())

    def holds(self, file: str) -> bool:
        """Whether a file of the archive belongs to this manifest."""
        return self._db.execute("SELECT 1 FROM entries WHERE file = ?", (file,)).fetchone() is not None

    def close(self) -> None:
        """Delete the temporary file."""
        self._db.close()

    def _select(self, where: str, values: tuple[object, ...]) -> Iterator[Entry]:
        statement = f"SELECT {_COLUMNS} FROM entries WHERE {where} ORDER BY entry_order, owner, id"  # noqa: S608 fixed
        return (Entry(*row) for row in self._db.execute(statement, values))
