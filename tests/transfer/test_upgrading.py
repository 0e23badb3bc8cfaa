"""Copies and comparisons of an upgrade, before the switch and afterwards, when people use the new server."""

import os
from pathlib import Path
from typing import Any

import pytest

from mlflow_platform.upgrade.migration import Migrator
from mlflow_transfer.progress import Tally
from mlflow_transfer.strategy import AddOnly
from mlflow_transfer.verification.report import Report
from tests.transfer.conftest import Servers
from tests.transfer.moving import TRUST
from tests.transfer.seeding import START, Seeder, folder, listed, write


class Quiet(Tally):
    """Does not show the progress."""

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def watch(self, client: Any) -> None:
        pass


@pytest.fixture
def migrator(tmp_path: Path) -> Migrator:
    return Migrator(tmp_path, os.environ, Quiet, lambda: TRUST[1:])


def experiment(at: Seeder, name: str = "vision/größe") -> str:
    return str(at.get("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"])


def runs(at: Seeder) -> dict[str, Any]:
    return {run["info"]["run_name"]: run["info"] for run in at.runs(experiment(at))}


def test_after_the_switch_late_runs_are_added_and_changes_of_users_are_not_differences(
    servers: Servers, migrator: Migrator
) -> None:
    old, new = servers.new.url, servers.target.url
    servers.copied("new")
    source, target = Seeder(old), Seeder(new)
    copied = runs(target)
    name = "it's a model"
    target.post("runs/set-tag", run_id=copied["child 0"]["run_id"], key="reviewed", value="yes")
    target.post("runs/set-tag", run_id=copied["child 0"]["run_id"], key="mlflow.note.content", value="good")
    target.post("runs/update", run_id=copied["child 1"]["run_id"], run_name="the good one")
    target.log(copied["child 0"]["run_id"], [("drift", 1.0, START, 1), ("loss", 0.4, START + 99, 1)])
    target.post("runs/delete", run_id=copied["child 2"]["run_id"])
    write(copied["child 0"]["artifact_uri"], "report.html", b"fine")
    target.post("registered-models/alias", name=name, alias="champion", version="4")
    target.post("model-versions/create", name=name, source="s3://b/theirs")
    target.run(experiment(target), "theirs")
    model = target.post("logged-models/search", experiment_ids=[experiment(target)])["models"]
    net = next(one["info"]["model_id"] for one in model if one["info"]["name"] == "net")
    judged = [{"key": "acc", "value": 0.7, "timestamp": START, "step": 3, "model_id": net}]
    target.post("runs/log-batch", run_id=copied["judge"]["run_id"], metrics=judged)
    late = source.run(experiment(source), "late", START + 10)
    source.log(late["run_id"], [("loss", 0.1, START, 0)])
    source.end(late["run_id"])

    assert migrator.copy(old, new, in_use=True) == []
    found = migrator.verify(old, new, in_use=True)
    assert found.passed, Path(found.report).with_name("report.json").read_text()
    # Without the late run it would not be equal.
    target.post("runs/delete-tag", run_id=runs(target)["late"]["run_id"], key="transfer.source_id")
    assert migrator.verify(old, new, in_use=True).differences == 1
    assert migrator.verification(old, new) is None


def test_after_the_switch_changes_of_users_to_experiments_and_runs_are_kept(
    servers: Servers, migrator: Migrator
) -> None:
    old, new = servers.new.url, servers.target.url
    servers.copied("new")
    source, target = Seeder(old), Seeder(new)
    at, empty, live = experiment(target), experiment(target, "empty"), runs(target)["still running"]["run_id"]
    target.post("experiments/set-experiment-tag", experiment_id=at, key="team", value="theirs")
    target.post("experiments/delete", experiment_id=empty)
    target.post("runs/set-tag", run_id=live, key="reviewed", value="yes")
    target.post("runs/update", run_id=live, run_name="renamed")
    target.post("experiments/update", experiment_id=at, new_name="theirs")
    source.log(servers.made["live"], [("loss", 0.5, START + 99, 7)])
    source.end(servers.made["live"])
    source.run(servers.made["empty"], "late in a deleted experiment")
    source.post("runs/delete", run_id=servers.made["judge"])

    migrator.copy(old, new, in_use=True)
    found = {
        one["name"]: one for one in target.post("experiments/search", view_type="ALL", max_results=100)["experiments"]
    }
    assert {tag["key"]: tag["value"] for tag in found["theirs"]["tags"]}["team"] == "theirs"
    assert ("vision/größe" in found, found["empty"]["lifecycle_stage"]) == (False, "deleted")
    there = {run["info"]["run_name"]: run for run in target.runs(at)}
    assert {tag["key"]: tag["value"] for tag in there["renamed"]["data"]["tags"]}["reviewed"] == "yes"
    assert there["judge"]["info"]["lifecycle_stage"] == "active"
    verified = migrator.verify(old, new, in_use=True)
    assert verified.passed, Path(verified.report).with_name("report.json").read_text()


def test_an_active_run_blocks_a_retirement_but_not_a_switch(servers: Servers, migrator: Migrator) -> None:
    old, new = servers.new.url, servers.target.url
    servers.copied("new")
    source = Seeder(old)
    migrator.copy(old, new)
    source.log(servers.made["live"], [("loss", 0.5, START + 99, 7)])
    source.run(experiment(source), "begun since")
    found = migrator.verify(old, new)
    assert (found.passed, found.enough, found.differences, found.open) == (False, True, 2, 2)
    assert migrator.verification(old, new) is None

    source.post("runs/set-tag", run_id=servers.made["parent"], key="late", value="1")
    assert not migrator.verify(old, new).enough


def test_the_contents_include_files_but_not_those_of_another_server_in_the_same_folder(
    servers: Servers, migrator: Migrator
) -> None:
    at = Seeder(servers.new.url)
    run = runs(at)["child 0"]
    before = migrator.contents(servers.new.url)
    write(folder(run["artifact_uri"]).parents[1].as_uri() + "/" + "f" * 32 + "/artifacts", "theirs.txt", b"1")
    assert migrator.contents(servers.new.url) == before
    write(run["artifact_uri"], "late.txt", b"1")
    assert migrator.contents(servers.new.url) != before


@pytest.mark.parametrize(
    ("what", "left", "right", "counts"),
    [
        ("run param", "1", "2", True),
        ("run param", None, "2", False),
        ("run tag", "1", "2", False),
        ("run model outputs", [("m-1", 0)], [("m-1", 0), ("m-2", 0)], False),
        ("run model outputs", [("m-1", 0)], [("m-2", 0)], True),
        ("artifact", "3 bytes", None, True),
        ("version source", "a", "b", True),
    ],
)
def test_add_only_counts_only_missing_values(what: str, left: object, right: object, counts: bool) -> None:
    report: Report = Report("old", "new", AddOnly())
    report.add("run x", what, left, right)
    assert report.passed is not counts


def test_a_copy_into_a_server_in_use_reports_losses(servers: Servers, migrator: Migrator) -> None:
    old, new = servers.new.url, servers.target.url
    servers.copied("new")
    marks = listed({"own": "1"})
    for url in (new, old):
        Seeder(url).post("registered-models/create", name="late one")
        Seeder(url).post("model-versions/create", name="late one", source="s3://b/x", tags=marks)
    (left,) = migrator.copy(old, new, in_use=True, accept_losses=True)
    assert left.startswith("registered model 'late one' version 1: its number was given to another version there")
    assert migrator.verify(old, new, in_use=True).passed
