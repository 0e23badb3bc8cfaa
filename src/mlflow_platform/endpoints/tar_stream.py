"""A folder as a tar.gz stream that is made while it is read, so that no archive is on the disk or in memory.

The uncompressed bytes depend on the files' names and contents only: the format is that of `tarfile` (POSIX), with
neither times nor owners.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from mlflow_common.errors import PreconditionError

_PIECE = 1 << 20
# Model weights hardly compress: the fastest level takes half the time and almost no more space.
_LEVEL = 1
# zlib's window size, with gzip's header and trailer (zlib.compressobj, wbits). Its header has no time and no name.
_GZIP = 31


def tar_pieces(folder: Path) -> Iterator[bytes]:
    """The bytes of a tar of all files below a folder.

    Raises:
        PreconditionError: a file is shortened meanwhile.
    """
    total = 0
    for source in sorted(file for file in folder.rglob("*") if file.is_file()):
        entry = tarfile.TarInfo(source.relative_to(folder).as_posix())
        entry.size = source.stat().st_size
        header = entry.tobuf(tarfile.PAX_FORMAT)
        yield header
        left = entry.size
        with source.open("rb") as content:
            while left:
                piece = content.read(min(_PIECE, left))
                if not piece:
                    raise PreconditionError(f"{source} was changed while it was packed. Run the same command again.")
                left -= len(piece)
                yield piece
        padding = -entry.size % tarfile.BLOCKSIZE
        yield bytes(padding)
        total += len(header) + entry.size + padding
    # Two empty blocks end an archive, which is filled up to a whole record.
    end = 2 * tarfile.BLOCKSIZE
    yield bytes(end + -(total + end) % tarfile.RECORDSIZE)


def digest_of(folder: Path) -> str:
    """The digest of a folder's tar. It is that of the uncompressed bytes: gzip's output differs between zlibs."""
    digest = hashlib.sha256()
    for piece in tar_pieces(folder):
        digest.update(piece)
    return digest.hexdigest()


class TarGzReader(io.RawIOBase):
    """A readable file: the tar.gz of a folder. A read returns as many bytes as requested, except at the end.

    An error of a file on the disk is raised by `read`, so it never looks like the end.
    """

    def __init__(self, folder: Path) -> None:
        self._compressed = _compressed(folder)
        self._waiting = bytearray()

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes; all that follow if it is negative."""
        while size < 0 or len(self._waiting) < size:
            piece = next(self._compressed, None)
            if piece is None:
                break
            self._waiting += piece
        end = len(self._waiting) if size < 0 else size
        found = bytes(self._waiting[:end])
        del self._waiting[:end]
        return found


def _compressed(folder: Path) -> Iterator[bytes]:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in tar_pieces(folder):
        yield compressor.compress(piece)
    yield compressor.flush()
