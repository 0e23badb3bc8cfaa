"""A database with unreadable rows and rows without an owner: each is a named loss, and everything else is read."""

# ruff: noqa: S608 fixed statements

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlflow_transfer.losses import Loss
from mlflow_transfer.sources.database import DatabaseSource
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
            "1 rows of the table tags",
            "no such run",
        ),
        ("INSERT INTO metrics VALUES ('k', 1, 1, 'gone', 0, 0)", "1 rows of the table metrics", "no such run"),
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
        ("UPDATE experiments SET name = CAST(X'ff' AS TEXT) WHERE experiment_id = 7", "experiment 7", "UTF-8"),
    ],
)
def test_an_unreadable_row_is_a_loss_and_the_rest_is_read(path: Path, script: str, place: str, reason: str) -> None:
    change(path, f"PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; {script}")
    found, losses = read(path)
    assert any(place in loss.place and reason in loss.reason for loss in losses), losses
    assert all(loss.place.isprintable() for loss in losses)
    if "experiments" not in script:
        assert OTHER in found["runs"]  # type: ignore[operator]
