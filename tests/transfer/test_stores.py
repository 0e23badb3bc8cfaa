"""Files that are missing, unreadable or change while they are read, and servers that fail while they serve files."""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.awsrequest import AWSResponse

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_transfer.access import Access
from mlflow_transfer.archive import Archive, Snapshot
from mlflow_transfer.artifacts import checksum, copy_file
from mlflow_transfer.backup import Backup
from mlflow_transfer.connections import ConnectionFactory
from mlflow_transfer.manifest import ARTIFACT, Entry
from mlflow_transfer.records import Run
from mlflow_transfer.rewrite import rewrite_ids
from mlflow_transfer.scratch import Scratch
from mlflow_transfer.sources.archive import ArchiveSource
from mlflow_transfer.stores import Folder, GoneError, Item, Proxy, UnreadableError
from tests.transfer.made_up import OneRun
from tests.transfer.moving import RETRY, places
from tests.transfer.proxying import FaultyProxy, first_of_each
from tests.transfer.seeding import START
from tests.transfer.servers import Forks, Server

RUN, NEW = "a" * 32, "b" * 32


def as_it_is(text: str) -> str:
    return text


def copied(source: Any, item: Item, target: Any) -> bool:
    return copy_file(source, item, target, RETRY, as_it_is, lambda _: None)


def snapshot_of(files: Any, archive: Path) -> tuple[Archive, Snapshot]:
    """Back up the files of one run, and compare the checksums in the archive."""
    run = Run(RUN, "7", "r", "u", "FINISHED", START, START + 1, "active", files.uri)

    async def go() -> tuple[Archive, Snapshot]:
        place = Archive(Folder(archive))
        snapshot = await Backup(OneRun(run, lambda _: files), place, "1", None, None, RETRY).run()  # type: ignore[arg-type]
        await ArchiveSource(place).check()
        return place, snapshot

    return asyncio.run(go())


def back_up(files: Any, archive: Path) -> dict[str, Entry]:
    """Back up the files of one run. Return their entries in the archive."""
    place, snapshot = snapshot_of(files, archive)
    return {entry.id: entry for entry in place.manifest(snapshot).of(ARTIFACT)}


class AsListed(Folder):
    """A folder in which `a.txt` changes directly after it was listed."""

    def __init__(self, root: Path, happens: Any) -> None:
        super().__init__(root)
        self._happens = happens

    def list(self) -> Iterator[Item]:
        found = list(super().list())
        self._happens(self.root / "a.txt")
        return iter(found)


CHANGES = {
    "grew": lambda path: path.write_text("as listed and more"),
    "shrank": lambda path: path.write_text("less"),
    "vanished": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_after_it_was_listed_is_copied_with_its_new_content(tmp_path: Path, change: str) -> None:
    (tmp_path / "files").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "files" / name).write_text("as listed")
    store = AsListed(tmp_path / "files", CHANGES[change])
    there = {item.path: copied(store, item, Folder(tmp_path / "copy")) for item in store.list()}
    now = {path.name: path.read_text() for path in (tmp_path / "files").iterdir()}
    assert there == {"a.txt": change != "vanished", "b.txt": True}
    assert {path.name: path.read_text() for path in (tmp_path / "copy").iterdir()} == now

    (tmp_path / "files" / "a.txt").write_text("as listed")
    entries = back_up(store, tmp_path / "archive")
    assert {name: entry.size for name, entry in entries.items()} == {name: len(text) for name, text in now.items()}


def test_a_file_missing_in_an_archive_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a")
    (entry,) = back_up(Folder(tmp_path / "files"), tmp_path / "archive").values()
    store = ArchiveSource(Archive(Folder(tmp_path / "archive"))).store(str(tmp_path / "files"))
    (item,) = store.list()
    (tmp_path / "archive" / entry.file).unlink()
    with pytest.raises(GoneError):
        copied(store, item, Folder(tmp_path / "copy"))


def test_a_broken_link_is_listed_but_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    folder = Folder(tmp_path)
    assert [item.path for item in folder.list()] == ["a.txt", "itself", "link.txt", "nowhere"]
    for name in ("itself", "nowhere"):
        with pytest.raises(UnreadableError, match=f"{name} is a broken link"):
            list(folder.read(name))
    assert b"".join(folder.read("link.txt")) == b"a"


@pytest.mark.parametrize("kind", ["pipe", "socket", "link to a pipe"])
def test_a_pipe_or_a_socket_is_a_loss_and_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "files").mkdir()
    monkeypatch.chdir(tmp_path / "files")  # The address of a socket has at most 108 characters.
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("MLmodel")
    else:
        os.mkfifo("MLmodel" if kind == "pipe" else "pipe")
    if kind == "link to a pipe":
        Path("MLmodel").symlink_to("pipe")
    Path("a.txt").write_text("a")
    folder = Folder(tmp_path / "files")
    item = next(item for item in folder.list() if item.path == "MLmodel")
    with pytest.raises(UnreadableError, match="MLmodel is not a regular file"):
        copied(folder, item, Folder(tmp_path / "copy"))
    place, snapshot = snapshot_of(folder, tmp_path / "archive")
    lost = [loss["reason"] for loss in snapshot.losses if "'MLmodel'" in loss["place"]]
    assert len(lost) == 1
    assert "MLmodel is not a regular file" in lost[0]
    assert [entry.id for entry in place.manifest(snapshot).of(ARTIFACT)] == ["a.txt"]


def test_writes_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    Folder(tmp_path).write("x" * 255, [b"content"], 7)
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 255]


def test_scratch_keeps_names_that_are_not_utf_8() -> None:
    scratch = Scratch()
    item = Item(os.fsdecode(b"\xff.bin"), 1, "t")
    scratch.add_files("/root", [("r/artifacts", item), (os.fsdecode(b"\xfe/artifacts"), item)])
    assert scratch.files("/root", "r/artifacts") == [item]


def test_names_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    whole = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PlatformError, match=r"closed cannot be read \(Permission denied\): give this user the right"):
        list(Folder(tmp_path).list())


@pytest.mark.parametrize(
    "below", ["1", f"1/{RUN}/artifacts", f"1/models/m-{RUN}/artifacts", "1/traces/tr-1/artifacts", "1/traces"]
)
def test_artifacts_of_another_machine_do_not_count_as_empty(tmp_path: Path, below: str) -> None:
    store = places().store(f"file://{tmp_path}/mlartifacts/{below}")
    for work in (lambda: list(store.list()), lambda: store.write("a.txt", [b"a"], 1)):
        with pytest.raises(PreconditionError, match=r"mlartifacts are not on this machine: .*--artifact-root .*--no-a"):
            work()
    assert not (tmp_path / "mlartifacts").exists()
    # The server creates that folder when it starts, and a folder below it when something is logged.
    (tmp_path / "mlartifacts").mkdir()
    assert list(store.list()) == []


def test_finds_the_artifacts_of_another_machine_below_artifact_root(tmp_path: Path) -> None:
    (tmp_path / "brought" / "1" / RUN / "artifacts").mkdir(parents=True)
    (tmp_path / "brought" / "1" / RUN / "artifacts" / "a.txt").write_text("a")
    (tmp_path / "here" / "1").mkdir(parents=True)
    stores = places().stores([], str(tmp_path / "brought"))
    for uri in (f"/srv/mlruns-of-that-machine/1/{RUN}/artifacts", f"mlflow-artifacts:/1/{RUN}/artifacts"):
        assert [item.path for item in stores(uri).list()] == ["a.txt"]
    assert list(stores(f"{tmp_path}/here/1/{RUN}/artifacts").list()) == []


def test_an_error_of_the_source_is_not_attributed_to_the_destination(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield from Folder(tmp_path).read("missing")

    with pytest.raises(GoneError, match="missing is not there"):
        Folder(tmp_path / "target").write("a.txt", broken(), 1)


@pytest.mark.parametrize("size", [100, (8 << 20) + 1])
def test_ids_in_model_files_are_mapped_before_comparison(tmp_path: Path, size: int) -> None:
    source, target = Folder(tmp_path / "source"), Folder(tmp_path / "target")
    text = f"run_id: {RUN}\n".ljust(size)
    source.write("MLmodel", [text.encode()], size)

    def rewrite(found: str) -> str:
        return rewrite_ids(found, {RUN: NEW}.get)

    (item,) = source.list()
    assert copy_file(source, item, target, RETRY, rewrite, lambda _: None)
    assert (NEW in (target.root / "MLmodel").read_text()) is (size == 100)
    assert checksum(source, "MLmodel", rewrite) == checksum(target, "MLmodel")


def test_retries_a_server_that_fails_while_it_serves_artifacts(forks: Forks, tmp_path: Path) -> None:
    serving = Server("3.0", tmp_path / "serving", forks, serves_artifacts=True).start().ready()
    faults = first_of_each("429", "503", "500 before", "drop before", "half body", "drop after")
    files = Folder(tmp_path / "files")
    files.write("model/ü.bin", [b"x" * 3000], 3000)

    async def go(proxy: FaultyProxy) -> None:
        source = await places().server(proxy.url, Access())
        target = source.store(f"mlflow-artifacts:/1/{RUN}/artifacts")
        assert copied(files, Item("model/ü.bin", 3000), target)
        assert [(item.path, item.size) for item in target.list()] == [("model/ü.bin", 3000)]
        back = Folder(tmp_path / "back")
        assert copied(target, Item("model/ü.bin", 3000), back)
        assert (back.root / "model/ü.bin").stat().st_size == 3000
        assert checksum(target, "model/ü.bin") == checksum(files, "model/ü.bin")
        # The file was deleted after it was listed: such a server returns an internal error.
        assert not copied(target, Item("model/gone.bin", 1), back)
        await source.close()

    try:
        with FaultyProxy(serving.port, lambda method, path: "artifacts/" in path and faults(method, path)) as proxy:
            asyncio.run(go(proxy))
        assert len(proxy.struck) >= 12
    finally:
        serving.stop()


def test_artifact_requests_respect_retry_after_and_reduce_the_rate() -> None:
    answers = [httpx.Response(429, headers={"Retry-After": "0.3"}), httpx.Response(200, json={"files": []})]
    calls: list[str] = []
    http = httpx.Client(base_url="http://server", transport=httpx.MockTransport(lambda _: answers.pop(0)))
    store = Proxy(http, "1", calls.append, RETRY, lambda: calls.append("throttled"))
    start = time.monotonic()
    assert list(store.list()) == []
    assert time.monotonic() - start >= 0.3
    assert calls == ["GET mlflow-artifacts", "throttled", "GET mlflow-artifacts"]


class Sessions:
    """Returns AWS sessions with the keys of a changing profile, one after the other. S3 accepts only the key "new"."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)
        self.signed: list[str] = []

    def __call__(self) -> Any:
        key = self._keys.pop(0) if len(self._keys) > 1 else self._keys[0]
        session = boto3.Session(key, "secret", "token", region_name="us-east-1")
        made = session.client

        def client(*given: Any, **more: Any) -> Any:
            found = made(*given, **more)
            found.meta.events.register("before-send.s3", self._answer)
            return found

        session.client = client  # type: ignore[method-assign]
        return session

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        key = request.headers["Authorization"].decode().split("Credential=")[1].split("/")[0]
        self.signed.append(key)
        if key != "new":
            return answer(400, b"<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>")
        return answer(200, b"" if request.method == "PUT" else b"<ListBucketResult></ListBucketResult>")


def answer(status: int, content: bytes) -> AWSResponse:
    class Raw:
        def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
            yield content

        def read(self, *_: Any) -> bytes:
            return content

    return AWSResponse("https://s3", status, {"content-length": str(len(content))}, Raw())


def test_calls_to_s3_use_the_renewed_credentials_of_a_profile() -> None:
    sessions = Sessions("old", "new")
    store = ConnectionFactory({}, session=sessions, retry=RETRY).store("s3://bucket/prefix")
    assert list(store.list()) == []
    store.write("a.txt", [b"a"], 1)
    assert sessions.signed == ["old", "new", "new"]


def test_waits_for_renewed_credentials_while_a_file_is_copied(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    sessions = Sessions("old", "old", "old", "new")
    store = ConnectionFactory({}, session=sessions, retry=RETRY).store("s3://bucket/prefix")
    assert copied(Folder(tmp_path), Item("a.txt", 1), store)
    assert sessions.signed == ["old", "old", "old", "new"]

    sessions = Sessions("old")
    store = ConnectionFactory({}, session=sessions, retry=RETRY).store("s3://bucket/prefix")
    with pytest.raises(PlatformError, match=r"cannot be copied to s3://bucket/prefix \(.*ExpiredToken"):
        copied(Folder(tmp_path), Item("a.txt", 1), store)
    assert len(sessions.signed) == RETRY.attempts


@pytest.mark.parametrize(
    ("code", "todo"),
    [
        (errno.EROFS, "(Read-only file system): choose another folder"),
        (errno.EACCES, "(Permission denied): give this user the right to write there, or choose another folder"),
        (errno.ENOSPC, "(No space left on device): make room there and try again"),
    ],
)
def test_a_folder_that_cannot_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, todo: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(PlatformError) as found:
        Folder(tmp_path / "new").write("a/b", [b"x"], 1)
    assert str(found.value).endswith(todo)
