"""Files that snapshots share stay intact after changes, deletions, kills and simultaneous backups."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError
from mlflow_transfer import archive as archives
from mlflow_transfer.archive import Archive, Parts, Snapshot
from mlflow_transfer.backup import Backup
from mlflow_transfer.manifest import RUN, Entry
from mlflow_transfer.options import Options
from mlflow_transfer.records import Experiment, Run, Trace
from mlflow_transfer.sources.archive import ArchiveSource
from mlflow_transfer.stores import Folder, Item
from tests.transfer.made_up import OneRun
from tests.transfer.moving import EVERYTHING, RETRY, WITHOUT_SNAPSHOTS, places
from tests.transfer.seeding import START

WITHOUT_FILES = replace(EVERYTHING, artifacts=False)
ONE_EXPERIMENT = replace(EVERYTHING, experiments=frozenset({"made up"}))


def at(night: str) -> str:
    """The snapshot of a night, in the form that the command gives it."""
    return f"{night:0>8}T000000000000Z"


class Nights:
    """A run with files that is repeatedly backed up into an archive."""

    def __init__(self, folder: Path) -> None:
        self.files, self.folder = folder / "7" / "run" / "artifacts", folder / "archive"
        self.archive = Archive(Folder(self.folder))
        self.files.mkdir(parents=True)
        run = Run("a" * 32, "7", "r", "u", "FINISHED", START, START + 1, "active", str(self.files))
        self.source = OneRun(run, places().store)

    def write(self, name: str, content: str, changed: int = 0) -> None:
        (self.files / name).write_text(content)
        os.utime(self.files / name, ns=(changed, changed))

    def back_up(self, taken: str, options: Options = EVERYTHING, source: Any = None) -> Snapshot:
        work = Backup(source or self.source, Archive(Folder(self.folder)), at(taken), options, None, RETRY)
        return asyncio.run(work.run())

    def held(self, taken: str) -> dict[str, str]:
        """The run's files in a snapshot, after all its files were compared with their checksums."""

        async def go() -> dict[str, str]:
            source = ArchiveSource(self.archive, at(taken))
            await source.check()
            store = source.store(str(self.files))
            return {item.path: b"".join(store.read(item.path)).decode() for item in store.list()}

        return asyncio.run(go())

    def data(self) -> dict[Path, int]:
        """The artifact files of the archive, and their modification times."""
        found = (self.folder / "artifacts").rglob("*")
        return {path: path.stat().st_mtime_ns for path in found if path.is_file()}


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def test_every_snapshot_has_its_version_of_a_changing_file(nights: Nights) -> None:
    for night in range(1, 6):
        nights.write("a.txt", f"night {night}", night)
        nights.back_up(str(night))
    for night in range(1, 6):
        assert nights.held(str(night)) == {"a.txt": f"night {night}"}


@pytest.mark.parametrize("between", ["deleted", WITHOUT_FILES, ONE_EXPERIMENT], ids=["deleted", "no files", "partial"])
def test_later_backups_do_not_overwrite_older_files(nights: Nights, between: Any) -> None:
    nights.write("a.txt", "first", 1)
    nights.back_up("1")
    if between == "deleted":
        (nights.files / "a.txt").unlink()
        nights.back_up("2")
    else:
        nights.back_up("2", between)
    nights.write("a.txt", "third", 3)
    nights.back_up("3")
    assert (nights.held("1"), nights.held("3")) == ({"a.txt": "first"}, {"a.txt": "third"})


def test_a_folder_may_replace_a_file(nights: Nights) -> None:
    nights.write("a", "a file")
    nights.back_up("1")
    (nights.files / "a").unlink()
    (nights.files / "a").mkdir()
    nights.write("a/b", "in a folder")
    nights.back_up("2")
    assert (nights.held("1"), nights.held("2")) == ({"a": "a file"}, {"a/b": "in a folder"})


@pytest.mark.parametrize("partial", [WITHOUT_FILES, ONE_EXPERIMENT], ids=["no files", "one experiment"])
def test_nothing_is_written_again_after_a_partial_backup(nights: Nights, partial: Options) -> None:
    nights.write("a.txt", "first")
    nights.back_up("1")
    nights.back_up("2", partial)
    before = nights.data()
    nights.back_up("3")
    assert nights.data() == before
    assert nights.held("3") == {"a.txt": "first"}


def test_compares_contents_if_the_store_has_no_tags(nights: Nights) -> None:
    class Untold(Folder):
        def list(self) -> Iterator[Item]:
            return (replace(item, tag="") for item in super().list())

    nights.source.store = lambda _: Untold(nights.files)  # type: ignore[method-assign, assignment]
    nights.write("a.txt", "first")
    nights.write("b.txt", "other")
    nights.back_up("1")
    before = nights.data()
    nights.back_up("2")
    assert nights.data() == before
    nights.write("a.txt", "third")
    nights.back_up("3")
    assert len(nights.data()) == len(before) + 1
    assert nights.held("1") == nights.held("2") == {"a.txt": "first", "b.txt": "other"}
    assert nights.held("3") == {"a.txt": "third", "b.txt": "other"}


def test_only_files_of_backups_are_deleted(nights: Nights) -> None:
    nights.back_up("1")
    others = [
        nights.folder / name
        for name in (
            "thesis.txt", "photos/a.jpg", "snapshots/b.jpg", "snapshots/mine/000000.jsonl", "runs/1/c.jsonl",
            f"artifacts/1/{'a' * 32}/artifacts/model/model.pkl", "under-way/mine.json",
        )
    ]  # fmt: skip
    for file in others:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("[]")
    (nights.folder / "under-way/mine.json").write_text('{"at": 0}')
    nights.write("a.txt", "changed", 2)
    nights.back_up("2")
    assert nights.archive.prune(1) > 0
    assert [file for file in others if not file.exists()] == []


def test_artifacts_of_an_earlier_version_are_deleted_only_if_a_manifest_names_them(nights: Nights) -> None:
    """It wrote them without the backup's time in their path, as an MLflow server does."""
    nights.back_up("1")
    named, other = nights.folder / "artifacts/7/a.txt", nights.folder / "artifacts/7/b.txt"
    named.parent.mkdir(parents=True)
    for file in (named, other):
        file.write_text("text")
    nights.archive.write_part(at("0"), 0, [Entry("artifact", "artifacts/7/a.txt", 4, "x", "7", "a.txt")])
    assert nights.archive.prune(1) > 0
    assert not named.exists()
    assert other.exists()


@pytest.mark.parametrize("name", [f"artifacts/1/{'a' * 32}/artifacts/model.pkl", "runs/1/c.jsonl"])
def test_files_of_an_mlflow_server_are_other_files(nights: Nights, name: str) -> None:
    file = nights.folder / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(InputError, match=r"holds '.+' and no archive: name an empty"):
        nights.back_up("1")


def test_refuses_a_folder_that_holds_other_files_and_no_archive(nights: Nights) -> None:
    nights.folder.mkdir()
    (nights.folder / ".DS_Store").write_text("")
    (nights.folder / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"archive holds 'thesis\.txt' and no archive: name an empty"):
        nights.back_up("1")
    assert sorted(path.name for path in nights.folder.iterdir()) == [".DS_Store", "thesis.txt"]
    (nights.folder / "thesis.txt").unlink()
    nights.back_up("1")


def test_an_archive_that_lost_its_index_is_refused_and_keeps_its_files(nights: Nights) -> None:
    nights.write("a.txt", "first")
    nights.back_up("1")
    index = (nights.folder / "archive.json").read_text()
    (nights.folder / "archive.json").unlink()
    before = nights.data()
    with pytest.raises(InputError, match=r"holds files of backups, such as '.+', but no archive\.json.*: restore"):
        nights.back_up("2")
    assert nights.data() == before
    (nights.folder / "archive.json").write_text(index)
    nights.back_up("2")
    assert nights.held("1") == {"a.txt": "first"}


def test_an_index_that_is_deleted_during_a_backup_is_not_written_anew(nights: Nights) -> None:
    nights.back_up("1")
    with pytest.raises(PlatformError, match=r"archive\.json was deleted meanwhile: restore it"):
        nights.back_up("2", source=Meanwhile(nights.source, (nights.folder / "archive.json").unlink))
    assert not (nights.folder / "archive.json").exists()


def test_a_partial_backup_does_not_count_for_keep_and_is_not_restored_by_default(nights: Nights) -> None:
    nights.back_up("1", WITHOUT_FILES)
    with pytest.raises(InputError, match=r"holds only partial backups .*: choose one with --snapshot, such as 0+1T"):
        ArchiveSource(nights.archive)
    assert nights.archive.prune(1) == 0
    for night in ("2", "3", "5"):
        nights.back_up(night)
    for night in ("4", "6", "7"):
        nights.back_up(night, ONE_EXPERIMENT)
    nights.archive.prune(2)
    assert [one.taken for one in nights.archive.snapshots()] == [at(night) for night in ["3", "4", "5", "6", "7"]]
    assert [one.taken for one in nights.archive.snapshots() if one.partial] == [at(night) for night in ["4", "6", "7"]]
    assert ArchiveSource(nights.archive)._snapshot.taken == at("5")


class Meanwhile(OneRun):
    """Calls a function after the files were backed up and before the backup is finished."""

    def __init__(self, source: OneRun, happens: Callable[[], object]) -> None:
        super().__init__(source.run, source.store)
        self._happens = happens

    async def registered_models(self) -> list[Any]:
        await asyncio.to_thread(self._happens)
        return []


def test_two_simultaneous_backups_are_both_published(nights: Nights) -> None:
    nights.write("a.txt", "first")
    nights.back_up("2", source=Meanwhile(nights.source, lambda: nights.back_up("3")))
    assert [one.taken for one in nights.archive.snapshots()] == [at(night) for night in ["2", "3"]]
    assert nights.held("2") == nights.held("3") == {"a.txt": "first"}


def test_does_not_delete_files_that_a_running_backup_needs(nights: Nights) -> None:
    nights.write("gone.txt", "needed by the first night and the slow backup", 1)
    nights.back_up("1")

    def other() -> None:
        (nights.files / "gone.txt").unlink()
        nights.back_up("3")
        nights.archive.prune(1)

    nights.write("new.txt", "written by the slow backup alone", 2)
    nights.back_up("2", source=Meanwhile(nights.source, other))
    assert set(nights.held("2")) == {"gone.txt", "new.txt"}
    nights.archive.prune(1)
    assert [one.taken for one in nights.archive.snapshots()] == [at(night) for night in ["3"]]
    assert {path.name for path in nights.data()} == {"new.txt"}
    assert nights.held("3") == {"new.txt": "written by the slow backup alone"}


def test_a_killed_backup_prevents_deletions_for_only_one_day(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    for night in (1, 2):
        nights.write("a.txt", f"night {night}", night)
        nights.back_up(str(night))
    dead = nights.folder / "artifacts" / "x.bin.9999.transfer-partial"
    dead.write_bytes(b"half")
    nights.archive.begin(at("0"))
    nights.archive.prune(1)
    assert len(nights.data()) == 3
    later = time.time() + 24 * 3600
    monkeypatch.setattr(archives.time, "time", lambda: later)  # type: ignore[attr-defined]
    nights.archive.prune(1)
    assert {path.read_text() for path in nights.data()} == {"night 2"}
    assert sorted(path.name for path in nights.folder.iterdir() if any(path.rglob("*.json*"))) == [
        "records", "runs", "snapshots",
    ]  # fmt: skip


def test_a_kill_during_pruning_leaves_no_dangling_references(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Folder.delete

    def run(kills: int) -> bool:
        """Prune, and fail at one of the deletions. Return whether it failed."""
        left = [kills]

        def delete(folder: Folder, path: str) -> None:
            if not path.startswith("under-way") and not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            whole(folder, path)

        monkeypatch.setattr(Folder, "delete", delete)
        try:
            nights.archive.prune(1)
        except KeyboardInterrupt:
            return True
        finally:
            monkeypatch.setattr(Folder, "delete", whole)
        return False

    # Each time, the file again gets the content that it had in the snapshot that is pruned.
    night, kills, died = 0, 0, True
    while died:
        for content, changed in (("as it was", 1), ("otherwise", 2)):
            night += 1
            nights.write("a.txt", content, changed)
            nights.back_up(f"{night:03}")
        died = run(kills)
        kills += 1
        night += 1
        nights.write("a.txt", "as it was", 1)
        nights.back_up(f"{night:03}")
        for snapshot in nights.archive.snapshots():
            nights.held(snapshot.taken[:8])
    assert kills > 3


def test_entries_are_written_every_minute_so_that_a_kill_loses_little(nights: Nights) -> None:
    now = [0.0]
    parts = Parts(nights.archive, at("1"), lambda: now[0])
    for minute in range(3):
        parts.add(Entry(RUN, f"runs/{minute}", 1, "x", "7", str(minute)))
        now[0] += 60
    assert len(parts.written) == 2
    assert [entry.id for entry in nights.archive.known().of(RUN)] == ["0", "1", "2"]
    # The backup also refreshes its mark.
    now[0] += 3600
    parts.add(Entry(RUN, "runs/3", 1, "x", "7", "3"))
    assert json.loads((nights.folder / "under-way" / f"{at('1')}.json").read_text())["by"]


def test_ignores_interrupted_backups_before_the_last_complete_one(nights: Nights) -> None:
    """Their entries would count as the newest, and every file that changed since would be written again each time."""
    nights.write("a.txt", "old", 1)
    nights.back_up("1")
    (nights.folder / "archive.json").write_text(WITHOUT_SNAPSHOTS)
    nights.write("a.txt", "new", 2)
    nights.back_up("2")
    before = nights.data()
    nights.back_up("3")
    assert nights.data() == before


def test_traces_of_an_archive_come_in_pages(nights: Nights) -> None:
    class Traced(OneRun):
        async def traces(self, _: str) -> Any:
            yield [Trace(f"tr-{index}", "7", START, 1, "OK") for index in range(1100)]

    nights.back_up("1", source=Traced(nights.source.run, nights.source.store))

    async def pages() -> list[int]:
        return [len(page) async for page in ArchiveSource(nights.archive).traces("7")]

    assert asyncio.run(pages()) == [500, 500, 100]


def test_snapshots_of_an_old_index_without_partial_flag_are_complete(nights: Nights) -> None:
    nights.back_up("1")
    index = json.loads((nights.folder / "archive.json").read_text())
    del index["snapshots"][0]["partial"]
    (nights.folder / "archive.json").write_text(json.dumps(index))

    async def experiments() -> list[Experiment]:
        return [one async for one in ArchiveSource(nights.archive).experiments()]

    assert [one.name for one in asyncio.run(experiments())] == ["made up"]


def test_breaks_an_abandoned_lock(nights: Nights) -> None:
    nights.folder.mkdir()
    lock = nights.folder / "archive.json.transfer-lock"
    lock.write_text("of a process that was killed")
    os.utime(lock, (0, 0))
    nights.back_up("1")
    assert not lock.exists()
