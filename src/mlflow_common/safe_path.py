"""Checks names that come from outside before they become local paths or S3 keys.

Object keys, run ids, artifact paths, archive manifests and tar members are written by other people. Joined
unchecked, `artifacts//tmp/x` becomes `/tmp/x`, and `a/../../archive.json` leaves the folder. Every join of such a
name goes through `below` (local paths) or `key_below` (S3 keys); `tests/policy/test_outside_names.py` finds joins
that do not.
"""

from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path, PureWindowsPath

from mlflow_common.errors import PlatformError

# Linux and macOS take 255 bytes in a name, S3 1,024 bytes in a key (docs.aws.amazon.com, "Naming Amazon S3 objects").
LONGEST_NAME = 255
LONGEST_KEY = 1024
_SHOWN = 200


class UnsafeNameError(PlatformError):
    """A name from outside that cannot become a path below a folder."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the name {_shown(name)} is refused: {reason}")
        self.name, self.reason = name, reason


def relative_name(name: str) -> str:
    """The name itself, if it can be joined to a folder or a key's prefix without leaving it.

    Refused on every system, so that an archive means the same everywhere: an absolute path, a drive letter, a UNC
    path, `.` and `..` (with either slash), an empty part (`a//b`, `a/`), control characters, and text that has no
    UTF-8 form. A backslash is refused where Windows would read it as a way out, and always on Windows.

    Raises:
        UnsafeNameError: the name is refused.
    """
    if reason := _refusal(name):
        raise UnsafeNameError(name, reason)
    return name


def below(folder: Path, name: str) -> Path:
    """The path of an outside name below a local folder.

    The folder itself is trusted and may be a link. Below it no existing part of the path may be a symbolic link.

    Raises:
        UnsafeNameError: the name is refused, or a link stands in its way.
    """
    path = folder
    for part in relative_name(name).split("/"):
        if len(os.fsencode(part)) > LONGEST_NAME:
            raise UnsafeNameError(name, f"a part of it is longer than {LONGEST_NAME} bytes")
        path = path / part
        if _is_link(path, name):
            raise UnsafeNameError(name, f"{path} is a symbolic link")
    return path


def _is_link(path: Path, name: str) -> bool:
    try:
        return path.is_symlink()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise UnsafeNameError(name, "its path is too long") from None


def key_below(prefix: str, name: str) -> str:
    """The S3 key of an outside name below a prefix, which is trusted and may be empty.

    Raises:
        UnsafeNameError: the name is refused.
    """
    key = f"{prefix}/{relative_name(name)}" if prefix else relative_name(name)
    if len(key.encode()) > LONGEST_KEY:
        raise UnsafeNameError(name, f"its key is longer than {LONGEST_KEY} bytes")
    return key


def _refusal(name: str) -> str:
    if not name:
        return "it is empty"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "it contains a control character"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "it has no UTF-8 form"
    parts = name.split("/")
    if name.startswith("/"):
        return "it is absolute"
    if "" in parts:
        return "it has an empty part"
    if "." in parts or ".." in parts:
        return "it contains `.` or `..`"
    windows = PureWindowsPath(name)
    if windows.drive:
        return "it names a drive or a network share"
    if windows.root or ".." in windows.parts:
        return "its backslashes lead out of the folder on Windows"
    if "\\" in name and os.sep == "\\":
        return "it contains a backslash"
    return ""


def _shown(name: str) -> str:
    text = ascii(name) if not name.isprintable() else repr(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
