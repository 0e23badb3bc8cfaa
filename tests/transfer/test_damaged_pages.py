"""A database with one destroyed page: the rows of the other pages are read, and the losses name the others' owners."""

# ruff: noqa: S608 fixed statements

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mlflow_transfer.archive import Archive, Snapshot
from mlflow_transfer.backup import Backup
from mlflow_transfer.losses import LostParts
from mlflow_transfer.options import Options
from mlflow_transfer.sources import database
from mlflow_transfer.sources.database import DatabaseSource
from mlflow_transfer.stores import Folder
from tests.transfer.moving import places
from tests.transfer.servers import Forks
from tests.transfer.test_unreadable_databases import change
from tests.transfer.test_unreadable_file_stores import everything

COUNT, POINTS, PAGE = 600, 2_000, 4096
MANY = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT - 1})"
FILL = f"""
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time)
    VALUES (7, 'seven', '/x/7', 'active', 1);
{MANY} INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, experiment_id,
    artifact_uri) SELECT printf('%032x', i), 'r', 'u', 'FINISHED', 1 + i, 2, 'active', 7, '' FROM n;
{MANY} INSERT INTO params (key, value, run_uuid) SELECT 'p', hex(zeroblob(50)), printf('%032x', i) FROM n;
{MANY} INSERT INTO tags (key, value, run_uuid) SELECT 't', hex(zeroblob(50)), printf('%032x', i) FROM n;
{MANY} INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source)
    SELECT 'd' || i, 7, 'd', 'd' || i, 'local', 's' FROM n;
{MANY} INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step)
    SELECT 'i' || i, 'DATASET', 'd' || i, 'RUN', printf('%032x', i), 0 FROM n;
{MANY} INSERT INTO input_tags (input_uuid, name, value) SELECT 'i' || i, 'k', hex(zeroblob(50)) FROM n;
{MANY} INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, creation_timestamp_ms,
    last_updated_timestamp_ms, status, lifecycle_stage) SELECT 'm-' || i, 7, 'm', '/x', 1, 1, 2, 'active' FROM n;
{MANY} INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status)
    SELECT 'tr-' || i, 7, 1, 1, 'OK' FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {POINTS - 1})
    INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)
    SELECT 'm', i, i, printf('%032x', 0), i, 0 FROM n;
INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan)
    SELECT key, value, timestamp, run_uuid, step, is_nan FROM metrics ORDER BY step DESC LIMIT 1;
"""


@pytest.fixture(scope="module")
def sound(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "mlflow.db"
    path.write_bytes(forks.database("3.0").read_bytes())
    change(path, FILL)
    return path.read_bytes()


def damaged(path: Path, sound: bytes, table: str) -> Path:
    """A copy in which the middle leaf of the table's tree is zeroed (https://sqlite.org/fileformat2.html#b_tree_pages)."""
    path.write_bytes(sound)
    with closing(sqlite3.connect(path)) as connection:
        query = f"SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = '{table}'"
        (page,) = connection.execute(query).fetchone()
    content = bytearray(sound)
    while content[start := PAGE * (page - 1)] == 5:
        middle = start + 12 + int.from_bytes(content[start + 3 : start + 5]) // 2 * 2
        cell = start + int.from_bytes(content[middle : middle + 2])
        page = int.from_bytes(content[cell : cell + 4])
    assert content[start] == 13
    content[start : start + PAGE] = bytes(PAGE)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("table", ["runs", "params", "tags", "inputs", "datasets", "input_tags"])
def test_a_destroyed_page_loses_its_runs_by_name_and_no_others(tmp_path: Path, sound: bytes, table: str) -> None:
    source = DatabaseSource(f"sqlite:///{damaged(tmp_path / 'a.db', sound, table)}", places().store)
    runs = asyncio.run(everything(source))["runs"]
    lost = LostParts(source.losses)
    incomplete = [run_id for run_id in (f"{i:032x}" for i in range(COUNT)) if not complete(runs.get(run_id))]
    assert 0 < len(incomplete) < COUNT / 2
    assert [run_id for run_id in incomplete if not lost.of(run_id)] == []


def complete(run: Any) -> bool:
    inputs = run["inputs"] if run else []
    return bool(inputs and inputs[0]["tags"] and run["params"] and "t" in run["tags"])


@pytest.mark.parametrize(("table", "kind", "name"), [("logged_models", "models", "m"), ("trace_info", "traces", "tr")])
def test_the_models_and_traces_after_a_destroyed_page_are_read(
    tmp_path: Path, sound: bytes, table: str, kind: str, name: str
) -> None:
    source = DatabaseSource(f"sqlite:///{damaged(tmp_path / 'a.db', sound, table)}", places().store)
    found = {one["id"] for one in asyncio.run(everything(source))[kind]}
    lost = LostParts(source.losses)
    missing = {f"{name}-{i}" for i in range(COUNT)} - found
    assert 0 < len(missing) < COUNT / 2
    assert [one for one in missing if not lost.of(one)] == []


def back_up(path: Path, archive: Path, taken: str) -> Snapshot:
    source = DatabaseSource(f"sqlite:///{path}", places().store)
    options = Options(include_deleted=True, artifacts=False)
    return asyncio.run(Backup(source, Archive(Folder(archive)), taken, options).run())


@pytest.mark.parametrize("group", [10, 100_000])
def test_a_run_with_a_destroyed_page_of_points_is_read_again_after_the_repair(
    tmp_path: Path, sound: bytes, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "GROUP_POINTS", group)
    path = damaged(tmp_path / "a.db", sound, "metrics")
    first = back_up(path, tmp_path / "archive", "20261130T000000Z")
    assert any(f"{0:032x}" in loss["place"] for loss in first.losses)
    path.write_bytes(sound)
    second = back_up(path, tmp_path / "archive", "20261130T000001Z")
    assert (second.losses, second.counts["metric points"]) == ([], POINTS)
