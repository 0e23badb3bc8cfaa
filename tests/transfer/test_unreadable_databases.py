"""A database with unreadable rows and rows without an owner: each is a named loss, and everything else is read."""

# ruff: noqa: S608 fixed statements

import asyncio
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import RegisteredModel, Run
from mlflow_transfer.sources.database import DatabaseSource
from mlflow_transfer.sources.database_checks import damage_check, dangling_rows, not_transferred
from tests.support.properties import examples
from tests.transfer.moving import places
from tests.transfer.servers import Forks
from tests.transfer.test_unreadable_file_stores import everything

RUN, OTHER = "a" * 32, "b" * 32
FILL = f"""
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time)
    VALUES (7, 'seven', '/x/7', 'active', 1);
INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, experiment_id, artifact_uri)
    VALUES ('{RUN}', 'r', 'u', 'FINISHED', 1, 2, 'active', 7, '/x/7/{RUN}/artifacts'),
           ('{OTHER}', 'o', 'u', 'FINISHED', -5, 2, 'active', 7, '/x/7/{OTHER}/artifacts');
INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)
    VALUES ('m', 1.0, 1, '{RUN}', 0, 0), ('m', 2.0, 2, '{RUN}', 1, 0);
INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES ('m', 2.0, 2, '{RUN}', 1, 0);
INSERT INTO params (key, value, run_uuid) VALUES ('p', 'v', '{RUN}');
INSERT INTO tags (key, value, run_uuid) VALUES ('t', 'v', '{RUN}');
INSERT INTO registered_models (name, creation_time) VALUES ('reg', 1);
INSERT INTO model_versions (name, version, creation_time, current_stage, source) VALUES ('reg', 1, 1, 'None', 's');
"""
# Rows of the other tables, for tests that damage any table.
MORE = f"""
INSERT INTO experiment_tags (key, value, experiment_id) VALUES ('k', 'v', 7);
INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source)
    VALUES ('d', 7, 'd', 'x', 'local', 's');
INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step)
    VALUES ('i', 'DATASET', 'd', 'RUN', '{RUN}', 0), ('o', 'RUN_OUTPUT', '{RUN}', 'MODEL_OUTPUT', 'm-1', 0);
INSERT INTO input_tags (input_uuid, name, value) VALUES ('i', 'k', 'v');
INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, creation_timestamp_ms,
    last_updated_timestamp_ms, status, lifecycle_stage) VALUES ('m-1', 7, 'm', '/x', 1, 1, 2, 'active');
INSERT INTO logged_model_params (model_id, experiment_id, param_key, param_value) VALUES ('m-1', 7, 'k', 'v');
INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value) VALUES ('m-1', 7, 'k', 'v');
INSERT INTO logged_model_metrics (model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, experiment_id,
    run_id) VALUES ('m-1', 'a', 1, 0, 0.5, 7, '{RUN}');
INSERT INTO registered_model_tags (key, value, name) VALUES ('k', 'v', 'reg');
INSERT INTO registered_model_aliases (alias, version, name) VALUES ('best', 1, 'reg');
INSERT INTO model_version_tags (key, value, name, version) VALUES ('k', 'v', 'reg', 1);
INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status) VALUES ('t', 7, 1, 1, 'OK');
INSERT INTO trace_tags (key, value, request_id) VALUES ('k', 'v', 't');
INSERT INTO trace_request_metadata (key, value, request_id) VALUES ('k', 'v', 't');
"""


DROPPED = ("params", "latest_metrics", "model_versions", "logged_models", "trace_tags", "input_tags")


@pytest.fixture
def path(forks: Forks, tmp_path: Path) -> Path:
    found = tmp_path / "mlflow.db"
    shutil.copyfile(forks.database("3.0"), found)
    change(found, FILL)
    return found


def change(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def read(path: Path) -> tuple[dict[str, object], list[Loss]]:
    source = DatabaseSource(f"sqlite:///{path}", places().store)
    found = asyncio.run(everything(source))
    asyncio.run(everything(source))
    return found, source.losses()


def test_reads_a_whole_database_without_losses(path: Path) -> None:
    found, losses = read(path)
    assert losses == []
    # The other run starts before 1970.
    assert set(found["runs"]) == {RUN, OTHER}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("script", "place", "reason"),
    [
        (f"UPDATE tags SET value = CAST(X'e4' AS TEXT) WHERE run_uuid = '{RUN}'", "'t' (table tags)", "UTF-8"),
        (f"UPDATE params SET value = 'a' || char(0) || 'b' WHERE run_uuid = '{RUN}'", "'p' (table params)", "NUL"),
        (f"UPDATE params SET value = X'00ff' WHERE run_uuid = '{RUN}'", "'p' (table params)", "is not text"),
        (
            f"UPDATE metrics SET value = 'much' WHERE run_uuid = '{RUN}' AND step = 1",
            "metric 'm' (table metrics)",
            "much",
        ),
        (
            f"UPDATE runs SET start_time = 'noon' WHERE run_uuid = '{RUN}'",
            f"run '{RUN}' (table runs)",
            "not a whole number",
        ),
        (
            f"UPDATE runs SET lifecycle_stage = NULL WHERE run_uuid = '{RUN}'",
            f"run '{RUN}' (table runs)",
            "is not text",
        ),
        (
            f"UPDATE runs SET experiment_id = 99 WHERE run_uuid = '{RUN}'",
            f"row '{RUN}' of the table runs",
            "no such exp",
        ),
        (
            "INSERT INTO tags (key, value, run_uuid) VALUES ('k', 'v', 'gone')",
            "1 row of the table tags",
            "no such run",
        ),
        ("INSERT INTO metrics VALUES ('k', 1, 1, 'gone', 0, 0)", "1 row of the table metrics", "no such run"),
        (f"DELETE FROM metrics WHERE run_uuid = '{RUN}'", "metric 'm' (table metrics)", "latest_metrics has it"),
        ("INSERT INTO model_versions (name, version) VALUES ('gone', 1)", "model_versions", "no such registered model"),
        ("INSERT INTO registered_model_aliases VALUES ('best', 1, 'gone')", "aliases", "no such registered model"),
        ("INSERT INTO model_version_tags VALUES ('k', 'v', 'gone', 1)", "model_version_tags", "no such registered"),
        (
            "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, status) VALUES ('t', 99, 1, 'OK')",
            "'t'",
            "exp",
        ),
        (
            "INSERT INTO inputs VALUES ('i', 'DATASET', 'gone', 'RUN', 'r', 0)",
            "row 'i' of the table inputs",
            "data set",
        ),
        (
            "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source) "
            "VALUES ('d', 7, 'd', 'x', 'local', 's'); "
            "INSERT INTO inputs VALUES ('i', 'DATASET', 'd', 'RUN', 'gone', 0)",
            "1 row of the table inputs, of runs such as 'gone'",
            "no such runs",
        ),
        (
            "INSERT INTO inputs VALUES ('i', 'RUN_INPUT', 'gone', 'MODEL_INPUT', 'm', 0), "
            "('o', 'RUN_OUTPUT', 'gone', 'MODEL_OUTPUT', 'm', 0)",
            "2 rows of the table inputs, of runs such as 'gone'",
            "no such runs",
        ),
        (
            "INSERT INTO logged_model_metrics (model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, "
            "experiment_id, run_id) VALUES ('m', 'a', 1, 0, 0.5, 7, 'gone')",
            "1 row of the table logged_model_metrics, of run 'gone'",
            "no such run",
        ),
        (
            "CREATE TABLE assessments (id TEXT); INSERT INTO assessments VALUES ('a'), ('b')",
            "2 rows of the table assessments",
            "assessments of traces are not transferred",
        ),
        (
            "CREATE TABLE entity_associations (id TEXT); INSERT INTO entity_associations VALUES ('a')",
            "1 row of the table entity_associations",
            "links of traces, prompts and evaluation data sets to runs and to each other are not transferred",
        ),
        ("UPDATE experiments SET name = CAST(X'ff' AS TEXT) WHERE experiment_id = 7", "experiment 7", "UTF-8"),
        (f"UPDATE runs SET status = 'WEIRD' WHERE run_uuid = '{RUN}'", f"run '{RUN}' (table runs)", "is none of FAIL"),
        (f"UPDATE runs SET lifecycle_stage = 'x' WHERE run_uuid = '{RUN}'", f"run '{RUN}' (table runs)", "is none of"),
        ("UPDATE model_versions SET current_stage = 'x'", "'reg' version 1 (table model_versions)", "is none of"),
        ("UPDATE model_versions SET version = -1", "'reg' version -1 (table model_versions)", "not the number of a"),
        (
            "INSERT INTO inputs VALUES ('i', 'OTHER', 's', 'RUN', 'd', 0)",
            "1 row of the table inputs",
            "links of an unknown kind",
        ),
        (
            "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, status) VALUES ('', 7, 1, 'OK')",
            "1 row of the table trace_info",
            "they have no id",
        ),
        *((f"DROP TABLE {table}", f"table {table}", "it is missing in the database") for table in DROPPED),
    ],
)
def test_an_unreadable_row_is_a_loss_and_the_rest_is_read(path: Path, script: str, place: str, reason: str) -> None:
    change(path, f"PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; {script}")
    found, losses = read(path)
    assert any(place in loss.place and reason in loss.reason for loss in losses), losses
    assert all(loss.place.isprintable() for loss in losses)
    if "experiments" not in script:
        assert OTHER in found["runs"]  # type: ignore[operator]


def test_a_view_is_read_like_a_table(path: Path) -> None:
    whole = read(path)
    for table in ("runs", "params", "logged_models", "trace_info"):
        change(path, f"ALTER TABLE {table} RENAME TO {table}_2; CREATE VIEW {table} AS SELECT * FROM {table}_2")
    assert read(path) == whole


@pytest.mark.parametrize("table", ["runs", "experiments"])
def test_a_database_without_runs_or_experiments_is_refused(path: Path, table: str) -> None:
    change(path, f"PRAGMA foreign_keys = OFF; DROP TABLE {table}")
    with pytest.raises(InputError, match=f"is not an MLflow database: it has no table of {table}"):
        read(path)


def test_a_missing_column_names_the_way_to_update_the_schema(path: Path) -> None:
    change(path, "ALTER TABLE runs DROP COLUMN name")
    with pytest.raises(PreconditionError, match=r"no such column: name.*run `mlflow db upgrade` on a copy"):
        read(path)


def test_an_empty_table_that_no_copy_contains_is_no_loss(path: Path) -> None:
    whole = read(path)
    change(path, "CREATE TABLE assessments (id TEXT)")
    assert read(path) == whole


def test_no_query_needs_a_newer_sqlite() -> None:
    """Before version 3.39, SQLite refuses HAVING without GROUP BY."""
    runs = list(dangling_rows(["inputs", "runs"]))
    assert runs
    for statement, _, _ in (*runs, *not_transferred(["assessments", "webhooks"])):
        assert "HAVING" not in statement


def test_an_alias_of_a_deleted_version_is_no_loss(path: Path) -> None:
    whole = read(path)
    change(path, "INSERT INTO registered_model_aliases VALUES ('old', 9, 'reg')")
    assert read(path) == whole


def in_workspaces(path: Path) -> None:
    """Give the database's tables the workspaces of MLflow 3.10, and fill `team` with the names of the default one."""
    registry = ["registered_models", "registered_model_tags", "registered_model_aliases"]
    for table in ("experiments", *registry, "model_versions", "model_version_tags"):
        # A copy of a table has no constraints, such as unique names.
        change(path, f"CREATE TABLE copy AS SELECT *, 'default' AS workspace FROM {table}; DROP TABLE {table}")
        change(path, f"ALTER TABLE copy RENAME TO {table}")
    change(
        path,
        f"""
        INSERT INTO experiments (experiment_id, name, artifact_location, creation_time, workspace)
            VALUES (3, 'seven', '/x/3', 1, 'team'), (4, 'own', '/x/4', 1, 'team');
        INSERT INTO runs (run_uuid, name, user_id, status, start_time, lifecycle_stage, experiment_id)
            VALUES ('{"c" * 32}', 'c', 'u', 'FINISHED', 1, 'active', 3);
        INSERT INTO registered_models (name, creation_time, workspace) VALUES ('reg', 0, 'team'), ('mine', 2, 'team');
        INSERT INTO registered_model_tags (key, value, name, workspace)
            VALUES ('of', 'default', 'reg', 'default'), ('of', 'team', 'reg', 'team');
        INSERT INTO registered_model_aliases (alias, version, name, workspace) VALUES ('best', 1, 'reg', 'team');
        INSERT INTO model_versions (name, version, creation_time, current_stage, source, workspace)
            VALUES ('reg', 1, 1, 'None', 'of team', 'team'), ('reg', 2, 1, 'None', 'of team', 'team');
        INSERT INTO model_version_tags (key, value, name, version, workspace) VALUES ('of', 'team', 'reg', 1, 'team');
        """,
    )


def test_what_has_the_same_name_in_two_workspaces_is_not_mixed(path: Path) -> None:
    in_workspaces(path)
    source = DatabaseSource(f"sqlite:///{path}", places().store)

    async def listed() -> tuple[list[str], list[RegisteredModel], list[Run]]:
        experiments = [one.id async for one in source.experiments()]
        return experiments, await source.registered_models(), await source.runs_by_id([RUN, "c" * 32])

    experiments, models, runs = asyncio.run(listed())
    assert experiments == ["7", "4"]
    assert [run.id for run in runs] == [RUN]
    registered, own = models
    assert (registered.name, registered.tags, registered.aliases) == ("reg", {"of": "default"}, {})
    assert [(one.version, one.source, one.tags) for one in registered.versions] == [(1, "s", {})]
    assert own.name == "mine"
    assert [loss.place for loss in source.losses()] == [
        "workspace 'team'",
        "experiment 3 'seven' of the workspace 'team'",
        "registered model 'reg' of the workspace 'team'",
    ]


def columns_of(path: Path) -> list[tuple[str, str]]:
    """Every column of every table that has rows."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        filled = [table for table in tables if connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone()]
        return [(table, row[1]) for table in filled for row in connection.execute(f'PRAGMA table_info("{table}")')]


def size(found: Any) -> int:
    """The number of values in all records."""
    if isinstance(found, dict | list | tuple):
        return sum(map(size, found.values() if isinstance(found, dict) else found)) + 1
    return 1


# Values of these columns decide which rows MLflow itself shows. `mlflow gc` leaves inputs of runs that it has deleted.
DECIDING = {"lifecycle_stage", "current_stage", "destination_id"}
VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=4) | st.binary(max_size=4)


@pytest.fixture
def full(path: Path) -> tuple[Path, int]:
    """A database with rows in every table, and the size of its content."""
    change(path, MORE)
    found, losses = read(path)
    assert losses == []
    return path, size(found)


@examples(30)
@given(data=st.data())
def test_damage_to_any_table_is_an_error_of_one_line_or_a_named_loss(
    full: tuple[Path, int], data: st.DataObject
) -> None:
    path, expected = full
    with tempfile.TemporaryDirectory() as folder:
        damaged = Path(folder, "mlflow.db")
        shutil.copyfile(path, damaged)
        table, column = data.draw(st.sampled_from(columns_of(damaged)))
        with closing(sqlite3.connect(damaged)) as connection:
            connection.executescript("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")
            how = data.draw(st.sampled_from(["value", "value", "value", "no table", "other table"]))
            match how:
                case "value":
                    value = data.draw(VALUES)
                    with suppress(sqlite3.IntegrityError, UnicodeEncodeError):
                        connection.execute(f'UPDATE "{table}" SET "{column}" = ?', (value,))
                case "no table":
                    connection.execute(f'DROP TABLE "{table}"')
                case "other table":
                    connection.execute(f'DROP TABLE "{table}"')
                    connection.execute(f'CREATE TABLE "{table}" (x TEXT)')
            connection.commit()
        # An error is one line. Any other exception fails the test.
        with suppress(PlatformError):
            found, losses = read(damaged)
            assert losses or how == "other table" or column in DECIDING or size(found) >= expected


def test_a_damaged_page_that_hides_rows_is_a_loss(full: tuple[Path, int]) -> None:
    path, expected = full
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = 'experiments'"
        page = 4096 * (connection.execute(query).fetchone()[0] - 1)
    content = bytearray(path.read_bytes())
    # The number of rows in the page: one less.
    content[page + 4] -= 1
    path.write_bytes(content)
    found, losses = read(path)
    assert size(found) < expected
    assert {(loss.place, loss.reason.partition(":")[0]) for loss in losses} >= {
        ("the database file", "SQLite finds it damaged, so that rows may be missing")
    }


@pytest.mark.parametrize("table", ["params", "metrics", "model_versions", "trace_info", "inputs"])
def test_a_destroyed_page_is_a_loss_and_the_rest_is_read(full: tuple[Path, int], table: str) -> None:
    path, _ = full
    with closing(sqlite3.connect(path)) as connection:
        query = f"SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = '{table}'"
        page = 4096 * (connection.execute(query).fetchone()[0] - 1)
    content = bytearray(path.read_bytes())
    content[page : page + 4096] = bytes(4096)
    path.write_bytes(content)
    found, losses = read(path)
    assert set(found["runs"]) == {RUN, OTHER}  # type: ignore[call-overload]
    assert any(loss.place.startswith("all rows of") and table in loss.place for loss in losses)


@pytest.mark.parametrize("table", ["experiments", "sqlite_schema"])
def test_without_a_readable_list_of_experiments_there_is_an_error_of_one_line(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'experiments'"
        root = connection.execute(query).fetchone()[0] if table == "experiments" else 1
    content = bytearray(path.read_bytes())
    start = 4096 * (root - 1) + (100 if root == 1 else 0)
    content[start : 4096 * root] = bytes(4096 * root - start)
    path.write_bytes(content)
    with pytest.raises(PreconditionError, match="database disk image is malformed"):
        read(path)


def test_a_database_that_cannot_be_opened_names_what_helps(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match=r"check the path.*with its -wal file"):
        read(tmp_path / "none.db")


def test_a_damaged_schema_is_an_error_of_one_line(path: Path) -> None:
    name = "CAST(X'7480' AS TEXT)"
    change(path, f"PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'x', name = {name} WHERE name = 'tags'")
    with pytest.raises(PreconditionError, match=r"cannot be read: .*can't decode"):
        read(path)


def test_large_files_get_the_quick_check() -> None:
    assert [damage_check(10**size).split()[1] for size in (8, 9)] == ["integrity_check", "quick_check"]


@pytest.mark.parametrize("size", [10**8, 10**9])
def test_rows_that_a_constraint_forbids_do_not_hide_damage(tmp_path: Path, size: int) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        connection.executescript(
            "PRAGMA ignore_check_constraints = ON; CREATE TABLE a (x TEXT CHECK (x != 'no'));"
            "CREATE TABLE b (x TEXT); INSERT INTO b VALUES ('lost')"
        )
        connection.executemany("INSERT INTO a VALUES (?)", [("no",)] * 200)
        page = 4096 * (connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'b'").fetchone()[0] - 1)
    content = bytearray((tmp_path / "a.db").read_bytes())
    content[page + 4] -= 1
    (tmp_path / "a.db").write_bytes(content)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        assert len(connection.execute("PRAGMA integrity_check(20)").fetchall()) == 20
        found = [line for (line,) in connection.execute(damage_check(size))]
    assert found
    assert not [line for line in found if "constraint" in line]


@examples(25)
@given(data=st.data())
def test_damage_to_any_page_is_an_error_of_one_line_or_a_named_loss(
    full: tuple[Path, int], data: st.DataObject
) -> None:
    path, expected = full
    content = bytearray(path.read_bytes())
    page = 4096 * data.draw(st.integers(0, len(content) // 4096 - 1))
    match data.draw(st.sampled_from(["header", "cells", "zeros", "cut"])):
        case "header":
            at = page + data.draw(st.integers(0, 15))
            content[at] ^= data.draw(st.integers(1, 255))
        case "cells":
            at = page + data.draw(st.integers(8, 4000))
            content[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
        case "zeros":
            content[page : page + 4096] = bytes(4096)
        case "cut":
            del content[page:]
    with tempfile.TemporaryDirectory() as folder:
        damaged = Path(folder, "mlflow.db")
        damaged.write_bytes(content)
        # An error is one line. Any other exception fails the test.
        with suppress(PlatformError):
            found, losses = read(damaged)
            assert all(loss.place.isprintable() and loss.reason.isprintable() for loss in losses)
            assert losses or size(found) >= expected


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\0" + bytes(4000), bytes(5000)])
def test_a_file_that_is_no_database_is_an_error_of_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(content)
    with pytest.raises(PreconditionError, match=r"cannot be read: .*not a database"):
        DatabaseSource(f"sqlite:///{tmp_path}/mlflow.db", places().store)


def test_a_url_without_a_file_is_refused() -> None:
    with pytest.raises(InputError, match="write sqlite:///PATH"):
        DatabaseSource("sqlite://", places().store)


@pytest.mark.parametrize("name", ["50%.db", "a#b.db", "a?b.db", "a b.db", "ü.db"])
def test_a_file_name_with_signs_of_a_url_is_that_file(path: Path, tmp_path: Path, name: str) -> None:
    shutil.copyfile(path, tmp_path / name)
    found, losses = read(tmp_path / name.replace("%", "%25").replace("?", "%3F"))
    assert losses == []
    assert len(found["runs"]) == 2  # type: ignore[arg-type]
