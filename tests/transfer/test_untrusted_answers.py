"""Servers whose answers are malformed, endless, redirects or login pages."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_transfer.archive import Archive
from mlflow_transfer.backup import Backup
from mlflow_transfer.inspecting import inspect
from mlflow_transfer.sources.opening import open_source
from mlflow_transfer.stores import SKIPPABLE, Folder, Proxy
from mlflow_transfer.verification.verifier import Verifier
from tests.transfer.hostile import API, ARTIFACTS, LOGIN_PAGE, REDIRECT, RUN, HostileServer, as_json, attachment
from tests.transfer.moving import places
from tests.transfer.seeding import Seeder
from tests.transfer.servers import Forks, Server
from tests.transfer.untrusted import REPOSITORY, RETRY, back_up, connections, contents

# --- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/version", f"{API}experiments/search", f"{API}runs/search", f"{API}registered-models/search"]
)
@pytest.mark.parametrize(
    "answer", [REDIRECT, LOGIN_PAGE, (304, {}, b""), (202, {}, b"{}")], ids=["302", "login", "304", "202"]
)
def test_a_redirect_or_login_page_never_counts_as_an_answer(tmp_path: Path, path: str, answer: Any) -> None:
    with (
        HostileServer({path: answer}) as server,
        pytest.raises(PreconditionError, match=r"login|status|not an MLflow server"),
    ):
        back_up(server, tmp_path / "archive")
    assert Archive(Folder(tmp_path / "archive")).snapshots() == []


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b'"x"', b"{", b"[" * 100_000], ids=len)
@pytest.mark.parametrize("path", [f"{API}experiments/search", f"{API}runs/search"])
def test_an_empty_or_malformed_answer_is_never_an_empty_list(tmp_path: Path, path: str, content: bytes) -> None:
    answers = {path: (200, {"Content-Type": "application/json"}, content)}
    with HostileServer(answers) as server:
        if "experiments" in path:
            with pytest.raises(PlatformError, match="not a JSON object"):
                back_up(server, tmp_path / "archive")
        else:
            snapshot, losses = back_up(server, tmp_path / "archive")
            assert snapshot.partial
            assert [loss.place for loss in losses] == ["runs of experiment 1"]


@pytest.mark.parametrize(
    ("info", "lost"),
    [
        (as_json({"store_type": "SqlStore", "workspaces_enabled": True}), ["workspace 'team'"]),
        (as_json({"store_type": "SqlStore", "workspaces_enabled": False}), []),
        (as_json({"error_code": "ENDPOINT_NOT_FOUND"}, 404), []),
        (as_json({"error_code": "PERMISSION_DENIED"}, 403), []),
    ],
)
def test_workspaces_that_a_client_does_not_see_are_losses(tmp_path: Path, info: Any, lost: list[str]) -> None:
    named = as_json({"workspaces": [{"name": "default"}, {"name": "team"}]})
    third = "/api/3.0/mlflow/"
    answers = {
        "/version": (200, {"Content-Type": "text/html"}, b"3.10.1"),
        f"{third}server-info": info,
        f"{third}workspaces": named,
        **{f"{API}{path}": as_json({}) for path in ("logged-models/search", "traces")},
    }
    with HostileServer(answers) as server:
        _, losses = back_up(server, tmp_path / "archive")
    assert [loss.place for loss in losses] == lost


@pytest.mark.parametrize("command", ["inspect", "backup", "verify"])
def test_a_server_without_experiments_is_an_error(tmp_path: Path, command: str) -> None:
    """Its credentials may read no experiment, or it is no MLflow server. A backup of nothing would be verified."""

    async def go() -> None:
        source = await open_source(connections(), server.url)
        try:
            if command == "inspect":
                await inspect(source)
            elif command == "backup":
                await Backup(source, Archive(Folder(tmp_path)), "1", None, None, RETRY).run()
            else:
                await Verifier(source, source).run()
        finally:
            await source.close()

    with (
        HostileServer({f"{API}experiments/search": as_json({})}) as server,
        pytest.raises(PreconditionError, match="has no experiments, and MLflow always has one"),
    ):
        asyncio.run(go())
    assert Archive(Folder(tmp_path)).snapshots() == []


def test_a_listing_of_artifacts_that_is_none_is_a_loss(tmp_path: Path) -> None:
    with HostileServer({ARTIFACTS: as_json({"message": "session expired"})}) as server:
        (loss,) = back_up(server, tmp_path)[1]
    assert (loss.place, "not a listing" in loss.reason) == (f"artifacts of run {RUN}", True)


@pytest.mark.parametrize("answer", [REDIRECT, LOGIN_PAGE], ids=["redirect", "login page"])
@pytest.mark.parametrize("path", [ARTIFACTS, f"{ARTIFACTS}/1/{RUN}/artifacts/f.txt"], ids=["listing", "file"])
def test_a_login_page_is_never_stored_as_an_artifact(tmp_path: Path, path: str, answer: Any) -> None:
    answers = {ARTIFACTS: as_json({"files": [{"path": "f.txt", "file_size": 5}]}), path: answer}
    with HostileServer(answers) as server, pytest.raises(PreconditionError, match="give credentials"):
        back_up(server, tmp_path / "archive")
    assert b"Log in" not in contents(tmp_path / "archive")


def test_an_html_artifact_is_an_artifact(tmp_path: Path) -> None:
    page = (200, {"Content-Type": "text/html", "Content-Disposition": "attachment; filename=f.html"}, b"<html>")
    listing = as_json({"files": [{"path": "f.html", "file_size": 6}]})
    with HostileServer({ARTIFACTS: listing, f"{ARTIFACTS}/1/{RUN}/artifacts/f.html": page}) as server:
        assert back_up(server, tmp_path)[1] == []
    assert b"<html>" in contents(tmp_path)


def test_a_page_that_fails_half_way_is_a_loss(tmp_path: Path) -> None:
    def runs(query: dict[str, Any]) -> Any:
        if query.get("page_token"):
            return as_json({"error_code": "INTERNAL_ERROR", "message": "broken row"}, 500)
        return as_json({"runs": [{"info": server.info, "data": {}}], "next_page_token": "2"})

    with HostileServer({f"{API}runs/search": runs}) as server:
        snapshot, losses = back_up(server, tmp_path)
    (loss,) = losses
    assert loss.place == "runs of experiment 1, from page 2 on"
    assert "broken row" in loss.reason
    assert snapshot.counts["run"] == 1


def test_the_next_backup_reads_a_run_again_whose_history_could_not_be_read(tmp_path: Path) -> None:
    point = {"key": "loss", "value": 0.5, "timestamp": 1, "step": 0}
    with HostileServer() as server:
        run = {"info": server.info, "data": {"metrics": [point]}}
        server.answers |= {
            f"{API}runs/search": as_json({"runs": [run]}),
            f"{API}metrics/get-history": as_json({"error_code": "INTERNAL_ERROR"}, 500),
        }
        assert [loss.place for loss in back_up(server, tmp_path, taken="20260101T000000Z")[1]] == [
            f"run {RUN} metric 'loss'"
        ]
        server.answers[f"{API}metrics/get-history"] = as_json({"metrics": [point]})
        snapshot, losses = back_up(server, tmp_path, taken="20260102T000000Z")
    assert (losses, snapshot.partial, snapshot.counts["metric points"]) == ([], False, 1)


def test_stops_at_endless_pages(tmp_path: Path) -> None:
    def runs(_: dict[str, Any]) -> Any:
        return as_json({"runs": [], "next_page_token": "again"})

    with HostileServer({f"{API}runs/search": runs}) as server:
        _, losses = back_up(server, tmp_path)
    assert "the same page again" in losses[0].reason


def test_stops_at_endlessly_nested_folders() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"files": [{"path": "deeper", "is_dir": True}]})

    http = httpx.Client(base_url="http://server", transport=httpx.MockTransport(answer))
    with pytest.raises(SKIPPABLE, match="levels of folders"):
        list(Proxy(http, "1", lambda _: None, RETRY).list())


@pytest.mark.parametrize(
    "record",
    [
        None,
        7,
        "x",
        [],
        {},
        {"info": None},
        {"info": {"run_id": "b"}},
        {"info": {"run_id": "b", "experiment_id": 1, "start_time": "x"}},
    ],
)
def test_a_malformed_record_is_a_loss_and_the_others_are_read(tmp_path: Path, record: Any) -> None:
    with HostileServer() as server:
        good = {"info": server.info, "data": {}}
        server.answers[f"{API}runs/search"] = as_json({"runs": [record, good]})
        snapshot, losses = back_up(server, tmp_path)
    (loss,) = losses
    assert loss.place.startswith("run of experiment 1 (")
    assert snapshot.counts["run"] == 1


def test_an_artifact_that_the_server_cannot_serve_is_a_loss_and_the_rest_is_backed_up(tmp_path: Path) -> None:
    listing = {"files": [{"path": "bad", "file_size": 1}, {"path": "good", "file_size": 1}]}
    answers = {
        ARTIFACTS: as_json(listing), f"{ARTIFACTS}/1/{RUN}/artifacts/bad": as_json({"message": "no"}, 500),
        f"{ARTIFACTS}/1/{RUN}/artifacts/good": attachment(b"x"),
    }  # fmt: skip
    with HostileServer(answers) as server:
        snapshot, losses = back_up(server, tmp_path)
    assert [loss.place for loss in losses] == [f"artifact 'bad' of run {RUN}"]
    assert (snapshot.partial, snapshot.counts["artifact"]) == (True, 1)
    assert snapshot.covers_all


def test_the_exit_status_of_a_backup_with_losses_is_1_unless_they_are_accepted(tmp_path: Path) -> None:
    with HostileServer(run={"artifact_uri": "/etc"}) as server:
        command = [sys.executable, "scripts/transfer.py", "backup", server.url, str(tmp_path / "archive")]
        for more, status in ([], 1), (["--accept-losses"], 0):
            done = subprocess.run(
                [*command, *more], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == status, done.stderr
            assert f"artifacts of run {RUN}" in done.stdout
            assert "Traceback" not in done.stderr
    index = json.loads((tmp_path / "archive" / "archive.json").read_text())
    assert [one["partial"] for one in index["snapshots"]] == [True, True]
    assert index["snapshots"][0]["losses"][0]["place"] == f"artifacts of run {RUN}"


# --- a real server -----------------------------------------------------------------------------------------------


def test_uses_the_ui_route_for_an_artifact_that_the_proxy_of_mlflow_3_0_cannot_serve(
    forks: Forks, tmp_path: Path
) -> None:
    server = Server("3.0", tmp_path / "serving", forks, serves_artifacts=True).start().ready()
    try:
        seeder = Seeder(server.url)
        run = seeder.run(seeder.experiment("named"), "r")

        async def go() -> bytes:
            source = await places().server(server.url)
            store = source.store(run["artifact_uri"])
            store.write("データ.csv", [b"1,2"], 3)
            try:
                return b"".join(store.read("データ.csv"))
            finally:
                await source.close()

        assert asyncio.run(go()) == b"1,2"
    finally:
        server.stop()
