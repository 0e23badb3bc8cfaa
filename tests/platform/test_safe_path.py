"""A name from outside becomes a path below a folder, or it is rejected."""

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from mlflow_common.safe_path import UnsafeNameError, below, key_below, relative_name

SAFE = [
    "a",
    "a/b.txt",
    "ünï/côde 🙂",
    "a b",
    ".hidden",
    "...",
    "a..b",
    "..a",
    "ab:c/d",
    "con",
    "a'\"$`;&|b",
    "model/code",
]
UNSAFE = {
    "": "it is empty",
    "/": "it is absolute",
    "/etc/passwd": "it is absolute",
    "//server/share": "it is absolute",
    ".": "it contains `.` or `..`",
    "..": "it contains `.` or `..`",
    "../x": "it contains `.` or `..`",
    "a/../b": "it contains `.` or `..`",
    "a/..": "it contains `.` or `..`",
    "./a": "it contains `.` or `..`",
    "a//b": "it has an empty part",
    "a/": "it has an empty part",
    "C:/x": "it names a drive or a network share",
    "c:x": "it names a drive or a network share",
    "\\\\server\\share\\x": "it names a drive or a network share",
    "\\x": "its backslashes lead out of the folder on Windows",
    "a\\..\\..\\x": "its backslashes lead out of the folder on Windows",
    "..\\x": "its backslashes lead out of the folder on Windows",
    "a\0b": "it contains a control character",
    "a\nb": "it contains a control character",
    "a\x7fb": "it contains a control character",
    "a\x85b": "it contains a control character",
    "a\ud800b": "it has no UTF-8 form",
}


@pytest.mark.parametrize("name", SAFE)
def test_accepts_ordinary_names(tmp_path: Path, name: str) -> None:
    assert below(tmp_path, name) == tmp_path / name
    assert key_below("prefix", name) == f"prefix/{name}"
    assert key_below("", name) == name


@pytest.mark.parametrize("name", UNSAFE)
def test_refuses_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    for work in (lambda: below(tmp_path, name), lambda: key_below("p", name), lambda: relative_name(name)):
        with pytest.raises(UnsafeNameError) as caught:
            work()
        assert caught.value.reason == UNSAFE[name]
        assert "\n" not in caught.value.message
        assert caught.value.message.isprintable()


def test_refuses_existing_links_on_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    (folder / "dangling").symlink_to(tmp_path / "missing")
    (folder / "inside").mkdir()
    (folder / "inside" / "file").symlink_to(folder / "other")
    for name in ("out", "out/x", "dangling", "inside/file"):
        with pytest.raises(UnsafeNameError, match="is a symbolic link"):
            below(folder, name)
    assert below(folder, "inside/other") == folder / "inside" / "other"
    # The folder itself is trusted, because the operator chooses it.
    (tmp_path / "link").symlink_to(folder)
    assert below(tmp_path / "link", "x") == tmp_path / "link" / "x"


def test_bounds_the_length_of_names_and_keys(tmp_path: Path) -> None:
    assert below(tmp_path, "ä" * 127).name == "ä" * 127
    with pytest.raises(UnsafeNameError, match="longer than 255 bytes"):
        below(tmp_path, "a/" + "ä" * 128)
    with pytest.raises(UnsafeNameError, match="its path is too long"):
        below(tmp_path, "/".join(["d" * 200] * 30))
    assert len(key_below("p", "k" * 1022)) == 1024
    with pytest.raises(UnsafeNameError, match="longer than 1024 bytes") as caught:
        key_below("p", "k" * 1023)
    assert len(caught.value.message) < 400


def test_every_accepted_name_stays_below_on_both_kinds_of_system() -> None:
    """Try all short names made of characters with a special meaning in paths."""
    names = [""]
    for _ in range(5):
        names += [name + character for name in names for character in "a./\\:"]
    accepted = 0
    for name in set(names):
        try:
            relative_name(name)
        except UnsafeNameError:
            continue
        accepted += 1
        posix = os.path.normpath(PurePosixPath("/folder", name))
        assert posix.startswith("/folder/")
        windows = PureWindowsPath("C:/root") / name
        assert windows.is_relative_to("C:/root")
        assert ".." not in windows.parts
    assert accepted > 100
