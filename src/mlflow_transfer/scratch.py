"""Scratch tables: temporary data of a copy or a verification.

They are on disk, because there may be millions of rows.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence

from mlflow_common.errors import PlatformError
from mlflow_transfer.records import ModelPoint, Point, point_key
from mlflow_transfer.stores import Item

_SCHEMA = """
CREATE TABLE model_points (
    run TEXT, model TEXT, key TEXT, value REAL, timestamp INTEGER, step INTEGER, dataset TEXT, digest TEXT
);
CREATE INDEX model_points_by_run ON model_points (run);
CREATE TABLE files (root TEXT, owner BLOB, path BLOB, size INTEGER, tag TEXT);
CREATE INDEX files_by_owner ON files (root, owner);
CREATE TABLE unmatched (target TEXT PRIMARY KEY, source TEXT) WITHOUT ROWID;
CREATE TABLE present_points (run TEXT, point TEXT, PRIMARY KEY (run, point)) WITHOUT ROWID;
"""


class Scratch:
    """Tables in a temporary file, which SQLite deletes by itself."""

    def __init__(self) -> None:
        # An empty name means a temporary file.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Delete the tables."""
        self._db.close()

    def add_model_points(self, points: Iterable[ModelPoint]) -> None:
        """Add points of runs that belong to logged models."""
        rows = [(p.run_id, p.model_id, *p.point, p.dataset_name, p.dataset_digest) for p in points]
        self._add("INSERT INTO model_points VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def model_points(self, run_id: str) -> list[ModelPoint]:
        """The points of a run that belong to logged models."""
        query = "SELECT model, key, value, timestamp, step, dataset, digest FROM model_points WHERE run = ?"
        rows = self._db.execute(query, (run_id,)).fetchall()
        # SQLite stores NaN as NULL: https://sqlite.org/quirks.html#no_support_for_nan
        return [
            ModelPoint(model, run_id, Point(key, math.nan if value is None else value, *rest), dataset, digest)
            for model, key, value, *rest, dataset, digest in rows
        ]

    def add_files(self, root: str, items: Iterable[tuple[str, Item]]) -> None:
        """Add the files below an artifact root, each with the folder that owns it."""
        rows = ((root, _bytes(owner), _bytes(item.path), item.size, item.tag) for owner, item in items)
        self._add("INSERT INTO files VALUES (?, ?, ?, ?, ?)", rows)

    def files(self, root: str, owner: str) -> list[Item]:
        """The files of one owner, sorted by path."""
        query = "SELECT path, size, tag FROM files WHERE root = ? AND owner = ? ORDER BY path"
        rows = self._db.execute(query, (root, _bytes(owner)))
        return [Item(path.decode(errors="surrogatepass"), *others) for path, *others in rows]

    def add_present(self, run: str, points: Sequence[Point]) -> None:
        """Add points that a run has at the destination."""
        self._add("INSERT OR IGNORE INTO present_points VALUES (?, ?)", [(run, _text(point)) for point in points])

    def take_missing(self, run: str, points: Sequence[Point]) -> list[Point]:
        """Return the points that the run does not have yet, and add them as present."""
        statement = "INSERT OR IGNORE INTO present_points VALUES (?, ?)"
        try:
            return [point for point in points if self._db.execute(statement, (run, _text(point))).rowcount]
        except sqlite3.Error as error:
            raise full(error) from None

    def drop_present(self, run: str) -> None:
        """Drop the points that were added for a run."""
        self._add("DELETE FROM present_points WHERE run = ?", [(run,)])

    def add_unmatched(self, target: str, source: str) -> None:
        """Add a copy whose original has not been found yet."""
        self._add("INSERT OR REPLACE INTO unmatched VALUES (?, ?)", [(target, source)])

    def drop_unmatched(self, target: str) -> None:
        """Remove a copy whose original was found."""
        self._add("DELETE FROM unmatched WHERE target = ?", [(target,)])

    def unmatched(self) -> list[tuple[str, str]]:
        """The copies whose original was not found: the ids of the copy and of the original."""
        return self._db.execute("SELECT target, source FROM unmatched ORDER BY target").fetchall()

    def _add(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        try:
            self._db.executemany(statement, rows)
        except sqlite3.Error as error:
            raise full(error) from None


def _text(point: Point) -> str:
    return repr(point_key(point))


def _bytes(name: str) -> bytes:
    """A file's name, which need not be UTF-8."""
    return name.encode(errors="surrogatepass")


def full(error: sqlite3.Error) -> PlatformError:
    """The error of a temporary database that cannot be written."""
    return PlatformError(f"temporary files cannot be written ({error}): make room there, or set TMPDIR to another disk")
