"""Archives that name files elsewhere, or hold wrong types."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_transfer.archive import Archive
from mlflow_transfer.backup import Backup
from mlflow_transfer.manifest import ARTIFACT
from mlflow_transfer.records import Run
from mlflow_transfer.sources.archive import ArchiveSource
from mlflow_transfer.sources.archive_files import DamagedError
from mlflow_transfer.stores import SKIPPABLE, Folder, Item
from tests.transfer.hostile import RUN
from tests.transfer.made_up import OneRun
from tests.transfer.seeding import START
from tests.transfer.untrusted import RETRY

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
