"""The archives of models that a job of the training pipeline unpacks."""

import gzip
import io
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.platform.factory.test_job import processing_job
from training import job


def test_the_archive_of_a_model_is_unpacked(tmp_path: Path) -> None:
    read = processing_job(tmp_path)
    folder = read.channels["model"]
    folder.mkdir(parents=True)
    (tmp_path / "packed" / "data").mkdir(parents=True)
    (tmp_path / "packed" / "data" / "weights").write_text("x")
    (tmp_path / "packed" / "MLmodel").touch()
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "packed", ".")
    job.unpack(read)
    assert sorted(file.name for file in folder.iterdir()) == ["MLmodel", "data"]
    assert (folder / "data" / "weights").read_text() == "x"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("/tmp/x", "0"), ("a/../../x", "0"), ("C:/x", "0"), ("a\tb", "0"), ("out/x", "0"), ("link", "2"), ("pipe", "6")],
)
def test_an_archive_whose_members_lie_outside_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    read = processing_job(tmp_path)
    folder = read.channels["model"]
    folder.mkdir(parents=True)
    (folder / "out").symlink_to(tmp_path)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("good"))
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind.encode(), "/etc"
        tar.addfile(member)
    with pytest.raises(job.JobError, match=r"model.tar.gz cannot be unpacked: the name .* is refused"):
        job.unpack(read)
    assert sorted(file.name for file in folder.iterdir()) == ["model.tar.gz", "out"]


def test_an_archive_with_a_header_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    read = processing_job(tmp_path)
    read.channels["model"].mkdir(parents=True)
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 64 << 20
    header = member.tobuf(tarfile.GNU_FORMAT)
    (read.channels["model"] / "model.tar.gz").write_bytes(gzip.compress(header + bytes(64 << 20), 1))
    with pytest.raises(job.JobError, match=r"model.tar.gz cannot be unpacked: a header is too long"):
        job.unpack(read)


def test_an_archive_that_needs_more_room_than_the_disk_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = processing_job(tmp_path)
    read.channels["model"].mkdir(parents=True)
    with tarfile.open(read.channels["model"] / "model.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("x")
        member.size = 1 << 20
        tar.addfile(member, io.BytesIO(bytes(1 << 20)))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 16))
    with pytest.raises(job.JobError, match=r"model.tar.gz cannot be unpacked: it needs more room than the disk has"):
        job.unpack(read)


def test_a_damaged_archive_of_a_model_is_named(tmp_path: Path) -> None:
    read = processing_job(tmp_path)
    read.channels["model"].mkdir(parents=True)
    (read.channels["model"] / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(job.JobError, match=r"model.tar.gz cannot be unpacked: "):
        job.unpack(read)
