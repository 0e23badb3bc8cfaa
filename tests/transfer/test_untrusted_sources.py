"""Servers that name artifact locations and files outside their own store."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError, PreconditionError
from mlflow_transfer.archive import Archive
from mlflow_transfer.manifest import ARTIFACT
from mlflow_transfer.sources.archive import ArchiveSource
from mlflow_transfer.stores import SKIPPABLE, Folder, Roots, open_store
from tests.transfer.hostile import API, ARTIFACTS, RUN, HostileServer, as_json, attachment
from tests.transfer.untrusted import back_up, connections, contents, inspected


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
