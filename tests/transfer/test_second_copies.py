"""A second copy transfers everything that changed since the first one, and creates no duplicates."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_transfer.losses import trace_losses
from mlflow_transfer.options import Options
from mlflow_transfer.records import Trace
from mlflow_transfer.strategy import AddOnly
from tests.transfer.conftest import Servers
from tests.transfer.moving import copy, held_alike, same, verify
from tests.transfer.seeding import START, Seeder, listed, write
from tests.transfer.servers import Forks, Server


@pytest.fixture
def source(servers: Servers) -> Seeder:
    return Seeder(servers.new.url)


@pytest.fixture
def target(servers: Servers) -> Seeder:
    return Seeder(servers.target.url)


def only(*names: str, **more: Any) -> Options:
    return Options(experiments=frozenset(names), **more)


def named(server: Seeder, experiment: str) -> str:
    return str(server.get("experiments/get-by-name", experiment_name=experiment)["experiment"]["experiment_id"])


def again_nothing(servers: Servers, options: Options) -> None:
    """Check that both sides are equal, and that another copy writes nothing."""
    held_alike(servers.new, servers.target, options=options)
    _, copying = copy(servers.new.url, servers.target.url, options=options)
    assert copying.destination.client.calls.writes == 0


def test_renames_a_renamed_experiment_instead_of_copying_it_again(
    servers: Servers, source: Seeder, target: Seeder
) -> None:
    experiment = source.experiment("before")
    source.end(source.run(experiment, "r")["run_id"])
    copy(servers.new.url, servers.target.url, options=only("before"))
    there = named(target, "before")
    source.post("experiments/update", experiment_id=experiment, new_name="after")

    summary, _ = copy(servers.new.url, servers.target.url, options=only("after"))

    assert (summary.created, summary.changed) == ({}, {"experiments": 1})
    assert named(target, "after") == there
    again_nothing(servers, only("after"))


def test_an_equal_id_from_another_server_is_not_a_renamed_experiment(
    servers: Servers, source: Seeder, target: Seeder
) -> None:
    experiment = source.experiment("mine")
    tags = {"transfer.source_id": experiment, "transfer.source_time": "1"}
    theirs = target.experiment("theirs", tags=listed(tags))
    copy(servers.new.url, servers.target.url, options=only("mine"))
    assert named(target, "mine") != theirs == named(target, "theirs")


def test_rejects_an_unknown_experiment_and_lists_the_known_ones(servers: Servers) -> None:
    for work in (copy, verify):
        with pytest.raises(InputError, match=r"no experiment 'typo' at .*there is: 'Default'"):
            work(servers.new.url, servers.target.url, options=only("typo"))


def test_links_a_child_to_a_parent_that_is_copied_later(servers: Servers, source: Seeder, target: Seeder) -> None:
    parent = source.run(source.experiment("parents"), "parent")["run_id"]
    child = source.run(source.experiment("children"), "child", tags={"mlflow.parentRunId": parent})["run_id"]
    for run in (parent, child):
        source.end(run)
    copy(servers.new.url, servers.target.url, options=only("children"))
    both = only("parents", "children")

    copy(servers.new.url, servers.target.url, options=both)

    again_nothing(servers, both)


def test_copies_runs_that_name_each_other_as_parents(servers: Servers, source: Seeder) -> None:
    experiment = source.experiment("circle")
    one, other = (source.run(experiment, name)["run_id"] for name in ("one", "other"))
    for run, parent in ((one, other), (other, one)):
        source.post("runs/set-tag", run_id=run, key="mlflow.parentRunId", value=parent)
        source.end(run)

    async def in_time() -> Any:
        return await asyncio.wait_for(
            asyncio.to_thread(copy, servers.new.url, servers.target.url, options=only("circle")), 20
        )

    summary, _ = asyncio.run(in_time())
    assert summary.created["runs"] == 2


def test_updates_tags_of_traces_and_logged_models(servers: Servers, source: Seeder, target: Seeder) -> None:
    servers.copied("new")
    options = Options(include_deleted=True)
    trace, model = servers.made["trace"], servers.made["model"]
    source.post(f"traces/{trace}/tags", "PATCH", key="colour", value="blau")
    source.post(f"traces/{trace}/tags", "PATCH", key="new", value="1")
    source.post(f"traces/{trace}/tags", "DELETE", key="mlflow.traceName")
    source.post(f"logged-models/{model}/tags", "PATCH", tags=listed({"new": "1"}))
    source.post(f"logged-models/{model}/tags/kind", "DELETE")

    summary, _ = copy(servers.new.url, servers.target.url)

    assert (summary.changed["traces"], summary.changed["logged models"]) == (1, 1)
    again_nothing(servers, options)


def test_add_only_keeps_tags_of_traces_and_logged_models(servers: Servers, source: Seeder, target: Seeder) -> None:
    servers.copied("new")
    experiment = named(target, "vision/größe")
    (model,) = [
        one["info"]
        for one in target.post("logged-models/search", experiment_ids=[experiment])["models"]
        if one["info"]["name"] == "net"
    ]
    (trace,) = target.get("traces", experiment_ids=experiment)["traces"]
    target.post(f"logged-models/{model['model_id']}/tags", "PATCH", tags=listed({"ours": "1"}))
    target.post(f"traces/{trace['request_id']}/tags", "PATCH", key="colour", value="ours")
    source.post(f"logged-models/{servers.made['model']}/tags", "PATCH", tags=listed({"new": "1"}))

    copy(servers.new.url, servers.target.url, options=Options(include_deleted=True, strategy=AddOnly()))

    held = target.get(f"logged-models/{model['model_id']}")["model"]["info"]["tags"]
    assert {"ours": "1"}.items() <= {tag["key"]: tag["value"] for tag in held}.items()
    (after,) = target.get("traces", experiment_ids=experiment)["traces"]
    assert {tag["key"]: tag["value"] for tag in after["tags"]}["colour"] == "ours"


def test_removes_duplicate_logged_models_and_traces(servers: Servers, source: Seeder, target: Seeder) -> None:
    servers.copied("new")
    experiment = named(target, "vision/größe")
    model, trace = servers.made["model"], servers.made["trace"]
    target.post("logged-models", experiment_id=experiment, name="net", tags=listed({"transfer.source_id": model}))
    target.post(
        "traces",
        experiment_id=experiment,
        timestamp_ms=START,
        request_metadata=[],
        tags=listed({"transfer.source_id": trace}),
    )
    found = verify(servers.new.url, servers.target.url).found
    assert (found["logged model twice"], found["trace twice"]) == (1, 1)

    copy(servers.new.url, servers.target.url)

    again_nothing(servers, Options(include_deleted=True))


def test_copies_files_that_were_added_to_a_server_that_serves_them(
    servers: Servers, forks: Forks, tmp_path: Path
) -> None:
    serving = Server("3.0", tmp_path / "serving", forks, serves_artifacts=True).start().ready()
    try:
        at = Seeder(serving.url)
        run = at.run(at.experiment("files"), "r")
        files = tmp_path / "serving/artifacts" / run["artifact_uri"].removeprefix("mlflow-artifacts:/")
        write(str(files), "early.txt", b"1")
        memory = tmp_path / "map"
        copy(serving.url, servers.target.url, checkpoint=memory)
        write(str(files), "late.txt", b"2")
        at.end(run["run_id"])
        copy(serving.url, servers.target.url, checkpoint=memory)
        same(serving.url, servers.target.url)

        # No listing of the run shows this file, so the artifacts have to be listed.
        write(str(files), "later.txt", b"3")
        copy(serving.url, servers.target.url, checkpoint=memory)
        assert dict(verify(serving.url, servers.target.url).found) == {"artifact": 1}
        copy(serving.url, servers.target.url, checkpoint=memory, options=Options(include_deleted=True, thorough=True))
        same(serving.url, servers.target.url)
    finally:
        serving.stop()


def test_copies_every_file_again_to_a_destination_that_was_created_again(
    servers: Servers, source: Seeder, tmp_path: Path
) -> None:
    run = source.run(source.experiment("anew"), "r")
    write(run["artifact_uri"], "a.txt", b"1")
    source.end(run["run_id"])
    memory = tmp_path / "map"
    copy(servers.new.url, servers.target.url, checkpoint=memory, options=only("anew"))
    servers.target.empty()
    copy(servers.new.url, servers.target.url, checkpoint=memory, options=only("anew"))
    same(servers.new.url, servers.target.url, options=only("anew"))


def test_a_thorough_copy_without_checkpoint_finds_a_changed_file_of_equal_size(
    servers: Servers, source: Seeder
) -> None:
    run = source.run(source.experiment("sizes"), "r")
    write(run["artifact_uri"], "a.txt", b"1")
    source.end(run["run_id"])
    options = only("sizes")
    copy(servers.new.url, servers.target.url, options=options)
    write(run["artifact_uri"], "a.txt", b"2")
    copy(servers.new.url, servers.target.url, options=replace(options, thorough=True))
    same(servers.new.url, servers.target.url, options=options)


def test_spans_in_the_sources_database_are_a_loss() -> None:
    tags = {"mlflow.trace.spansLocation": "TRACKING_STORE"}
    (loss,) = trace_losses(Trace("tr-1", "1", START, 1, "OK", tags=tags))
    assert "spans" in loss.reason
    assert trace_losses(Trace("tr-1", "1", START, 1, "OK")) == []
