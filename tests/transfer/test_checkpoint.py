"""The checkpoint file: its versions, damage, and files that are not checkpoints."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_transfer import checkpoint as checkpoints
from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.links import Kind, Link, State

# The tables of the first release, which stored neither a version nor an application id.
OLD_SCHEMA = """
CREATE TABLE links (kind TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, source_uri TEXT NOT NULL,
    target_uri TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (kind, source)) WITHOUT ROWID;
CREATE TABLE artifacts (owner TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO links VALUES ('run', 'a', 'b', '', '', 'new');
INSERT INTO artifacts VALUES ('s3://b/1', 'digest');
"""


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def works(path: Path) -> None:
    """Check that the checkpoint stores links and digests, and returns them after it was opened again."""
    first = Checkpoint(path)
    first.links.put(Kind.RUN, Link("s", "t", "su", "tu", State.WHOLE, "print", "deleted"))
    first.put_artifacts("owner", "digest")
    first.close()
    second = Checkpoint(path)
    assert second.links.get(Kind.RUN, "s") == Link("s", "t", "su", "tu", State.WHOLE, "print", "deleted")
    assert second.artifacts("owner") == "digest"
    second.close()
    assert version_of(path) == checkpoints.VERSION


def test_keeps_links_and_digests_between_copies(tmp_path: Path) -> None:
    works(tmp_path / "folder" / "map")


def test_rebuilds_a_file_that_predates_versions(tmp_path: Path) -> None:
    path = tmp_path / "map"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(OLD_SCHEMA)
    opened = Checkpoint(path)
    assert opened.links.get(Kind.RUN, "a") is None
    assert opened.artifacts("s3://b/1") == ""
    opened.close()
    works(path)


@pytest.mark.parametrize("version", [checkpoints.VERSION - 1, checkpoints.VERSION + 1])
def test_rebuilds_a_file_of_another_version(tmp_path: Path, version: int) -> None:
    path = tmp_path / "map"
    Checkpoint(path).close()
    with closing(sqlite3.connect(path)) as database:
        # Another version may have other columns and more tables.
        database.executescript(
            "DROP TABLE links; CREATE TABLE links (one TEXT); CREATE TABLE more (two TEXT);"
            f"PRAGMA user_version={version}"
        )
    Checkpoint(path).close()
    with closing(sqlite3.connect(path)) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"links", "artifacts"}
    works(path)


@pytest.mark.parametrize("application", [0, 7])
def test_refuses_a_database_of_another_program_and_leaves_it_as_it_is(tmp_path: Path, application: int) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"CREATE TABLE links (a TEXT); CREATE TABLE runs (a TEXT); PRAGMA application_id={application}"
        )
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"mlflow\.db is a database, not a checkpoint: choose another file"):
        Checkpoint(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"no database at all, only text" * 100, None])
def test_names_a_damaged_file_and_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "map"
    if content is None:
        Checkpoint(path).close()
        content = path.read_bytes()[:100] + b"\xff" * 4000
    path.write_bytes(content)
    with pytest.raises(
        PreconditionError, match=r"map is damaged, or the file is not a checkpoint .*: delete it and run the same"
    ):
        Checkpoint(path)
    assert path.read_bytes() == content


def test_damage_found_after_opening_is_not_reported_as_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "map"
    opened = Checkpoint(path)
    for number in range(2000):
        opened.put_artifacts(f"owner {number}", "digest" * 10)
    opened.close()
    content = bytearray(path.read_bytes())
    # All pages but the first one, which holds the schema.
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with pytest.raises(PreconditionError, match="is damaged, or the file is not a checkpoint"):
        Checkpoint(path).put_artifacts("owner", "digest")


def test_a_damaged_digest_is_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "map"
    Checkpoint(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO artifacts VALUES ('owner', CAST(X'64ff0a' AS TEXT))")
    opened = Checkpoint(path)
    assert opened.artifacts("owner") == "d\ufffd\n"
    opened.close()


def test_names_a_file_with_a_damaged_schema(tmp_path: Path) -> None:
    path = tmp_path / "map"
    Checkpoint(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "PRAGMA writable_schema = ON; "
            "UPDATE sqlite_master SET sql = 'x', name = CAST(X'7480' AS TEXT) WHERE rowid = 1"
        )
    with pytest.raises(PreconditionError, match="map is damaged, or the file is not a checkpoint"):
        Checkpoint(path)


def test_two_copies_never_share_a_checkpoint(tmp_path: Path) -> None:
    first = Checkpoint(tmp_path / "map")
    with pytest.raises(PreconditionError, match="another copy is using"):
        Checkpoint(tmp_path / "map")
    first.close()
    Checkpoint(tmp_path / "map").close()


def test_names_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "map"):
        with pytest.raises(PlatformError, match=r"cannot be opened .*: choose another file with --checkpoint"):
            Checkpoint(path)
