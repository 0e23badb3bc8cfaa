"""Databases and file stores are read without a server, with the same result as from the server."""

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from localaws.settings import Settings
from localaws.tracking.releases import RELEASES, Releases
from localaws.venvs import Venvs
from mlflow_common.errors import PlatformError
from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.copier import Copier
from mlflow_transfer.destination import Destination
from mlflow_transfer.inspecting import inspect
from mlflow_transfer.planning import plan as make_plan
from mlflow_transfer.sources.database import DatabaseSource
from mlflow_transfer.sources.filestore import FileStoreSource
from mlflow_transfer.sources.rest import RestSource
from tests.transfer.conftest import Servers
from tests.transfer.moving import behind, copy, held_alike, places, same, verify
from tests.transfer.seeding import START, Seeder
from tests.transfer.servers import Forks, Server

REPOSITORY = Path(__file__).resolve().parents[2]
FILE_STORE = """
import sys
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag
client = MlflowClient(sys.argv[1], registry_uri=sys.argv[1])
experiment = client.create_experiment("from files", tags={"a": "b"})
gone = client.create_experiment("gone from files")
run = client.create_run(experiment, start_time=1000, run_name="first", tags={"mlflow.user": "ana"})
client.log_batch(
    run.info.run_id,
    [Metric("deep/loss", 1 / (i + 1), 2000 + i, i) for i in range(1500)]
    + [Metric("odd", float(v), 5, i) for i, v in enumerate(["nan", "inf", "-inf"])] + [Metric("odd", 1.0, 6, 9)] * 2,
    [Param("p", "line\\nbreak"), Param("empty", "")], [RunTag("t", "\\u00e4")],
)
data = Dataset("wine", "d1", "local", "{}", schema="{}", profile="p")
client.log_inputs(run.info.run_id, [DatasetInput(data, [InputTag("k", "v")])])
client.log_text(run.info.run_id, "text", "folder/file.txt")
client.set_terminated(run.info.run_id, end_time=9000)
dead = client.create_run(experiment, start_time=1001, run_name="dead")
client.delete_run(dead.info.run_id)
client.delete_experiment(gone)
client.create_registered_model("filed", description="d", tags={"x": "y"})
for _ in range(3):
    client.create_model_version("filed", f"runs:/{run.info.run_id}/folder", run.info.run_id, tags={"n": "1"})
client.delete_model_version("filed", "2")
client.set_registered_model_alias("filed", "best", "3")
client.transition_model_version_stage("filed", "1", "Archived")
model = client.create_logged_model(experiment, "net", run.info.run_id, params={"q": "1"}, tags={"r": "2"})
client.finalize_logged_model(model.model_id, "READY")
client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 4)])
judge = client.create_run(experiment, start_time=1002, run_name="judge")
client.log_metric(judge.info.run_id, "acc", 0.5, timestamp=7, step=3, model_id=model.model_id)
"""


def multiply(database: Path, run_id: str, names: list[str]) -> None:
    """Write copies of a run with other names and ids directly into the database."""
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        for table in ("runs", "tags", "metrics", "latest_metrics"):
            rows = connection.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,))  # noqa: S608 fixed names
            columns = [column[0] for column in rows.description]
            found = [dict(zip(columns, row, strict=True)) for row in rows]
            for name in names:
                own = {"run_uuid": hashlib.sha256(name.encode()).hexdigest()[:32]}
                own |= {"name": name} if table == "runs" else {}
                values = [[own.get(key, value) for key, value in row.items()] for row in found]
                holes = ", ".join("?" * len(columns))
                connection.executemany(f"INSERT INTO {table} VALUES ({holes})", values)  # noqa: S608 fixed names


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_database_contains_the_same_as_its_server(servers: Servers, version: str) -> None:
    server: Server = getattr(servers, version)
    report = same(server.url, DatabaseSource(f"sqlite:///{server.database}", places().store))
    assert report.compared["runs"] >= 8


def test_copies_a_database_read_only_without_calls_to_its_server(servers: Servers) -> None:
    before = hashlib.sha256(servers.old.database.read_bytes()).digest()
    source = DatabaseSource(f"sqlite:///{servers.old.database}", places().store)
    _, copying = copy(source, servers.target.url)
    assert hashlib.sha256(servers.old.database.read_bytes()).digest() == before
    held_alike(servers.old, servers.target)

    # Reading the same runs through the server finds no changed points.
    again, second = copy(servers.old.url, servers.target.url)
    assert again.created == {}
    assert second.progress.done["points"] == 0  # type: ignore[attr-defined]
    assert copying.progress.done["points"] > 2500  # type: ignore[attr-defined]


def test_rejects_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE things (id INTEGER)")
    database.close()
    with pytest.raises(PlatformError, match="is not an MLflow database"):
        DatabaseSource(f"sqlite:///{path}", places().store)
    with pytest.raises(PlatformError, match="cannot be opened"):
        DatabaseSource(f"sqlite:///{tmp_path}/missing.db", places().store)


def test_a_file_store_is_copied_from_its_files(servers: Servers, tmp_path: Path) -> None:
    cache = Settings.from_environment(os.environ).cache
    python = Releases(Venvs(cache / "venvs"), cache / "servers").python(RELEASES["3.0"])
    root = tmp_path / "mlruns"
    subprocess.run([python, "-c", FILE_STORE, str(root)], cwd=tmp_path, check=True, timeout=300)
    source = FileStoreSource(root, places().store)

    copy(source, servers.target.url)
    report = same(source, servers.target.url)

    assert (report.compared["runs"], report.compared["model versions"]) == (3, 2)
    assert report.compared["metric points"] == 1500 + 4 + 1
    assert (report.compared["logged models"], report.compared["logged model metrics"]) == (1, 1)
    assert (report.compared["artifacts"], report.compared["inputs"]) == (1, 1)
    assert verify(source, source).passed


def test_artifacts_of_a_proxy_are_read_through_the_server(servers: Servers, forks: Forks, tmp_path: Path) -> None:
    serving = Server("3.0", tmp_path / "serving", forks, serves_artifacts=True).start().ready()
    try:
        copy(behind(servers.new), serving.url)
        same(behind(servers.new), serving.url)
        copy(serving.url, servers.target.url)
        same(serving.url, behind(servers.target))
        again, copying = copy(behind(servers.new), serving.url)
        assert again.created == {}
        assert copying.destination.client.calls.writes == 0
    finally:
        serving.stop()


def test_inspect_reads_no_histories(servers: Servers) -> None:
    async def go() -> None:
        source = await places().server(servers.new.url)
        found = await inspect(source)
        assert found.version == "3.0.1"
        assert found.counts["registered models"] == 3
        assert found.counts["prompts"] == 1
        assert not any("history" in call for call in source.client.calls.made)

    asyncio.run(go())


@pytest.mark.parametrize("version", ["old", "new"])
def test_features_of_a_server_with_unknown_version_are_detected_with_test_calls(servers: Servers, version: str) -> None:
    async def go() -> None:
        source = await places().server(getattr(servers, version).url)
        unknown = RestSource(source.client, "", source.store, source.identity)
        assert await unknown.features() == await source.features()

    asyncio.run(go())


def test_reports_losses_of_an_older_server_before_writing(servers: Servers) -> None:
    before = hashlib.sha256(servers.old.database.read_bytes()).digest()
    command = [sys.executable, "scripts/transfer.py", "copy", servers.new.url, servers.old.url, "--dry-run", "--json"]
    plan = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    # Both sides have models with the same name, which is reported first.
    assert (plan.returncode, plan.stdout) == (3, "")
    assert 'the destination has a registered model "it\'s a model" with other versions' in plan.stderr

    async def losses() -> list[str]:
        source, reader = [await places().server(server.url) for server in (servers.new, servers.old)]
        made = await make_plan(Copier(source, Destination(reader), Checkpoint(None)), sizes=True)
        return [loss.place for loss in made.losses]

    assert {place.split()[0] for place in asyncio.run(losses())} >= {"logged", "prompt", "trace"}
    assert hashlib.sha256(servers.old.database.read_bytes()).digest() == before


def test_histories_of_many_runs_take_few_calls_and_streamed_ones_are_complete(servers: Servers) -> None:
    at = Seeder(servers.new.url)
    experiment = at.experiment("many")
    for index in range(2):
        run = at.run(experiment, f"r{index}", START + index)
        at.log(run["run_id"], [("a long name", float(index), START, 0)] if index % 2 else [("m", 1.0, START, 9)])
        multiply(servers.new.database, run["run_id"], [f"r{one}" for one in range(index + 2, 120, 2)])
    long = at.run(experiment, "long", START + 1000)
    at.log(long["run_id"], [("m", 1 / (step + 1), START, step) for step in range(1600)])
    at.log(long["run_id"], [("m", 2.0, START, 10**6)])

    async def go() -> None:
        source = await places().server(servers.new.url)
        runs = [run async for page in source.runs(experiment) for run in page]
        found = {
            run.name: [p async for chunk in history for p in chunk] async for run, history in source.histories(runs)
        }
        assert {name: len(points) for name, points in found.items()} == {f"r{i}": 1 for i in range(120)} | {
            "long": 1601
        }
        assert source.client.calls.made["GET metrics/get-history-bulk"] <= 6
        # The last step indicates a million points, so only that run was streamed.
        assert source.client.calls.made["GET metrics/get-history"] == 1

    asyncio.run(go())
