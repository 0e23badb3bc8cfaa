"""Unpacking a model's archive: the bounds against decompression bombs."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from localaws.endpoints import model_data
from localaws.endpoints.reasons import DeploymentError


class OneObject:
    """An S3 client whose only object is an archive with files of zeros."""

    def __init__(self, *sizes: int) -> None:
        self._sizes = sizes

    def download_file(self, _bucket: str, _key: str, file: str) -> None:
        with tarfile.open(file, "w:gz") as tar:
            for number, size in enumerate(self._sizes):
                member = tarfile.TarInfo(f"file-{number}")
                member.size = size
                tar.addfile(member, io.BytesIO(bytes(size)))


def _fetch(s3: Any, folder: Path) -> list[str]:
    model_data.fetch("s3://bucket/model.tar.gz", s3, folder)
    return sorted(file.name for file in folder.iterdir())


def test_unpacks_an_archive_within_the_bounds(tmp_path: Path) -> None:
    assert _fetch(OneObject(5, 7), tmp_path / "model") == ["file-0", "file-1"]


# Each member has a header of 512 bytes, and its content is padded to 512.
@pytest.mark.parametrize(("bound", "most"), [("MOST_BYTES", 1542), ("MOST_MEMBERS", 1)])
def test_rejects_an_archive_beyond_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(model_data, bound, most)
    with pytest.raises(DeploymentError, match="Failed to extract model data archive"):
        _fetch(OneObject(5, 7), tmp_path / "model")
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["file-0"], "The other one is not written."
