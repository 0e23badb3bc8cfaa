"""A copy transfers everything once, and a second copy transfers only what changed."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlflow_transfer.limits import LONG_VALUES
from mlflow_transfer.options import Options
from mlflow_transfer.progress import Tally
from mlflow_transfer.records import ModelVersion, Point, RegisteredModel, Run
from mlflow_transfer.verification.report import Report
from tests.transfer.conftest import Servers
from tests.transfer.made_up import OneRun
from tests.transfer.moving import EVERYTHING, behind, copy, held_alike, same, verify
from tests.transfer.seeding import LONG, START, Seeder, folder, listed, write


def runs_of(server: Seeder, experiment: str) -> dict[str, Any]:
    found = server.post("runs/search", experiment_ids=[experiment], run_view_type="ALL", max_results=1000)["runs"]
    return {run["info"]["run_name"]: run for run in found}


def texts(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["key"]: pair["value"] for pair in pairs}


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_copy_verifies_and_a_second_copy_without_checkpoint_writes_nothing(servers: Servers, version: str) -> None:
    source = getattr(servers, version).url
    summary, first = servers.copied(version)
    report = same(source, servers.target.url)

    assert summary.created["runs"] == report.compared["runs"]
    assert report.compared["metric points"] > 2500
    assert report.compared["artifacts"] >= 4

    again, second = copy(source, servers.target.url)
    assert again.created == {}
    assert second.destination.client.calls.writes == 0
    assert first.destination.client.calls.made["POST runs/create"] == summary.created["runs"]


def test_keeps_times_users_and_histories(servers: Servers) -> None:
    servers.copied("old")
    target = Seeder(servers.target.url)
    name = "vision/größe"
    experiment = target.http.get("/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": name}).json()[
        "experiment"
    ]
    runs = runs_of(target, experiment["experiment_id"])
    parent = runs["parent"]

    assert texts(experiment["tags"])["team"] == "ä"
    assert (parent["info"]["start_time"], parent["info"]["end_time"]) == (START, START + 5000)
    assert (parent["info"]["user_id"], parent["info"]["status"]) == ("ana", "FINISHED")
    params = texts(parent["data"]["params"])
    assert (params["long"], params["empty"], params["emoji"], len(params)) == (LONG, "", "🙂", 153)
    tags = texts(parent["data"]["tags"])
    assert (tags["blank"], tags["quote"]) == ("", 'it\'s "so"\n\tnew line')
    assert json.loads(tags["mlflow.log-model.history"])[0]["run_id"] == parent["info"]["run_id"]
    assert texts(runs["child 0"]["data"]["tags"])["mlflow.parentRunId"] == parent["info"]["run_id"]
    # A tag of a user is not changed, even if its value is an id.
    assert texts(runs["child 0"]["data"]["tags"])["user tag"] == servers.made_old["parent"]
    assert runs["child 1"]["info"]["status"] == "FAILED"
    assert runs["still running"]["info"]["status"] == "RUNNING"
    assert runs["deleted"]["info"]["lifecycle_stage"] == "deleted"

    query = {"run_id": parent["info"]["run_id"], "metric_key": "odd"}
    points = target.http.get("/api/2.0/mlflow/metrics/get-history", params=query).json()["metrics"]
    values = [float(point["value"]) for point in sorted(points, key=lambda point: point["step"])]
    assert math.isnan(values[0])
    assert values[1:] == [1.7976931348623157e308, -1.7976931348623157e308, 0.1 + 0.2]
    latest = {metric["key"]: metric for metric in parent["data"]["metrics"]}
    assert (latest["loss"]["step"], latest["back"]["step"]) == (2499, 2**40)


def test_keeps_version_numbers_stages_aliases_and_sources(servers: Servers) -> None:
    servers.copied("new")
    target = Seeder(servers.target.url)
    found = target.http.get("/api/2.0/mlflow/registered-models/get", params={"name": "it's a model"}).json()
    model = found["registered_model"]
    query = {"filter": 'name="it\'s a model"', "max_results": 100}
    versions = target.http.get("/api/2.0/mlflow/model-versions/search", params=query).json()["model_versions"]
    stages = {version["version"]: version["current_stage"] for version in versions}

    assert model["description"] == "dé\nscription"
    assert {alias["alias"]: alias["version"] for alias in model["aliases"]} == {"champion": "2", "next": "4"}
    assert stages == {"1": "Archived", "2": "Production", "4": "Staging"}
    by_number = {version["version"]: version for version in versions}
    run = by_number["1"]["run_id"]
    assert by_number["2"]["source"] == f"runs:/{run}/model"
    assert Path(folder(by_number["1"]["source"]), "MLmodel").read_text() == f"run_id: {run}\nflavors: {{}}\n"
    assert str(servers.target.folder) in by_number["1"]["source"]


def test_updates_a_finished_run_that_changed(servers: Servers) -> None:
    source = Seeder(servers.new.url)
    experiment = source.experiment("changing")
    only = Options(experiments=frozenset({"changing"}))
    run = source.run(experiment, "one", tags={"stays": "1", "goes": "1", "turns": "1"})
    source.log(run["run_id"], [("loss", "NaN", START, 0), ("loss", 1.0, START, 1)], {"a": "1"})
    write(run["artifact_uri"], "same.txt", b"same")
    write(run["artifact_uri"], "turns.txt", b"old")
    source.end(run["run_id"])
    copy(servers.new.url, servers.target.url, options=only)

    source.log(run["run_id"], [("loss", 2.0, START, 2), ("late", 1.0, START, 0)], {"b": "2"}, {"turns": "2"})
    source.post("runs/delete-tag", run_id=run["run_id"], key="goes")
    source.post("runs/update", run_id=run["run_id"], status="FAILED", end_time=START + 9, run_name="renamed")
    write(run["artifact_uri"], "turns.txt", b"new content")
    write(run["artifact_uri"], "fresh.txt", b"fresh")
    summary, copying = copy(servers.new.url, servers.target.url, options=only)

    held_alike(servers.new, servers.target, options=only)
    assert summary.changed == {"runs": 1}
    assert copying.progress.done["files"] == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("reader", ["server", "database"])
def test_a_thorough_copy_or_a_database_finds_points_that_no_listing_shows(servers: Servers, reader: str) -> None:
    source = Seeder(servers.new.url)
    name = f"late points by {reader}"
    experiment = source.experiment(name)
    only = Options(experiments=frozenset({name}))
    runs = [source.run(experiment, f"r{index}", START + index)["run_id"] for index in range(3)]
    for run in runs:
        source.log(run, [("loss", float(step), START + step, step) for step in range(10)])
        source.end(run)

    def place() -> Any:
        return servers.new.url if reader == "server" else behind(servers.new)

    copy(place(), servers.target.url, options=only)
    source.log(runs[1], [("loss", 50.0, START + 90, 5), ("loss", 1.0, START + 3, 9)])
    latest = {metric["key"]: metric for metric in source.get("runs/get", run_id=runs[1])["run"]["data"]["metrics"]}
    assert (latest["loss"]["value"], latest["loss"]["timestamp"]) == (9.0, START + 9)

    assert dict(verify(servers.new.url, servers.target.url, options=only).found) == {"metric points": 1}
    assert copy(place(), servers.target.url, options=replace(only, thorough=reader == "server"))[0].changed == {
        "runs": 1
    }
    held_alike(servers.new, servers.target, options=only)

    again, copying = copy(place(), servers.target.url, options=replace(only, thorough=True))
    assert (again.changed, copying.destination.client.calls.writes) == ({}, 0)


def test_the_next_copy_transfers_what_was_logged_during_a_copy(servers: Servers) -> None:
    source = Seeder(servers.new.url)
    experiment = source.experiment("alive")
    only = Options(include_deleted=True, experiments=frozenset({"alive"}))
    runs = [source.run(experiment, f"r{index}", START + index) for index in range(5)]

    class Meddling(Tally):
        """Logs to the source whenever a run arrives at the destination."""

        def advance(self, what: str, amount: int = 1) -> None:
            super().advance(what, amount)
            if what == "runs" and self.done["runs"] <= len(runs):
                run = runs[self.done["runs"] - 1]
                source.log(run["run_id"], [("m", 1.0, START, 1)], {}, {"seen": "yes"})
                source.run(experiment, f"late {run['run_name']}", START + 100)

    copy(servers.new.url, servers.target.url, options=only, progress=Meddling())
    copy(servers.new.url, servers.target.url, options=only)
    report = held_alike(servers.new, servers.target, options=only)
    assert report.compared["runs"] == 2 * len(runs)


def test_cuts_values_beyond_the_limits_and_keeps_them_as_an_artifact(servers: Servers) -> None:
    source = Seeder(servers.new.url)
    experiment = source.experiment("long")
    only = Options(experiments=frozenset({"long"}))
    run = source.run(experiment, "tall", tags={"big": "x" * 9000})
    source.end(run["run_id"])
    summary, _ = copy(servers.new.url, servers.target.url, options=only)

    assert ["9000 characters are cut to 8000" in loss.reason for loss in summary.losses] == [True]
    report = same(servers.new.url, servers.target.url, options=only)
    assert len(report.losses) == 1
    kept = next(servers.target.folder.glob(f"artifacts/*/*/artifacts/{LONG_VALUES}"))
    assert json.loads(kept.read_text()) == {"tag big": "x" * 9000}


def test_a_parameter_that_is_too_long_does_not_stop_the_copy(servers: Servers) -> None:
    run = Run("a" * 32, "7", "r", "u", "FINISHED", START, START + 1, "active", "", {"p": "y" * 7000, "bad;key": "v"})
    run.latest = {"m!": Point("m!", 1.0, START, 0), "ok": Point("ok", 1.0, START, 0)}

    summary, _ = copy(OneRun(run), servers.target.url)
    places = sorted(loss.place.split(" ", 2)[2] for loss in summary.losses)
    assert places == ["metric 'm!'", "param 'bad;key'", "param 'p'"]
    kept = next(servers.target.folder.glob(f"artifacts/*/*/artifacts/{LONG_VALUES}"))
    assert json.loads(kept.read_text()) == {"param p": "y" * 7000, "param bad;key": "v"}


def test_a_tag_or_alias_that_the_destination_refuses_is_a_loss_and_the_copy_goes_on(servers: Servers) -> None:
    class Tagged(OneRun):
        async def experiments(self) -> Any:
            async for one in super().experiments():
                yield replace(one, tags={"bad;key": "v", "good": "v", "long": "x" * 6000})

        async def registered_models(self) -> list[RegisteredModel]:
            version = ModelVersion("tagged", 1, "s3://bucket/m", "", "", "", "None", {"bad;key": "v", "good": "v"})
            return [RegisteredModel("tagged", "", {"bad;key": "v"}, {"v1": 1, "a b": 1, "champion": 1}, [version])]

    source = Tagged(Run("a" * 32, "7", "r", "u", "FINISHED", START, START + 1, "active", ""))
    summary, _ = copy(source, servers.target.url)
    model = "registered model 'tagged'"
    assert sorted(loss.place for loss in summary.losses) == [
        "experiment 'made up' tag 'bad;key'",
        "experiment 'made up' tag 'long'",
        f"{model} alias 'a b'",
        f"{model} alias 'v1'",
        f"{model} tag 'bad;key'",
        f"{model} version 1 tag 'bad;key'",
    ]
    report = verify(source, servers.target.url)
    assert report.passed, report.differences
    assert {loss.place for loss in report.losses} == {loss.place for loss in summary.losses}


def test_removes_a_duplicate_run(servers: Servers) -> None:
    servers.copied("old")
    target = Seeder(servers.target.url)
    experiment = target.http.get(
        "/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": "vision/größe"}
    ).json()["experiment"]["experiment_id"]
    duplicate = target.run(experiment, "parent", tags={"transfer.source_id": servers.made_old["parent"]})
    # The duplicate has the same start time.
    assert verify(behind(servers.old), behind(servers.target)).found["run twice"] == 1
    copy(servers.old.url, servers.target.url)
    held_alike(servers.old, servers.target)
    gone = target.http.get("/api/2.0/mlflow/runs/get", params={"run_id": duplicate["run_id"]}).json()["run"]
    assert gone["info"]["lifecycle_stage"] == "deleted"


def test_leaves_out_deleted_runs_by_default(servers: Servers) -> None:
    summary, _ = copy(servers.old.url, servers.target.url, options=Options())
    held_alike(servers.old, servers.target, options=Options())
    # Of the eight runs, one is deleted and one is in a deleted experiment.
    assert summary.created["runs"] == 6


def test_deletes_a_copied_run_that_the_source_deleted(servers: Servers) -> None:
    source = Seeder(servers.new.url)
    experiment = source.experiment("shrinking")
    only = Options(experiments=frozenset({"shrinking"}))
    runs = [source.run(experiment, f"r{index}", START + index)["run_id"] for index in range(3)]
    for run in runs:
        source.end(run)
    copy(servers.new.url, servers.target.url, options=only)
    source.post("runs/delete", run_id=runs[1])
    assert dict(verify(behind(servers.new), behind(servers.target), options=only).found) == {"run only on the right": 1}
    summary, _ = copy(servers.new.url, servers.target.url, options=only)
    assert (summary.changed, summary.unchanged["runs"]) == ({"runs": 1}, 2)
    held_alike(servers.new, servers.target, options=only)


def test_verify_names_the_place_of_every_difference(servers: Servers) -> None:
    servers.copied("new")
    target = Seeder(servers.target.url)
    experiment = target.http.get(
        "/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": "vision/größe"}
    ).json()["experiment"]["experiment_id"]
    runs = runs_of(target, experiment)
    parent, child = runs["parent"]["info"], runs["child 0"]["info"]
    target.log(parent["run_id"], [("loss", 9.0, START, 9)], {"more": "1"}, {"blank": "no"})
    target.post("runs/update", run_id=child["run_id"], status="FAILED", end_time=1)
    target.post("runs/delete", run_id=runs["child 2"]["info"]["run_id"])
    write(parent["artifact_uri"], "model/data/weights.bin", bytes(1024 * 1024))
    write(parent["artifact_uri"], "leer.txt", b"more")
    folder(f"{parent['artifact_uri']}/straße/ünï code.txt").unlink()
    target.post("registered-models/alias", name="it's a model", alias="champion", version="1")
    target.post("model-versions/set-tag", name="it's a model", version="4", key="n", value="five")

    report: Report = verify(servers.new.url, servers.target.url, options=EVERYTHING)

    assert dict(report.found) == {
        "metric points": 1,
        "run param": 1,
        "run tag": 1,
        "run status": 1,
        "run end time": 1,
        "run lifecycle stage": 1,
        "artifact checksum": 1,
        "artifact size": 1,
        "artifact": 1,
        "registered model aliases": 1,
        "version tag": 1,
    }
    places = {difference.what: difference.place for difference in report.differences}
    run = servers.made["parent"]
    assert places["metric points"] == f"experiment 'vision/größe' run {run} metric 'loss'"
    assert places["artifact"] == f"run {run} artifact 'straße/ünï code.txt'"
    assert places["version tag"] == "registered model \"it's a model\" version 4 'n'"


def test_does_not_change_a_model_of_the_destination(servers: Servers) -> None:
    target = Seeder(servers.target.url)
    target.post("registered-models/create", name="it's a model")
    target.post("model-versions/create", name="it's a model", source="s3://b/x", tags=listed({"own": "1"}))
    with pytest.raises(Exception, match=r"registered model .* with other versions"):
        copy(servers.old.url, servers.target.url)
