"""The archive of a function is unpacked below its folder, or refused."""

import io
import zipfile
from pathlib import Path

import pytest

from localaws.builds import source
from localaws.errors import AwsError
from localaws.functions.functions import _unpack


def zipped(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def test_a_functions_files_are_unpacked(tmp_path: Path) -> None:
    _unpack(zipped(**{"main.py": "a", "package/module.py": "b"}), tmp_path / "task")
    assert (tmp_path / "task/package/module.py").read_text() == "b"


@pytest.mark.parametrize("archive", [b"no zip", zipped(**{"../main.py": "a"}), zipped(**{"/main.py": "a"})])
def test_an_archive_that_cannot_be_unpacked_is_refused(tmp_path: Path, archive: bytes) -> None:
    with pytest.raises(AwsError, match="could not unzip"):
        _unpack(archive, tmp_path / "task")
    assert not (tmp_path / "main.py").exists()


def test_an_archive_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST", 3)
    with pytest.raises(AwsError, match=r"could not unzip the deployment package\. the source has more than"):
        _unpack(zipped(**{"main.py": "abcd"}), tmp_path / "task")
