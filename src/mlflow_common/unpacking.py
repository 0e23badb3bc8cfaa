"""Reads and unpacks tar archives that other people made: files and folders only, and all of them below one folder.

Python 3.11.2 (Debian 12) has no `filter=` that would refuse other members.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow_common.safe_path import UnsafeNameError, below

# What reading a file that is no tar.gz archive, or a damaged one, can raise.
UNREADABLE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, OverflowError)
# tarfile reads a member's headers in one piece, as long as the archive says they are.
_LARGEST_READ = 16 << 20
_PIECE = 1 << 20


class TooLargeError(Exception):
    """The archive unpacks to more than it may."""


@contextmanager
def opened(packed: Any, most: int) -> Iterator[tarfile.TarFile]:
    """Open a tar.gz archive to read its members one after the other, also from a stream that cannot be rewound.

    Args:
        packed: a binary file or stream.
        most: how many bytes it may unpack to.

    Raises:
        TooLargeError: it unpacks to more.
        one of UNREADABLE: it is not a tar.gz archive, or it is damaged.
    """
    with (
        gzip.GzipFile(fileobj=packed, mode="rb") as unpacked,
        tarfile.open(fileobj=_BoundedReads(unpacked, most), mode="r:") as tar,
    ):
        yield tar


class _BoundedReads(io.RawIOBase):
    """A file that refuses to read much at once: a member's header can claim any length."""

    def __init__(self, file: gzip.GzipFile, most: int) -> None:
        self._file, self._most = file, most

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.ReadError("a header is too long")
        if self._file.tell() > self._most:
            raise TooLargeError
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset > self._most:
            raise TooLargeError
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def unpack(tar: tarfile.TarFile, folder: Path) -> None:
    """Unpack an archive. All members and the checksum are checked before the first member is written.

    Raises:
        one of UNREADABLE: it is damaged.
        UnsafeNameError: a member is neither a file nor a folder, lies outside, or is both a file and a folder.
    """
    targets = [(member, target(member, folder)) for member in tar]
    files = {path for member, path in targets if member.isfile()}
    for member, path in targets:
        if (member.isdir() and path in files) or not files.isdisjoint(path.parents):
            raise UnsafeNameError(member.name, "a part of it is both a file and a folder in the archive")
    check_end(tar)
    for member, path in targets:
        write(tar, member, path)


def check_end(tar: tarfile.TarFile) -> None:
    """Read what follows the last member: the checksum is at the end of the file, and tarfile stops before it.

    Raises:
        one of UNREADABLE: the file is damaged.
    """
    while tar.fileobj is not None and tar.fileobj.read(_PIECE):
        pass


def target(member: tarfile.TarInfo, folder: Path) -> Path:
    """The path of a member below a folder.

    Raises:
        UnsafeNameError: it is neither a file nor a folder, lies outside, or is sparse: tarfile writes the holes of a
            sparse file without reading them, so that a few bytes fill a disk.
    """
    if not (member.isfile() or member.isdir()):
        raise UnsafeNameError(member.name, "it is neither a file nor a folder")
    if member.issparse():
        raise UnsafeNameError(member.name, "it is a sparse file")
    # `tar czf model.tar.gz .` names its members "." and "./MLmodel".
    name = member.name.removeprefix("./")
    return folder if name in {"", "."} and member.isdir() else below(folder, name)


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
