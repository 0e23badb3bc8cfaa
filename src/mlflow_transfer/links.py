"""Links: which object of the destination belongs to which object of the source, and how complete it is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mlflow_common.errors import PlatformError
from mlflow_transfer.records import ACTIVE, DELETED

SCHEMA = """
CREATE TABLE IF NOT EXISTS links (
    kind TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, source_uri TEXT NOT NULL, target_uri TEXT NOT NULL,
    state TEXT NOT NULL, fingerprint TEXT NOT NULL, stage TEXT NOT NULL,
    PRIMARY KEY (kind, source)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS links_by_target ON links (kind, target);
"""
_COLUMNS = "source, target, source_uri, target_uri, state, fingerprint, stage"


class Kind(StrEnum):
    """What a link connects. Experiments have no links: `matching` pairs them in memory."""

    RUN = "run"
    MODEL = "model"
    TRACE = "trace"


class State(StrEnum):
    """How complete an object is at the destination."""

    PARTIAL = "partial"
    """It exists, and parts of it may be missing."""
    EMPTY = "empty"
    """This process created it, so it is still empty."""
    WHOLE = "whole"
    """It was copied completely when its source had the link's fingerprint."""
    SAME = "same"
    """It is the source's object itself: both sides are the same server, and the ids are equal."""


@dataclass(frozen=True)
class Link:
    """A pair of objects.

    Args:
        source, target: the ids on both sides.
        source_uri, target_uri: the artifact roots on both sides.
        fingerprint: of a whole object; it changes when the source's object does.
        stage: of the destination's object, active or deleted.
    """

    source: str
    target: str
    source_uri: str = ""
    target_uri: str = ""
    state: State = State.PARTIAL
    fingerprint: str = ""
    stage: str = ACTIVE

    @property
    def same_id(self) -> bool:
        """Whether both sides are the same object, not a copy."""
        return self.state is State.SAME

    @property
    def whole(self) -> bool:
        """Whether the object was copied completely."""
        return self.state is State.WHOLE

    @property
    def deleted(self) -> bool:
        """Whether the destination's object is deleted."""
        return self.stage == DELETED


class Links:
    """Links in a SQLite database, because there may be millions.

    Args:
        explain: turns an error of the database into an error message for users.
    """

    def __init__(self, db: sqlite3.Connection, explain: Callable[[sqlite3.Error], PlatformError]) -> None:
        self._db, self._explain = db, explain

    @classmethod
    def temporary(cls) -> Links:
        """Links in a temporary file, which SQLite deletes by itself."""
        db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        db.executescript(SCHEMA)
        return cls(db, lambda error: PlatformError(f"temporary files cannot be written ({error}): make room there"))

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def clear(self) -> None:
        """Delete all links, before they are read again from the destination."""
        self._execute("DELETE FROM links", ())

    def put(self, kind: Kind, link: Link) -> None:
        """Store a link, or its new state."""
        values = (kind, link.source, link.target, link.source_uri, link.target_uri)
        self._execute(
            "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, link.state, link.fingerprint, link.stage),
        )

    def get(self, kind: Kind, source: str) -> Link | None:
        """The link of a source's object; None if there is none."""
        where = "kind = ? AND source = ?"
        return next(self._select(where, (kind, source)), None)

    def is_same(self, kind: Kind, source: str) -> bool:
        """Whether the destination has this very object."""
        found = self.get(kind, source)
        return found is not None and found.same_id

    def target(self, source: str) -> str | None:
        """The destination's id for any id of the source; None if there is none."""
        row = self._execute("SELECT target FROM links WHERE source = ?", (source,)).fetchone()
        return row[0] if row else None

    def _select(self, where: str, values: tuple[object, ...]) -> Iterator[Link]:
        rows = self._execute(f"SELECT {_COLUMNS} FROM links WHERE {where}", values).fetchall()  # noqa: S608 fixed
        for source, target, source_uri, target_uri, state, fingerprint, stage in rows:
            yield Link(source, target, source_uri, target_uri, State(state), fingerprint, stage)

    def _execute(self, statement: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._explain(error) from None
