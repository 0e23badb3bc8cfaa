"""Servers, archives and folders that try to access other locations or that return malformed data."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_common.retry import Retry
from mlflow_transfer.archive import Archive, Snapshot
from mlflow_transfer.backup import Backup
from mlflow_transfer.connections import ConnectionFactory
from mlflow_transfer.inspecting import Contents, inspect
from mlflow_transfer.losses import Loss
from mlflow_transfer.manifest import ARTIFACT
from mlflow_transfer.records import Run
from mlflow_transfer.sources.archive import ArchiveSource, DamagedError
from mlflow_transfer.sources.opening import open_source
from mlflow_transfer.stores import SKIPPABLE, Folder, Item, Proxy, Roots, open_store
from mlflow_transfer.verification.verifier import Verifier
from tests.transfer.hostile import API, ARTIFACTS, LOGIN_PAGE, REDIRECT, RUN, HostileServer, as_json, attachment
from tests.transfer.made_up import OneRun
from tests.transfer.moving import places
from tests.transfer.seeding import START, Seeder
from tests.transfer.servers import Forks, Server

REPOSITORY = Path(__file__).resolve().parents[2]
# Use few attempts, because errors are permanent here.
RETRY = Retry(patience=1, attempts=2, longest=0.05)


def connections(*trusted: str) -> ConnectionFactory:
    return ConnectionFactory(os.environ, retry=RETRY, trusted=trusted)


def back_up(server: HostileServer, archive: Path, *trusted: str, taken: str = "1") -> tuple[Snapshot, list[Loss]]:
    async def go() -> tuple[Snapshot, list[Loss]]:
        source = await open_source(connections(*trusted), server.url)
        work = Backup(source, Archive(Folder(archive)), taken, None, None, RETRY)
        try:
            return await work.run(), work.losses
        finally:
            await source.close()

    return asyncio.run(go())


def inspected(place: str) -> Contents:
    async def go() -> Contents:
        source = await open_source(connections(), place)
        try:
            return await inspect(source)
        finally:
            await source.close()

    return asyncio.run(go())


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# --- artifact locations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}", "{}/../secret", "{}/."])
def test_a_server_cannot_make_the_operator_read_local_files(tmp_path: Path, form: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("top secret")
    with HostileServer(run={"artifact_uri": form.format(secret)}) as server:
        snapshot, losses = back_up(server, tmp_path / "archive")
        assert b"top secret" not in contents(tmp_path / "archive")
        assert snapshot.partial
        (loss,) = losses
        assert loss.place == f"artifacts of run {RUN}"
        assert "outside the server's own artifact store" in loss.reason
        assert "--trust-artifacts" in loss.reason
        # An operator who trusts the folder can read it.
        if ".." not in form:
            snapshot, losses = back_up(server, tmp_path / "trusting", str(secret))
            assert (snapshot.partial, losses) == (False, [])
            assert b"top secret" in contents(tmp_path / "trusting")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://other-bucket/x",
        "s3a://other/x",
        "gs://bucket/x",
        "dbfs:/x",
        "ftp://host/x",
        "http://host/x",
        "\0",
        "x:",
        "",
    ],
)
def test_a_server_cannot_make_the_operator_read_other_places(tmp_path: Path, uri: str) -> None:
    with HostileServer(run={"artifact_uri": uri}) as server:
        snapshot, losses = back_up(server, tmp_path / "archive", "s3://own/prefix")
    assert (snapshot.partial, len(losses)) == (bool(uri), 1 if uri else 0)


def test_a_trace_tag_cannot_make_the_operator_read_local_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("top secret")
    trace = {
        "request_id": "tr-1", "experiment_id": "1", "timestamp_ms": 1, "status": "OK",
        "tags": [{"key": "mlflow.artifactLocation", "value": str(tmp_path)}],
    }  # fmt: skip
    answers = {"/version": (200, {}, b"2.16.2"), f"{API}traces": as_json({"traces": [trace]})}
    with HostileServer(answers) as server:
        _, losses = back_up(server, tmp_path / "archive")
    assert [loss.place for loss in losses] == ["artifacts of trace tr-1"]
    assert b"top secret" not in contents(tmp_path / "archive")


def test_spans_that_a_server_keeps_in_its_database_are_a_loss_of_the_backup(tmp_path: Path) -> None:
    trace = {
        "request_id": "tr-1", "experiment_id": "1", "timestamp_ms": 1, "status": "OK",
        "tags": [{"key": "mlflow.trace.spansLocation", "value": "TRACKING_STORE"}],
    }  # fmt: skip
    answers = {"/version": (200, {}, b"2.16.2"), f"{API}traces": as_json({"traces": [trace]})}
    with HostileServer(answers) as server:
        snapshot, losses = back_up(server, tmp_path / "archive")
        (seen,) = inspected(server.url).losses
    (loss,) = losses
    assert snapshot.partial
    assert (loss.place, seen) == ("trace tr-1", loss)
    assert "its spans are in the source's database" in loss.reason
    (kept,) = inspected(str(tmp_path / "archive")).losses
    assert loss.reason in kept.reason


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("s3://bucket/own/1/r/artifacts", True),
        ("s3a://bucket/own/1", True),
        ("s3://bucket/own2/1", False),
        ("s3://bucket/own/../other", False),
        ("s3://bucket/own//x", False),
        ("s3://bucket//own/x", False),
        ("s3://bucket/ow", False),
        ("s3://bucket", False),
        ("s3://other/own", False),
        ("s3://bucket@other/own", False),
        ("S3://bucket/own", False),
    ],
)
def test_only_prefixes_below_the_servers_own_store_are_opened(uri: str, allowed: bool) -> None:
    store = open_store(uri, lambda: None, roots=Roots(["s3://bucket/own/"]))
    refused = type(store).__name__ == "RefusedStore"
    assert refused is not allowed
    if refused:
        with pytest.raises(PreconditionError):
            store.write("x", [b"x"], 1)


@pytest.mark.parametrize(
    ("uri", "roots", "allowed"),
    [
        ("s3://bucket/own", ["s3://bucket/own"], False),
        ("s3://bucket/own/backups", ["s3://bucket/own"], False),
        ("s3://bucket/own/backups/server/artifacts", ["s3://bucket/own"], False),
        ("s3://bucket/own/backups-of-2024/x", ["s3://bucket/own"], True),
        ("s3://bucket", ["s3://bucket"], False),
        # The backups of a store below another one.
        ("s3://bucket/own/backups/server", ["s3://bucket", "s3://bucket/own"], False),
        ("s3://bucket/backups/moved/1", ["s3://bucket", "s3://bucket/backups/moved"], True),
        ("s3://bucket/backups/other", ["s3://bucket", "s3://bucket/backups/moved"], False),
    ],
)
def test_the_backups_in_a_store_are_not_read_as_artifacts(uri: str, roots: list[str], allowed: bool) -> None:
    store = open_store(uri, lambda: None, roots=Roots(roots))
    if not allowed:
        with pytest.raises(SKIPPABLE, match="contains, or lies in, the backups at s3://bucket/"):
            list(store.list())
    assert (type(store).__name__ == "RefusedStore") is not allowed


@pytest.mark.parametrize("place", [".", "archive", "archive/records"])
def test_a_backup_does_not_contain_itself(tmp_path: Path, place: str) -> None:
    archive = tmp_path / "archive"
    (tmp_path / "link").symlink_to(tmp_path)
    with HostileServer(run={"artifact_uri": str(tmp_path / "link" / place)}) as server:
        for taken in "12":
            snapshot, (loss,) = back_up(server, archive, str(tmp_path), taken=taken)
            assert (snapshot.partial, loss.place) == (True, f"artifacts of run {RUN}")
            assert "contains, or lies in, this archive" in loss.reason
    assert not (archive / "artifacts").exists()


@pytest.mark.parametrize(
    ("uri", "requested"),
    [
        ("mlflow-artifacts:/1/r/artifacts", "1/r/artifacts"),
        ("mlflow-artifacts://host/1/r", "1/r"),
        ("mlflow-artifacts:/1/../../x", None),
        ("mlflow-artifacts:/1/%2e%2e/x", None),
        ("mlflow-artifacts:/1//x", None),
        ("mlflow-artifacts:/1/a%00b", None),
    ],
)
def test_only_plain_paths_are_requested_from_a_server(uri: str, requested: str | None) -> None:
    paths: list[str] = []

    def proxy(path: str) -> Any:
        paths.append(path)

    open_store(uri, lambda: None, proxy, Roots([]))
    assert paths == ([] if requested is None else [requested])


def test_a_folder_behind_a_link_out_of_the_roots_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("top secret")
    (tmp_path / "own" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "own" / "key").symlink_to(tmp_path / "secret" / "key")
    roots = Roots([str(tmp_path / "own")])
    with pytest.raises(SKIPPABLE, match="outside the server's own"):
        list(open_store(str(tmp_path / "own" / "link"), lambda: None, roots=roots).list())
    store = open_store(str(tmp_path / "own"), lambda: None, roots=roots)
    assert sorted(item.path for item in store.list()) == ["key", "link"]
    for name in ("key", "link", "link/key"):
        with pytest.raises(SKIPPABLE, match=r"is not followed|not a regular file"):
            list(store.read(name))


def test_only_locations_can_be_trusted() -> None:
    with pytest.raises(InputError, match="cannot be trusted"):
        connections("https://host/path")


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run_id", ["../../archive.json", "/tmp/x", "..", "a/../../../archive.json", "C:\\x", "a\nb", "ü" * 300]
)
def test_a_hostile_run_id_writes_nothing_outside_its_folder(tmp_path: Path, run_id: str) -> None:
    archive = tmp_path / "deep" / "archive"
    answers = {
        ARTIFACTS: as_json({"files": [{"path": "f.txt", "file_size": 1}]}),
        f"{ARTIFACTS}/1/x/artifacts/f.txt": attachment(b"x"),
    }
    with HostileServer(answers, run={"run_id": run_id, "artifact_uri": "mlflow-artifacts:/1/x/artifacts"}) as server:
        snapshot, losses = back_up(server, archive)
    assert losses == []
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["archive"]
    assert Archive(Folder(archive)).snapshots() == [snapshot]
    source = ArchiveSource(Archive(Folder(archive)))
    assert asyncio.run(source.check()) == 4
    assert [run.id for run in asyncio.run(source.runs_by_id([run_id]))] == [run_id]


@pytest.mark.parametrize(
    "name",
    ["../../../../archive.json", "/tmp/x", "..", "a//b", "C:/x", "a\\..\\..\\b", "a\x00b", "a\udcffb", ""],
)
def test_a_hostile_artifact_name_is_a_loss(tmp_path: Path, name: str) -> None:
    listing = {"files": [{"path": name, "file_size": 1}, {"path": "good.txt", "file_size": 4}]}
    answers = {ARTIFACTS: as_json(listing), f"{ARTIFACTS}/1/{RUN}/artifacts/good.txt": attachment(b"good")}
    with HostileServer(answers) as server:
        snapshot, losses = back_up(server, tmp_path / "archive")
    assert [loss.place for loss in losses] == [f"artifact {name!r} of run {RUN}"]
    entries = list(Archive(Folder(tmp_path / "archive")).manifest(snapshot).of(ARTIFACT))
    assert [entry.id for entry in entries] == ["good.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_two_objects_with_one_id_do_not_overwrite_each_others_files(tmp_path: Path) -> None:
    def artifact(query: dict[str, Any]) -> Any:
        return as_json({"files": [{"path": "f.txt", "file_size": 1}]})

    runs = [
        {"info": {"run_id": RUN, "experiment_id": "1", "status": "FINISHED", "artifact_uri": f"mlflow-artifacts:/{n}"}}
        for n in (1, 2)
    ]
    answers = {
        f"{API}runs/search": as_json({"runs": runs}), ARTIFACTS: artifact,
        f"{ARTIFACTS}/1/f.txt": attachment(b"1"), f"{ARTIFACTS}/2/f.txt": attachment(b"2"),
    }  # fmt: skip
    with HostileServer(answers) as server:
        snapshot, _ = back_up(server, tmp_path)
    entries = list(Archive(Folder(tmp_path)).manifest(snapshot).of(ARTIFACT))
    assert sorted((tmp_path / entry.file).read_bytes() for entry in entries) == [b"1", b"2"]


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


# --- archives ----------------------------------------------------------------------------------------------------


def made_archive(folder: Path) -> Archive:
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "a.txt").write_text("a")
    run = Run(RUN, "7", "r", "u", "FINISHED", START, START + 1, "active", "s3://x/7")
    archive = Archive(Folder(folder / "archive"))
    source: Any = OneRun(run, lambda _: Folder(folder / "files"))
    asyncio.run(Backup(source, archive, "1", None, None, RETRY).run())
    return archive


def rewritten(archive: Archive, **changes: Any) -> None:
    """Change the entries of artifacts, and correct the checksums."""
    index_path = Path(archive.store.uri) / "archive.json"
    index = json.loads(index_path.read_text())
    (part,) = index["snapshots"][0]["parts"]
    path = Path(archive.store.uri) / part["file"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    content = "".join(
        json.dumps(line | (changes if line["kind"] == ARTIFACT else {})) + "\n" for line in lines
    ).encode()
    path.write_bytes(content)
    part["sha256"] = hashlib.sha256(content).hexdigest()
    index_path.write_text(json.dumps(index))


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "artifacts/../../secret", "link", "C:\\x", "a\0b"])
def test_a_hostile_manifest_reads_nothing_outside_the_archive(tmp_path: Path, file: str) -> None:
    archive = made_archive(tmp_path)
    (tmp_path / "secret").write_text("a")
    (tmp_path / "archive" / "link").symlink_to(tmp_path / "secret")
    rewritten(archive, file=file)
    with pytest.raises(DamagedError, match="cannot be read"):
        asyncio.run(ArchiveSource(archive).check())
    source = ArchiveSource(archive, lenient=True)
    asyncio.run(source.check())
    store = source.store("s3://x/7")
    for item in [*store.list(), Item("a.txt", 1)]:
        with pytest.raises(SKIPPABLE):
            list(store.read(item.path))


@pytest.mark.parametrize(
    "changes", [{"size": "1"}, {"size": 1 << 70}, {"kind": 7}, {"file": None}, {"owner": []}, {"order": {}}]
)
def test_a_manifest_with_wrong_types_counts_as_damaged(tmp_path: Path, changes: dict[str, Any]) -> None:
    archive = made_archive(tmp_path)
    rewritten(archive, **changes)
    with pytest.raises(PlatformError, match=r"000000\.jsonl is damaged: line \d is not an entry"):
        ArchiveSource(archive)
    source = ArchiveSource(archive, lenient=True)
    assert "this part of the list of files is lost" in source.losses()[0].reason


def index_of(snapshot: Any) -> bytes:
    return json.dumps({"format": "mlflow-transfer-archive", "version": 1, "snapshots": [snapshot]}).encode()


SNAPSHOT = {"taken": "1", "source": "", "version": "", "parts": []}


@pytest.mark.parametrize(
    "index",
    [b"", b"null", b"[]", b"{}", b"[" * 100_000]
    + [index_of(one) for one in (7, {**SNAPSHOT, "taken": "../x"}, {**SNAPSHOT, "taken": 1})]
    + [index_of({**SNAPSHOT, "parts": one}) for one in ("x", [{}], [{"file": 1, "sha256": ""}])],
    ids=len,
)
def test_rejects_a_hostile_index_with_one_line(tmp_path: Path, index: bytes) -> None:
    (tmp_path / "archive.json").write_bytes(index)
    with pytest.raises(PlatformError) as caught:
        Archive(Folder(tmp_path)).snapshots()
    assert "\n" not in caught.value.message


def test_restores_the_intact_part_of_a_damaged_archive(tmp_path: Path) -> None:
    archive = made_archive(tmp_path)
    run_file = next((tmp_path / "archive" / "runs").rglob("*.jsonl"))
    run_file.write_bytes(b"\xff torn")
    source = ArchiveSource(archive, lenient=True)
    asyncio.run(source.check())
    assert asyncio.run(source.runs_by_id([RUN])) == []
    assert [loss.place for loss in source.losses()] == [
        f"run {RUN} (file {run_file.relative_to(tmp_path / 'archive')})"
    ]


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
