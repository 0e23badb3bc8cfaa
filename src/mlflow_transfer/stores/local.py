"""A local folder."""

from __future__ import annotations

import errno
import os
import platform
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_common.safe_path import LONGEST_NAME, below, relative_name
from mlflow_transfer.records import digest
from mlflow_transfer.stores.base import (
    CHUNK,
    GoneError,
    Item,
    Store,
    StoreFeatures,
    UnreadableError,
    UnwritableNameError,
)

_HOLE = bytes(CHUNK)
_PARTIAL = ".transfer-partial"
_LOCK = ".transfer-lock"
# What to do about a file that cannot be written, where more room does not help.
_RIGHT = "give this user the right to write there, or choose another folder"
_REMEDIES = {errno.EROFS: "choose another folder", errno.EACCES: _RIGHT, errno.EPERM: _RIGHT}
# A lock is held only while one small file is read and written.
_ABANDONED = 60.0  # seconds
_LOCK_PAUSE = 0.05  # seconds
_DEAD = 24 * 3600.0  # seconds
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
# Errors that are caused by the name, not by the disk.
_BAD_NAME = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL})


class Folder:
    """A folder of this machine.

    Args:
        top: a folder that exists if these artifacts are on this machine; see `artifact_top`.
        confine: the folder that links must not lead out of; by default the root itself.
    """

    features = StoreFeatures(bulk_list=True, holds_archives=True)

    def __init__(self, root: Path, top: Path | None = None, confine: Path | None = None) -> None:
        self.root, self._top, self._confine = root, top, confine or root
        self.uri = str(root)
        # Two backups may write to one archive at once. Artifacts have a single writer, and a rerun reuses the name.
        self._partial = _PARTIAL if top else f".{os.getpid()}{_PARTIAL}"

    def list(self) -> Iterator[Item]:
        """Every file below the folder. A link out of it and what `_item` names are listed, but cannot be read."""
        for path in self._files():
            if not path.name.endswith((_PARTIAL, _LOCK)) and (item := self._item(path)):
                yield item

    def abandoned(self) -> Iterator[str]:
        """Partial files that have not been written to for a day."""
        for path in self._files():
            with suppress(FileNotFoundError):
                if path.name.endswith(_PARTIAL) and time.time() - path.stat().st_mtime > _DEAD:
                    yield self._relative(path)

    def look(self, path: str) -> Item:
        """A file with its current size and tag."""
        found = self._item(self._path(path))
        if found is None:
            raise GoneError(f"{self.uri}/{path} is not there")
        return found

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks."""
        place = self._path(path)
        try:
            with self._inside(place).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except OSError as error:
            if error.errno in _ABSENT:
                raise GoneError(f"{place} is not there") from None
            raise _unreadable(place, error) from error

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002 the protocol's
        """Write a temporary file and rename it, so that a file is never partial. Blocks of zeros stay sparse."""
        self._check_top()
        target = below(self.root, path)
        partial = self._partial_of(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                for chunk in chunks:
                    if chunk == _HOLE:
                        file.seek(len(chunk), os.SEEK_CUR)
                    else:
                        file.write(chunk)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException as error:
            with suppress(OSError):
                partial.unlink()
            if isinstance(error, OSError):
                raise self._unwritable(target, error) from error
            raise

    def _partial_of(self, target: Path) -> Path:
        name = target.name + self._partial
        if len(os.fsencode(name)) > LONGEST_NAME:
            name = digest(target.name) + self._partial
        return target.with_name(name)

    def change(self, path: str, make: Callable[[bytes | None], bytes]) -> None:
        """Replace a file by the result of `make` for its content (None if there is no file), with a lock."""
        with self._locked(path):
            try:
                content = make(b"".join(self.read(path)))
            except GoneError:
                content = make(None)
            self.write(path, [content], len(content))

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        lock = below(self.root, f"{path}{_LOCK}")
        # Polling, not a retry: another process holds the lock and has not failed.
        while True:
            try:
                lock.parent.mkdir(parents=True, exist_ok=True)
                with lock.open("x") as file:
                    file.write(f"{platform.node()} {os.getpid()} {time.strftime('%Y-%m-%dT%H:%M:%S%z')}")
                break
            except FileExistsError:
                with suppress(FileNotFoundError):
                    if time.time() - lock.stat().st_mtime > _ABANDONED:
                        lock.unlink()
                time.sleep(_LOCK_PAUSE)
            except OSError as error:
                raise self._unwritable(lock, error) from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        """Delete a file."""
        below(self.root, path).unlink(missing_ok=True)

    def below(self, path: str) -> Folder:
        """The store of a folder below this one."""
        return Folder(below(self.root, path), self._top, self._confine)

    def stored(self, path: str) -> tuple[Store, str]:
        """This folder itself."""
        return self, path

    def _path(self, path: str) -> Path:
        return self.root / relative_name(path)

    def _inside(self, path: Path) -> Path:
        """The path with all links resolved, which has to be inside the confining folder."""
        if _is_broken_link(path):
            raise UnreadableError(f"{path} is a broken link")
        found = path.resolve()
        if not found.is_relative_to(self._confine.resolve()):
            raise UnreadableError(f"{path} is a link to {found}, outside {self._confine}: it is not followed")
        if not stat.S_ISREG(found.stat().st_mode):
            # Opening a pipe would wait for a writer, and reading a device could go on forever.
            raise UnreadableError(f"{path} is not a regular file, and only regular files are copied")
        return found

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.root, onerror=self._unlisted):
            folders.sort()
            links = [name for name in folders if Path(folder, name).is_symlink()]
            yield from (Path(folder, name) for name in sorted([*names, *links]))

    def _unlisted(self, error: OSError) -> None:
        if error.errno not in _ABSENT:
            raise _unreadable(error.filename, error) from error
        # It was deleted, or never created: a run's folder is created with its first file.
        self._check_top()

    def _item(self, path: Path) -> Item | None:
        """A file; None if it is gone or a folder.

        A broken link, a link to a folder, a pipe, a socket and a device are listed, but cannot be read: each is a loss.
        """
        try:
            status = path.stat()
        except OSError as error:
            if error.errno in _ABSENT:
                return Item(self._relative(path), 0) if path.is_symlink() else None
            raise _unreadable(path, error) from error
        if stat.S_ISDIR(status.st_mode):
            return Item(self._relative(path), 0) if path.is_symlink() else None
        if not stat.S_ISREG(status.st_mode):
            return Item(self._relative(path), 0)
        return Item(self._relative(path), status.st_size, f"{status.st_mtime_ns}")

    def _check_top(self) -> None:
        if self._top is not None and not self._top.is_dir():
            raise PreconditionError(
                f"the artifacts in {self._top} are not on this machine: run this where they are, name their folder "
                "with --artifact-root (for a database or file store), or leave them out with --no-artifacts"
            )

    def _unwritable(self, path: Path, error: OSError) -> PlatformError:
        if error.errno not in _BAD_NAME:
            remedy = _REMEDIES.get(error.errno or 0, "make room there and try again")
            return PlatformError(f"{path} cannot be written ({error.strerror}): {remedy}")
        other = next((one for one in path.parents if one.is_file()), path)
        if other is path and not path.is_dir():
            return UnwritableNameError(f"{path} cannot be written: this file system does not take the name")
        return UnwritableNameError(
            f"{path} cannot be written: {other} exists, and one name cannot be both a file and a folder here"
        )


def _is_broken_link(path: Path) -> bool:
    """Whether a path is a link to nothing, or to itself."""
    return path.is_symlink() and not os.path.exists(path)  # noqa: PTH110 `Path.exists` fails for a link to itself


def _unreadable(path: Path | str, error: OSError) -> UnreadableError:
    return UnreadableError(f"{path} cannot be read ({error.strerror}): give this user the right to read it")
