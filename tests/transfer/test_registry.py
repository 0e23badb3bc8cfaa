"""Registered models: distinguished from those of other sources, updated, and only extended on servers in use."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.copier import Copier
from mlflow_transfer.destination import Destination
from mlflow_transfer.options import Options
from mlflow_transfer.planning import TransferPlan, plan
from mlflow_transfer.records import RegisteredModel, Run
from mlflow_transfer.strategy import AddOnly
from tests.transfer.conftest import Servers
from tests.transfer.made_up import OneRun
from tests.transfer.moving import copy, held_alike, places, verify
from tests.transfer.proxying import FaultyProxy
from tests.transfer.seeding import START, Seeder, listed
from tests.transfer.servers import Server

ONLY = Options(experiments=frozenset({"registering"}))
IN_USE = replace(ONLY, strategy=AddOnly())
NAME = "clf"


def registering(url: str, versions: int = 3) -> tuple[Seeder, str]:
    """A server with an experiment and a run from which versions of a model are registered."""
    at = Seeder(url)
    run = at.run(at.experiment("registering"), "maker")["run_id"]
    at.end(run)
    at.post("registered-models/create", name=NAME, description="as copied", tags=listed({"stays": "1", "goes": "1"}))
    for number in range(1, versions + 1):
        register(at, run, number)
    return at, run


def register(at: Seeder, run: str, number: int, **body: Any) -> None:
    tags = listed({"n": str(number), "goes": "1"})
    made = at.post("model-versions/create", name=NAME, source="s3://b/x", run_id=run, tags=tags, **body)
    assert made["model_version"]["version"] == str(number)


def alias(at: Seeder, name: str, version: int) -> None:
    at.post("registered-models/alias", name=NAME, alias=name, version=str(version))


def model(at: Seeder) -> Any:
    return at.get("registered-models/get", name=NAME)["registered_model"]


def aliases(at: Seeder) -> dict[str, str]:
    return {one["alias"]: one["version"] for one in model(at).get("aliases", [])}


def versions(at: Seeder) -> dict[int, Any]:
    found = at.get("model-versions/search", filter=f"name='{NAME}'", max_results=100)["model_versions"]
    return {int(one["version"]): one for one in sorted(found, key=lambda one: int(one["version"]))}


def planned(source: str, target: str, options: Options = ONLY) -> TransferPlan:
    async def go() -> TransferPlan:
        copying = Copier(
            await places().server(source), Destination(await places().server(target)), Checkpoint(None), options
        )
        return await plan(copying, sizes=False)

    return asyncio.run(go())


def without_newer_tags(server: Server) -> None:
    with closing(sqlite3.connect(server.database, timeout=60)) as database, database:
        for table in ("registered_model_tags", "model_version_tags"):
            own = "('transfer.source_time', 'transfer.last_version')"
            database.execute(f"DELETE FROM {table} WHERE key IN {own}")  # noqa: S608 fixed names


@pytest.mark.parametrize("older", [False, True])
def test_a_model_of_another_source_with_the_same_name_is_not_a_copy(servers: Servers, older: bool) -> None:
    # Both sources have a model with this name and the same version numbers.
    name, only = "it's a model", Options(experiments=frozenset({"vision/größe"}))
    servers.copied("old")
    if older:
        without_newer_tags(servers.target)
    target = Seeder(servers.target.url)
    before = target.get("registered-models/get", name=name)

    (blocked,) = planned(servers.new.url, servers.target.url, only).blocked
    assert blocked.startswith('the destination has a registered model "it\'s a model" with other versions')
    with pytest.raises(PlatformError, match="with other versions"):
        copy(servers.new.url, servers.target.url, options=only)
    assert target.get("registered-models/get", name=name) == before
    assert planned(servers.old.url, servers.target.url, only).blocked == []


class Registry(OneRun):
    async def registered_models(self) -> list[Any]:
        # Every version of MLflow refuses the first name.
        return [RegisteredModel("", ""), RegisteredModel("good", "")]


def test_a_registered_model_that_the_destination_refuses_is_a_loss(servers: Servers) -> None:
    run = Run("a" * 32, "7", "r", "u", "FINISHED", START, START + 1, "active", "")
    summary, _ = copy(Registry(run), servers.target.url)
    (loss,) = summary.losses
    assert loss.place == "registered model ''"
    assert "INVALID_PARAMETER_VALUE" in loss.reason
    assert summary.created["registered models"] == 1


def test_continues_a_copy_of_an_older_release(servers: Servers) -> None:
    source, run = registering(servers.new.url)
    copy(servers.new.url, servers.target.url, options=ONLY)
    without_newer_tags(servers.target)
    register(source, run, 4)
    source.post("model-versions/delete", "DELETE", name=NAME, version="2")
    assert planned(servers.new.url, servers.target.url).blocked == []
    summary, _ = copy(servers.new.url, servers.target.url, options=ONLY)
    assert summary.created == {"versions": 1}
    held_alike(servers.new, servers.target, options=ONLY)


def test_the_next_copy_deletes_what_the_source_deleted(servers: Servers) -> None:
    source, _ = registering(servers.new.url)
    alias(source, "old", 3)
    copy(servers.new.url, servers.target.url, options=ONLY)
    source.post("model-versions/delete", "DELETE", name=NAME, version="3")
    source.post("model-versions/delete", "DELETE", name=NAME, version="1")
    source.post("model-versions/delete-tag", "DELETE", name=NAME, version="2", key="goes")
    source.post("registered-models/delete-tag", "DELETE", name=NAME, key="goes")
    copy(servers.new.url, servers.target.url, options=ONLY)
    held_alike(servers.new, servers.target, options=ONLY)
    assert list(versions(Seeder(servers.target.url))) == [2]

    _, copying = copy(servers.new.url, servers.target.url, options=ONLY)
    assert copying.destination.client.calls.writes == 0


def test_add_only_adds_missing_objects(servers: Servers) -> None:
    source, run = registering(servers.new.url)
    alias(source, "champion", 1)
    alias(source, "unused", 1)
    regretted = source.run(source.get("runs/get", run_id=run)["run"]["info"]["experiment_id"], "regretted")["run_id"]
    source.end(regretted)
    copy(servers.new.url, servers.target.url, options=ONLY)

    # Changes that users made on the server.
    target = Seeder(servers.target.url)
    alias(target, "champion", 2)
    alias(target, "theirs", 1)
    target.post("registered-models/alias", "DELETE", name=NAME, alias="unused")
    target.post(
        "model-versions/transition-stage", name=NAME, version="2", stage="Production", archive_existing_versions=False
    )
    target.post("model-versions/set-tag", name=NAME, version="2", key="n", value="theirs")
    target.post("registered-models/update", "PATCH", name=NAME, description="theirs")
    target.post("model-versions/delete", "DELETE", name=NAME, version="3")
    copied = {one["info"]["run_name"]: one["info"]["run_id"] for one in target.runs(experiment(target))}
    target.post("runs/delete", run_id=copied["regretted"])
    # Objects that were logged to the old server in the meantime.
    late = source.run(experiment(source), "late", START + 10)["run_id"]
    source.end(late)
    register(source, late, 4)
    alias(source, "challenger", 4)

    assert planned(servers.new.url, servers.target.url, IN_USE).losses == []
    summary, _ = copy(servers.new.url, servers.target.url, options=IN_USE)
    assert (summary.created, summary.changed, summary.losses) == ({"runs": 1, "versions": 1}, {}, [])
    assert aliases(target) == {"champion": "2", "theirs": "1", "challenger": "4"}
    there = versions(target)
    assert {number: one["current_stage"] for number, one in there.items()} == {1: "None", 2: "Production", 4: "None"}
    assert {tag["key"]: tag["value"] for tag in there[2]["tags"]}["n"] == "theirs"
    assert model(target)["description"] == "theirs"
    stages = {one["info"]["run_name"]: one["info"]["lifecycle_stage"] for one in target.runs(experiment(target))}
    assert stages == {"maker": "active", "regretted": "deleted", "late": "active"}

    _, copying = copy(servers.new.url, servers.target.url, options=replace(IN_USE, thorough=True))
    assert copying.destination.client.calls.writes == 0
    assert dict(verify(servers.new.url, servers.target.url, options=IN_USE).found) == {}
    assert verify(servers.new.url, servers.target.url, options=ONLY).found["run lifecycle stage"] == 1


def test_a_number_that_was_given_to_another_version_is_a_loss_and_later_ones_are_copied(
    servers: Servers,
) -> None:
    source, run = registering(servers.new.url)
    copy(servers.new.url, servers.target.url, options=ONLY)
    target = Seeder(servers.target.url)
    register(target, "", 4)
    register(source, run, 4)
    register(source, run, 5)
    assert dict(verify(servers.new.url, servers.target.url, options=IN_USE).found) == {"version missing": 1}

    (loss,) = planned(servers.new.url, servers.target.url, IN_USE).losses
    assert loss.place == f"registered model '{NAME}' version 4"
    for created in ({"versions": 1}, {}):
        summary, _ = copy(servers.new.url, servers.target.url, options=IN_USE)
        assert (summary.created, summary.losses) == (created, [loss])
    there = versions(target)
    assert (list(there), there[4].get("run_id", "")) == ([1, 2, 3, 4, 5], "")
    report = verify(servers.new.url, servers.target.url, options=IN_USE)
    assert (dict(report.found), report.losses) == ({}, [loss])


def test_a_number_that_is_used_up_is_a_loss_of_every_copy(servers: Servers) -> None:
    source, run = registering(servers.new.url)
    copy(servers.new.url, servers.target.url, options=ONLY)
    target = Seeder(servers.target.url)
    register(target, "", 4)
    target.post("model-versions/delete", "DELETE", name=NAME, version="4")
    register(source, run, 4)
    assert len(copy(servers.new.url, servers.target.url, options=IN_USE)[0].losses) == 1
    summary, copying = copy(servers.new.url, servers.target.url, options=IN_USE)
    assert (len(summary.losses), copying.destination.client.calls.writes) == (1, 0)
    register(source, run, 5)
    # Number 5 was used up by the attempt to create number 4.
    assert len(copy(servers.new.url, servers.target.url, options=IN_USE)[0].losses) == 2


def test_does_not_delete_a_version_that_was_copied_within_the_destination(servers: Servers) -> None:
    registering(servers.new.url)
    copy(servers.new.url, servers.target.url, options=ONLY)
    target = Seeder(servers.target.url)
    # The client's copy_model_version makes the same call.
    target.post("model-versions/create", name=NAME, source=f"models:/{NAME}/1", tags=versions(target)[1]["tags"])
    with pytest.raises(PlatformError, match="with other versions"):
        copy(servers.new.url, servers.target.url, options=ONLY)
    copy(servers.new.url, servers.target.url, options=IN_USE)
    assert list(versions(target)) == [1, 2, 3, 4]


def test_creates_no_version_twice_after_a_lost_response(servers: Servers) -> None:
    def drop(_: str, path: str) -> str | None:
        return "drop after" if path.endswith("model-versions/create") else None

    # There are a prompt and a model with a quotation mark in its name.
    with FaultyProxy(servers.target.port, drop) as proxy:
        copy(servers.new.url, proxy.url)
    held_alike(servers.new, servers.target)


def experiment(at: Seeder) -> str:
    return str(at.get("experiments/get-by-name", experiment_name="registering")["experiment"]["experiment_id"])
