"""What a transfer knows between its runs: source id to destination id, and how far each thing is.

A SQLite file. It is a memory and no authority: the destination's own tags are, and `rebuild` in `copying` fills this
from them, so that losing the file costs a few calls and no duplicate.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_transfer.records import ModelPoint, Point, point_key
from mlflow_transfer.stores import Item

_SCHEMA = """
CREATE TABLE IF NOT EXISTS links (
    kind TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    source_uri TEXT NOT NULL, target_uri TEXT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (kind, source)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS links_by_target ON links (kind, target);
CREATE TABLE IF NOT EXISTS artifacts (owner TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE model_points (
    run TEXT, model TEXT, key TEXT, value REAL, timestamp INTEGER, step INTEGER, dataset TEXT, digest TEXT
);
CREATE INDEX temp.model_points_by_run ON model_points (run);
CREATE TEMP TABLE listing (root TEXT, owner TEXT, path TEXT, size INTEGER, tag TEXT);
CREATE INDEX temp.listing_by_owner ON listing (root, owner);
CREATE TEMP TABLE seen (run TEXT, point TEXT, PRIMARY KEY (run, point)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Link:
    """A thing of the source and what it is at the destination. `state` is empty until it is there whole.

    `own`: the destination has it under the source's own id, so it is the very same; `state` is then its stage.
    """

    source: str
    target: str
    source_uri: str = ""
    target_uri: str = ""
    state: str = ""

    @property
    def own(self) -> bool:
        """Whether both are the same thing."""
        return self.source == self.target


class Checkpoint:
    """The open file, or one that lives in memory. Written from one thread; SQLite serialises what others read.

    A file is this one's alone until it is closed: two copies at once would make everything twice.

    Raises:
        PreconditionError: another copy has it open.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=1)
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            # A kill may cost the last links, which the destination knows; never the file.
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA temp_store=FILE")
            self._db.execute("PRAGMA cache_size=-8000")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise PreconditionError(f"another copy works with {path}: wait until it has ended") from None
            raise PlatformError(f"the checkpoint {path} cannot be opened ({error}): see --checkpoint") from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def forget(self, kind: str) -> None:
        """Drop all links of a kind, before they are read anew."""
        self._write("DELETE FROM links WHERE kind = ?", (kind,))

    def put(self, kind: str, link: Link) -> None:
        """Remember a link, or its new state."""
        self._write(
            "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?)",
            (kind, link.source, link.target, link.source_uri, link.target_uri, link.state),
        )

    def get(self, kind: str, source: str) -> Link | None:
        """The link of a source's thing."""
        row = self._db.execute(
            "SELECT source, target, source_uri, target_uri, state FROM links WHERE kind = ? AND source = ?",
            (kind, source),
        ).fetchone()
        return Link(*row) if row else None

    def is_own(self, kind: str, source: str) -> bool:
        """Whether the destination has this very thing."""
        found = self.get(kind, source)
        return found is not None and found.own

    def target(self, source: str) -> str | None:
        """The destination's id of any id of the source."""
        row = self._db.execute("SELECT target FROM links WHERE source = ? AND kind != 'experiment'", (source,))
        found = row.fetchone()
        return found[0] if found else None

    def links(self, kind: str) -> Iterator[Link]:
        """All links of a kind."""
        query = "SELECT source, target, source_uri, target_uri, state FROM links WHERE kind = ?"
        yield from (Link(*row) for row in self._db.execute(query, (kind,)).fetchall())

    def count(self, kind: str) -> int:
        """How many links of a kind there are."""
        return int(self._db.execute("SELECT count(*) FROM links WHERE kind = ?", (kind,)).fetchone()[0])

    def artifacts(self, owner: str) -> str:
        """The digest of a folder's listing when its files were last copied whole; `owner` is where they went."""
        row = self._db.execute("SELECT digest FROM artifacts WHERE owner = ?", (owner,)).fetchone()
        return str(row[0]) if row else ""

    def put_artifacts(self, owner: str, digest: str) -> None:
        """Remember that an owner's artifacts are there whole."""
        self._write("INSERT OR REPLACE INTO artifacts VALUES (?, ?)", (owner, digest))

    def add_model_points(self, points: Iterable[ModelPoint]) -> None:
        """Remember which points of runs belong to logged models, until `model_points` asks."""
        rows = [(p.run_id, p.model_id, *p.point, p.dataset_name, p.dataset_digest) for p in points]
        self._write_all("INSERT INTO model_points VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def model_points(self, run_id: str) -> list[ModelPoint]:
        """The points of a run that belong to logged models."""
        query = "SELECT model, key, value, timestamp, step, dataset, digest FROM model_points WHERE run = ?"
        rows = self._db.execute(query, (run_id,)).fetchall()
        return [ModelPoint(row[0], run_id, Point(*row[1:5]), row[5], row[6]) for row in rows]

    def add_listing(self, root: str, items: Iterable[tuple[str, Item]]) -> None:
        """Remember the files below a root, each with the folder that owns it."""
        rows = ((root, owner, item.path, item.size, item.tag) for owner, item in items)
        self._write_all("INSERT INTO listing VALUES (?, ?, ?, ?, ?)", rows)

    def listing(self, root: str, owner: str) -> list[Item]:
        """The files of one owner, sorted."""
        query = "SELECT path, size, tag FROM listing WHERE root = ? AND owner = ? ORDER BY path"
        return [Item(*row) for row in self._db.execute(query, (root, owner))]

    def see(self, run: str, points: Sequence[Point]) -> None:
        """Note points that a run has at the destination."""
        rows = [(run, repr(point_key(point))) for point in points]
        self._write_all("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)

    def unseen(self, run: str, points: Sequence[Point]) -> list[Point]:
        """Those of the points that the run does not have yet; they are noted."""
        statement = "INSERT OR IGNORE INTO seen VALUES (?, ?)"
        return [point for point in points if self._write(statement, (run, repr(point_key(point))))]

    def unsee(self, run: str) -> None:
        """Forget the noted points of a run."""
        self._db.execute("DELETE FROM seen WHERE run = ?", (run,))

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        try:
            return self._db.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise self._full(error) from None

    def _write_all(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        try:
            self._db.executemany(statement, rows)
        except sqlite3.Error as error:
            raise self._full(error) from None

    def _full(self, error: sqlite3.Error) -> PlatformError:
        return PlatformError(f"the checkpoint {self._path} cannot be written ({error}): make room there and try again")
