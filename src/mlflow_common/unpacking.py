"""Unpacks tar archives that other people made: files and folders only, and all of them below one folder.

Python 3.11.2 (Debian 12) has no `filter=` that would refuse other members.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from mlflow_common.safe_path import UnsafeNameError, below


def unpack(tar: tarfile.TarFile, folder: Path) -> None:
    """Unpack an archive. All members are checked before the first is written.

    Raises:
        UnsafeNameError: a member is neither a file nor a folder, or lies outside.
    """
    targets = [(member, target(member, folder)) for member in tar]
    for member, path in targets:
        write(tar, member, path)


def target(member: tarfile.TarInfo, folder: Path) -> Path:
    """The path of a member below a folder.

    Raises:
        UnsafeNameError: it is neither a file nor a folder, or lies outside.
    """
    if not (member.isfile() or member.isdir()):
        raise UnsafeNameError(member.name, "it is neither a file nor a folder")
    # `tar czf model.tar.gz .` names its members "." and "./MLmodel".
    name = member.name.removeprefix("./")
    return folder if name in {"", "."} else below(folder, name)


def write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Write a member that `target` has checked. A file stays executable; its other permissions are not kept."""
    content = tar.extractfile(member) if member.isfile() else None
    if content is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)
