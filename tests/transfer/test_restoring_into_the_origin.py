"""A restore into the original server keeps existing objects and restores missing ones."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mlflow_transfer.archive import Archive
from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.copier import Copier
from mlflow_transfer.destination import Destination
from mlflow_transfer.planning import TransferPlan
from mlflow_transfer.planning import plan as make_plan
from mlflow_transfer.sources.archive import ArchiveSource
from mlflow_transfer.stores import Folder
from tests.transfer.conftest import Servers
from tests.transfer.moving import EVERYTHING, back_up, behind, copy, places, verify
from tests.transfer.seeding import START, Seeder, fill, folder, write


def archived(place: Path) -> ArchiveSource:
    return ArchiveSource(Archive(Folder(place)))


@pytest.mark.parametrize("version", ["old", "new"])
def test_writes_nothing_if_nothing_is_missing(servers: Servers, tmp_path: Path, version: str) -> None:
    url = getattr(servers, version).url
    back_up(url, tmp_path, "1")
    made = planned(tmp_path, url)
    assert (made.counts.total(), made.losses, made.blocked) == (0, [], [])
    summary, copying = copy(archived(tmp_path), url)
    assert (summary.created, summary.changed, summary.losses) == ({}, {}, [])
    assert copying.destination.client.calls.writes == 0


def test_restores_what_is_missing_and_keeps_what_changed_since(servers: Servers, tmp_path: Path) -> None:
    # Some of its runs were copied from another server, as after an upgrade, and some were created on it.
    servers.copied("new")
    at = Seeder(servers.target.url)
    made = fill(servers.target.url, models=True, prefix="own ", points=20)
    lost, kept, binned = (at.run(made["experiment"], name, START + 200) for name in ("lost", "kept", "binned"))
    for run in (lost, kept, binned):
        at.log(run["run_id"], [("m", 1.0, START, 1)], {"p": "1"}, {"state": "backed up"})
        write(run["artifact_uri"], "gone.txt", b"gone")
        write(run["artifact_uri"], "turned.txt", b"as backed up")
        at.end(run["run_id"])
    at.post("registered-models/create", name="own doomed")
    at.post("model-versions/create", name="own doomed", source=f"{lost['artifact_uri']}/model", run_id=lost["run_id"])
    archive = tmp_path / "archive"
    back_up(servers.target.url, archive, "1")
    before = counted(at)

    forget_run(servers.target.database, lost["run_id"])
    _change(at, made, kept, binned)
    later = at.run(made["experiment"], "later", START + 300)

    assert planned(archive, servers.target.url).unchanged["runs"] > 10
    summary, _ = copy(archived(archive), servers.target.url)

    assert summary.created == {
        "runs": 1, "logged models": 1, "traces": 1, "registered models": 1, "versions": 1,
    }  # fmt: skip
    assert summary.changed == {"experiments": 1, "runs": 1}
    assert {loss.place: loss.reason.split(" ")[-1] for loss in summary.losses} == {
        f"run {made['judge']} metric 'nan'": "twice",
        'registered model "own it\'s a model" version 1': "again",
    }
    after = counted(at)
    assert after == {**before, "runs": before["runs"] + 1, "versions": before["versions"]}

    runs = {run["info"]["run_name"]: run for run in at.runs(made["experiment"])}
    assert runs["later"]["info"]["run_id"] == later["run_id"]
    assert runs["binned"]["info"]["lifecycle_stage"] == "active"
    assert {tag["key"]: tag["value"] for tag in runs["kept"]["data"]["tags"]}["state"] == "changed since"
    assert runs["lost"]["info"]["run_id"] != lost["run_id"]
    assert folder(f"{runs['lost']['info']['artifact_uri']}/turned.txt").read_bytes() == b"as backed up"
    assert folder(f"{kept['artifact_uri']}/gone.txt").read_bytes() == b"gone"
    assert folder(f"{kept['artifact_uri']}/turned.txt").read_bytes() == b"changed since the backup"
    model = at.get("registered-models/get", name="own it's a model")["registered_model"]
    assert {alias["alias"]: alias["version"] for alias in model["aliases"]} == {"champion": "4", "next": "4"}
    judge = at.get("runs/get", run_id=made["judge"])["run"]
    (tied,) = {one["model_id"] for one in judge["inputs"]["model_inputs"]} - {made["model"]}
    remade = at.get(f"logged-models/{tied}")["model"]
    assert [(point["key"], point["value"]) for point in remade["data"]["metrics"]] == [("acc", 0.9)]

    again, copying = copy(archived(archive), servers.target.url)
    assert (again.created, again.changed) == ({}, {})
    assert copying.destination.client.calls.writes == 0
    # These are changes of users since the backup, and references to objects that were created again.
    assert dict(verify(archived(archive), behind(servers.target)).found) == {
        "experiment name": 1, "run tag": 1, "metric points": 1, "artifact size": 1, "registered model aliases": 1,
        "version numbers": 1, "version source": 1, "run model inputs": 1, "run model outputs": 1,
        "logged model metrics": 1,
    }  # fmt: skip


def _change(at: Seeder, made: dict[str, str], kept: dict[str, Any], binned: dict[str, Any]) -> None:
    """Change, delete and add what people may, after a backup."""
    at.post("runs/delete", run_id=binned["run_id"])
    at.post("runs/set-tag", run_id=kept["run_id"], key="state", value="changed since")
    at.log(made["live"], [("loss", 0.1, START + 99, 9)])
    folder(f"{kept['artifact_uri']}/gone.txt").unlink()
    write(kept["artifact_uri"], "turned.txt", b"changed since the backup")
    at.post("experiments/delete", experiment_id=made["empty"])
    at.post("experiments/update", experiment_id=made["experiment"], new_name="own renamed")
    at.post(f"logged-models/{made['model']}", "DELETE")
    at.post("traces/delete-traces", experiment_id=made["experiment"], request_ids=[made["trace"]])
    at.post("registered-models/delete", "DELETE", name="own doomed")
    at.post("model-versions/delete", "DELETE", name="own it's a model", version="1")
    at.post("registered-models/alias", name="own it's a model", alias="champion", version="4")
    at.post("model-versions/create", name="own it's a model", source="s3://b/later")


def planned(archive: Path, url: str) -> TransferPlan:
    async def go() -> TransferPlan:
        reader = await places().server(url)
        copying = Copier(archived(archive), Destination(reader), Checkpoint(None), EVERYTHING)
        return await make_plan(copying, sizes=True)

    return asyncio.run(go())


def counted(at: Seeder) -> dict[str, int]:
    experiments = at.post("experiments/search", view_type="ALL", max_results=1000)["experiments"]
    ids = [one["experiment_id"] for one in experiments]
    return {
        "experiments": len(experiments),
        "runs": sum(len(at.runs(one)) for one in ids),
        "models": len(at.post("logged-models/search", experiment_ids=ids)["models"]),
        "registered": len(at.get("registered-models/search", max_results=1000)["registered_models"]),
        "versions": len(at.get("model-versions/search", max_results=1000)["model_versions"]),
    }


def forget_run(database: Path, run_id: str) -> None:
    """Remove a deleted run, as `mlflow gc` does."""
    with sqlite3.connect(database, timeout=60) as connection:
        for table in ("metrics", "latest_metrics", "params", "tags", "logged_model_metrics", "runs"):
            column = "run_id" if table == "logged_model_metrics" else "run_uuid"
            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (run_id,))  # noqa: S608 fixed names
    connection.close()
