"""Results are refused before the work if they cannot be written."""

import os
from pathlib import Path

import pytest

from mlflow_common.errors import InputError
from mlflow_common.output_paths import check_output_file, check_output_folder


def test_places_that_can_be_written_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.csv").touch()
    for file in ("new.csv", "a/b/new.csv", "old.csv", str(tmp_path / "new.csv"), os.devnull):
        check_output_file(Path(file), source=Path("data.csv"))
    check_output_folder(Path("a/b"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.csv"]


def test_another_name_of_the_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").touch()
    (tmp_path / "link.csv").symlink_to("data.csv")
    with pytest.raises(InputError, match="is the file that is read"):
        check_output_file(tmp_path / "link.csv", source=tmp_path / "data.csv")


@pytest.mark.parametrize("place", ["", "new.csv", "a/new.csv"])
def test_places_that_cannot_be_written_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    (tmp_path / "old.csv").touch()
    with pytest.raises(InputError, match="--out: "):
        check_output_file(tmp_path / (place or "old.csv"), "--out")


def test_a_dangling_link_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(InputError, match="is not a folder"):
        check_output_file(tmp_path / "link" / "new.csv")
