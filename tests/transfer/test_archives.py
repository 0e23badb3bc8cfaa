"""A backup is restored completely or not at all, and the next backup writes only what changed."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlflow_common.errors import InputError, PlatformError
from mlflow_transfer.archive import Archive, Snapshot
from mlflow_transfer.options import Options
from mlflow_transfer.sources.archive import ArchiveSource
from mlflow_transfer.sources.archive_files import DamagedError
from mlflow_transfer.stores import Folder
from tests.transfer.conftest import Servers
from tests.transfer.moving import WITHOUT_SNAPSHOTS, back_up, behind, copy, held_alike, same, verify
from tests.transfer.seeding import START, Seeder

Old = Callable[[Path], Snapshot]


@pytest.fixture(scope="module")
def old_archive(all_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Old:
    """Copies a backup of the old server, which is made once, into a folder."""
    made = tmp_path_factory.mktemp("archives") / "old"
    snapshot = back_up(all_servers.old.url, made, "1")

    def put(folder: Path) -> Snapshot:
        shutil.copytree(made, folder, dirs_exist_ok=True)
        return snapshot

    return put


def files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_backup_restores_into_an_empty_server_and_verifies(servers: Servers, tmp_path: Path) -> None:
    back_up(servers.new.url, tmp_path, "1")
    source = ArchiveSource(Archive(Folder(tmp_path)))
    held = sum(path.is_file() for name in ("runs", "records", "artifacts") for path in (tmp_path / name).rglob("*"))
    assert asyncio.run(source.check()) == held
    same(behind(servers.new), source)
    copy(source, servers.target.url)
    held_alike(servers.new, servers.target)
    # A restore into the server that was backed up creates nothing twice.
    assert copy(servers.new.url, servers.target.url)[0].created == {}


def test_the_archive_can_be_read_without_this_tool(servers: Servers, old_archive: Old, tmp_path: Path) -> None:
    snapshot = old_archive(tmp_path)
    index = json.loads((tmp_path / "archive.json").read_text())
    assert (index["format"], index["version"]) == ("mlflow-transfer-archive", 1)
    lines = [json.loads(line) for part in snapshot.parts for line in (tmp_path / part["file"]).open()]
    run = next(line for line in lines if line["kind"] == "run" and line["id"] == servers.made_old["parent"])
    header, *points = [json.loads(line) for line in (tmp_path / run["file"]).read_text().split("\n") if line]
    assert header["params"]["emoji"] == "🙂"
    assert sum(len(line["points"]) for line in points) == 2500 + 4 + 3
    assert ["odd", "NaN", START, 0] in [point for line in points for point in line["points"]]
    artifact = tmp_path / "artifacts" / servers.made_old["parent"] / "1" / "straße" / "ünï code.txt"
    assert artifact.read_text() == "ä"


def test_the_next_backup_writes_only_what_changed(servers: Servers, tmp_path: Path) -> None:
    source = Seeder(servers.new.url)
    experiment = source.experiment("backed up")
    run = source.run(experiment, "one")
    source.log(run["run_id"], [("m", 1.0, START, 1)])
    source.end(run["run_id"])
    other = source.run(experiment, "two")
    source.end(other["run_id"])
    back_up(servers.new.url, tmp_path, "1")
    before = files(tmp_path)
    source.post("runs/set-tag", run_id=run["run_id"], key="new", value="1")
    back_up(servers.new.url, tmp_path, "2")

    after = files(tmp_path)
    new = {path.removeprefix(str(tmp_path)) for path in after.keys() - before.keys()}
    assert {path.split("/")[1] for path in new} == {"runs", "snapshots"}
    assert len(new) == 2
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {str(tmp_path / "archive.json")}

    # Both snapshots are complete. The older one does not have the tag.
    for taken, tags in (("1", False), ("2", True)):
        found = ArchiveSource(Archive(Folder(tmp_path)), taken)
        assert ("new" in asyncio.run(found.runs_by_id([run["run_id"]]))[0].tags) is tags

    assert Archive(Folder(tmp_path)).prune(1) == 2
    same(behind(servers.new), ArchiveSource(Archive(Folder(tmp_path))))


def test_only_a_thorough_backup_finds_points_that_no_listing_shows(servers: Servers, tmp_path: Path) -> None:
    source = Seeder(servers.new.url)
    experiment = source.experiment("late points to back up")
    only = Options(include_deleted=True, experiments=frozenset({"late points to back up"}))
    run = source.run(experiment, "one")
    source.log(run["run_id"], [("loss", float(step), START + step, step) for step in range(3)])
    source.end(run["run_id"])
    back_up(servers.new.url, tmp_path, "1", options=only)
    source.log(run["run_id"], [("loss", 50.0, START + 90, 1)])
    back_up(servers.new.url, tmp_path, "2", options=only)
    assert dict(verify(servers.new.url, ArchiveSource(Archive(Folder(tmp_path)), "2"), options=only).found) == {
        "metric points": 1
    }
    back_up(servers.new.url, tmp_path, "3", options=replace(only, thorough=True))
    same(servers.new.url, ArchiveSource(Archive(Folder(tmp_path)), "3"), options=only)

    before = files(tmp_path)
    back_up(servers.new.url, tmp_path, "4", options=replace(only, thorough=True))
    assert {Path(path).parent.name for path in files(tmp_path).keys() - before.keys()} == {"4"}


def test_an_interrupted_backup_continues_with_what_it_wrote(servers: Servers, old_archive: Old, tmp_path: Path) -> None:
    old_archive(tmp_path)
    (tmp_path / "archive.json").write_text(WITHOUT_SNAPSHOTS)
    (tmp_path / "snapshots/1").rename(tmp_path / "snapshots/20261121T043000000000Z")
    before = files(tmp_path)
    back_up(servers.old.url, tmp_path, "20261122T043000000000Z")
    fresh = {Path(path).relative_to(tmp_path).parts[0] for path in files(tmp_path).keys() - before.keys()}
    assert fresh <= {"archive.json", "snapshots", "runs"}
    same(behind(servers.old), ArchiveSource(Archive(Folder(tmp_path))))


@pytest.mark.parametrize(
    "what", ["artifacts/*/1/model/data/weights.bin", "runs/*/*.jsonl", "records/experiments-*.jsonl"]
)
@pytest.mark.parametrize("how", ["flipped", "cut", "missing"])
def test_a_damaged_archive_names_the_file_and_restores_nothing(
    old_archive: Old, tmp_path: Path, what: str, how: str
) -> None:
    old_archive(tmp_path)
    victim = next(tmp_path.glob(what))
    whole = victim.read_bytes()
    damaged = {"flipped": whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:], "cut": whole[:-2]}
    victim.unlink() if how == "missing" else victim.write_bytes(damaged[how])
    source = ArchiveSource(Archive(Folder(tmp_path)))
    with pytest.raises(DamagedError) as caught:
        asyncio.run(source.check())
    assert str(victim) in caught.value.message


def test_ignores_fields_of_later_versions(servers: Servers, old_archive: Old, tmp_path: Path) -> None:
    old_archive(tmp_path)
    index = json.loads((tmp_path / "archive.json").read_text())
    for part in index["snapshots"][0]["parts"]:
        lines = [json.loads(line) for line in (tmp_path / part["file"]).read_text().splitlines()]
        content = "".join(json.dumps({**line, "later": 1}) + "\n" for line in lines).encode()
        (tmp_path / part["file"]).write_bytes(content)
        part["sha256"] = hashlib.sha256(content).hexdigest()
    index["snapshots"][0]["later"] = {"more": True}
    (tmp_path / "archive.json").write_text(json.dumps({**index, "later": 1}))
    same(behind(servers.old), ArchiveSource(Archive(Folder(tmp_path))))


def test_rejects_a_damaged_manifest_and_other_folders(old_archive: Old, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no finished backup"):
        ArchiveSource(Archive(Folder(tmp_path)))
    snapshot = old_archive(tmp_path)
    part = tmp_path / snapshot.parts[0]["file"]
    part.write_bytes(part.read_bytes().replace(b"experiments", b"experiment5", 1))
    with pytest.raises(PlatformError, match=r"snapshots/1/000000\.jsonl is damaged"):
        ArchiveSource(Archive(Folder(tmp_path)))
    (tmp_path / "archive.json").write_text('{"format": "mlflow-transfer-archive", "version": 2, "snapshots": []}')
    with pytest.raises(InputError, match="use a later version of this tool"):
        ArchiveSource(Archive(Folder(tmp_path)))
