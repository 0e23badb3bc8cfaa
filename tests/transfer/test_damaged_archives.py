"""Archives with damaged record files: reading one without checking the whole archive names each damage as a loss."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_transfer.archive import open_archive
from mlflow_transfer.losses import Loss
from mlflow_transfer.sources.archive import ArchiveSource
from tests.transfer.moving import places
from tests.transfer.test_unreadable_file_stores import everything, store

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda _: b"",
    "cut after a line": lambda content: content[: content.index(b"\n") + 1] if content.count(b"\n") > 1 else b"",
    "cut in a line": lambda content: content[: len(content) // 2],
    "other JSON": lambda _: b'{"a": [1, null, {"id": 5}]}\n',
    "a line twice": lambda content: content + content,
    "binary": lambda content: b"\x1f\x8b\x08" + b"\xff" * len(content),
    "NUL bytes": lambda content: bytes(len(content)),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    root = store(folder / "mlruns")
    command = [sys.executable, "-m", "mlflow_transfer", "backup", root, folder / "archive", "--no-artifacts"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder / "archive"


def read(folder: Path, *, lenient: bool = True) -> tuple[dict[str, Any], list[Loss]]:
    (snapshot,) = open_archive(str(folder), places().s3).snapshots()
    source = ArchiveSource(open_archive(str(folder), places().s3), snapshot.taken, lenient=lenient)
    found = asyncio.run(everything(source))
    asyncio.run(source.close())
    return found, source.losses()


def test_reads_a_whole_archive_without_losses(archive: Path) -> None:
    found, losses = read(archive)
    assert losses == []
    assert [len(found[kind]) for kind in ("experiments", "runs", "models", "traces", "registered")] == [1, 2, 1, 1, 1]


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("file", ["records/experiments-*", "records/traces-*", "records/registered*", "runs/1/a*"])
def test_a_damaged_file_is_a_loss_or_an_error_that_names_it(archive: Path, tmp_path: Path, file: str, how: str) -> None:
    shutil.copytree(archive, tmp_path / "archive")
    (victim,) = (tmp_path / "archive").glob(file)
    victim.write_bytes(DAMAGE[how](victim.read_bytes()))
    _, losses = read(tmp_path / "archive")
    assert any(victim.name in loss.place for loss in losses), losses
    with pytest.raises(PlatformError, match=victim.name):
        read(tmp_path / "archive", lenient=False)
