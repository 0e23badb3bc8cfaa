"""The checkpoint: a SQLite file that a copy keeps between its runs.

It is only a cache. The destination's tags are authoritative, and every copy reads the links from them again. A copy
takes only the digests of file listings from an old checkpoint. Losing the file costs calls, but creates no duplicates.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_transfer import links
from mlflow_transfer.links import Links

# Increment this whenever a table changes. A file of another version is rebuilt.
VERSION = 2
# Marks a SQLite file as a checkpoint ("mlft"): https://www.sqlite.org/pragma.html#pragma_application_id
_APPLICATION = 0x6D6C6674
_SCHEMA = (
    links.SCHEMA + "CREATE TABLE IF NOT EXISTS artifacts (owner TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;"
)
# The tables of old files that have no application id and no version.
_UNMARKED_TABLES = frozenset({"links", "artifacts"})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Checkpoint:
    """The open file, or a database in memory. One thread writes to it; SQLite serializes reads from other threads.

    The file is locked until it is closed, because two simultaneous copies would create everything twice.

    Args:
        path: the file; None for a checkpoint in memory.

    Raises:
        PreconditionError: another copy has the file open, or it is damaged.
        InputError: the file is another program's database.
        PlatformError: the file cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=1)
        except (OSError, sqlite3.Error) as error:
            raise self._explained(error, "opened") from None
        # A damaged digest is not a file's digest, so its files are copied again.
        self._db.text_factory = lambda content: content.decode(errors="replace")
        try:
            self._prepare()
        except (sqlite3.Error, UnicodeError) as error:
            # Python's driver decodes SQLite's message, which repeats parts of a damaged schema.
            self._db.close()
            raise self._explained(error, "opened") from None
        except InputError:
            self._db.close()
            raise
        self.links = Links(self._db, self._explained)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def artifacts(self, owner: str) -> str:
        """The digest of a folder's listing when its files were last copied completely.

        Args:
            owner: the artifact URI at the destination.
        """
        try:
            row = self._db.execute("SELECT digest FROM artifacts WHERE owner = ?", (owner,)).fetchone()
        except sqlite3.Error as error:
            raise self._explained(error) from None
        return str(row[0]) if row else ""

    def put_artifacts(self, owner: str, digest: str) -> None:
        """Record that all files of an owner were copied."""
        try:
            self._db.execute("INSERT OR REPLACE INTO artifacts VALUES (?, ?)", (owner, digest))
        except sqlite3.Error as error:
            raise self._explained(error) from None

    def _prepare(self) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        # Check before anything is written, because the file may belong to another program.
        application, version = (self._pragma(name) for name in ("application_id", "user_version"))
        tables = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        ours = application == _APPLICATION or (not application and tables <= _UNMARKED_TABLES)
        if not ours:
            raise InputError(f"{self._path} is a database, not a checkpoint: choose another file with --checkpoint")
        # A killed process may lose the last writes, but does not damage the file.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA cache_size=-8000")
        if tables and version != VERSION:
            drops = "".join(f'DROP TABLE "{table}";' for table in sorted(tables) if not table.startswith("sqlite_"))
            self._db.executescript(f"BEGIN; {drops} COMMIT;")
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA application_id={_APPLICATION}")
        self._db.execute(f"PRAGMA user_version={VERSION}")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _explained(self, error: OSError | sqlite3.Error | UnicodeError, what: str = "written") -> PlatformError:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            return PreconditionError(f"another copy is using {self._path}: wait until it has ended")
        if code in _DAMAGED or isinstance(error, UnicodeError):
            return PreconditionError(
                f"the checkpoint {self._path} is damaged, or the file is not a checkpoint ({error}): delete it and run "
                "the same command again, which reads the progress from the destination, or choose another file with "
                "--checkpoint"
            )
        if code == sqlite3.SQLITE_FULL or what == "written":
            return PlatformError(
                f"the checkpoint {self._path} cannot be written ({error}): make room there and try again"
            )
        return PlatformError(
            f"the checkpoint {self._path} cannot be opened ({error}): choose another file with --checkpoint"
        )
