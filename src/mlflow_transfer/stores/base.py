"""What a store of artifacts offers, what it declares about itself, and the errors that concern one file of it.

Stores block: callers run them in worker threads. No file is held whole in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_common.safe_path import UnsafeNameError
from mlflow_transfer.checksums import Checksum

CHUNK = 1 << 20
# More files than this below one root are refused: a server can answer listings without end.
MOST_FILES = 5_000_000


class ChangedError(EOFError):
    """A file is no longer what it was when it was listed."""


class GoneError(PlatformError):
    """A file does not exist, or no longer exists."""


class UnreadableError(PlatformError):
    """A file of the source, or a whole folder of files, cannot be read, while others may be."""


class LostError(UnreadableError, GoneError):
    """A file that has to be there, such as one of an archive, does not exist."""


class UnwritableNameError(PlatformError):
    """A file cannot be stored under its name, while others may be."""


# Errors that concern one file or one folder: the rest is carried on, and the file is reported as a loss.
SKIPPABLE = (UnreadableError, UnwritableNameError, UnsafeNameError)


@dataclass(frozen=True)
class Item:
    """A file below a store's root. `tag` changes with the content where the store has such a thing (S3's ETag)."""

    path: str
    size: int
    tag: str = ""


@dataclass(frozen=True)
class StoreFeatures:
    """What a store declares, so that callers need not know its class. The model is rclone's `fs/features.go`.

    Args:
        bulk_list: listing a whole tree costs about as much as listing one folder of it.
        slow_list: listing costs a call per folder, so it is worth avoiding.
        file_and_folder: one name can be both a file and a folder.
        server_side_copy: the system that copies between its stores by itself ("s3"); empty for none. Stores that
            name the same system can copy from each other with `CopyingStore.copy`.
        md5_tags: a tag without a dash is the MD5 of the content, so equal tags mean equal content.
        holds_archives: a backup archive can lie in it; the store is an `ArchiveStore`.
        complete: every file that is listed has to be there; a missing one is damage, not a deletion.
    """

    bulk_list: bool = False
    slow_list: bool = False
    file_and_folder: bool = False
    server_side_copy: str = ""
    md5_tags: bool = False
    holds_archives: bool = False
    complete: bool = False


class Store(Protocol):
    """Files below one root, by their relative paths.

    Listings give names as they are, also unsafe ones. Every other method refuses those with UnsafeNameError.
    """

    uri: str
    features: StoreFeatures

    def list(self) -> Iterator[Item]:
        """Every file, recursively; nothing where the root does not exist.

        Raises:
            UnreadableError: the listing is refused or incomplete.
        """

    def look(self, path: str) -> Item:
        """A file as it is now.

        Raises:
            GoneError: it does not exist.
        """

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks.

        Raises:
            GoneError: it does not exist.
            UnreadableError: it cannot be read.
        """

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Write a file; one that breaks off leaves no file of that name.

        Raises:
            UnwritableNameError: the name conflicts with another file, or is too long.
        """

    def below(self, path: str) -> Store:
        """The store of a folder below this one."""

    def stored(self, path: str) -> tuple[Store, str]:
        """The store that holds a file's bytes and the path there, which differ for a view of another store."""


class CopyingStore(Store, Protocol):
    """A store that copies files within its system: no byte passes through this machine."""

    def copy(self, source: Store, item: Item, path: str, *, summed: bool = False) -> Checksum | None:
        """Copy a file from a store that names the same `server_side_copy`.

        Args:
            summed: have the system make a checksum of exactly the content that was listed.

        Returns:
            That checksum; None where the system does not report one.

        Raises:
            ChangedError: with `summed`, the file changed since it was listed.
            GoneError: it does not exist any more.
        """


class ArchiveStore(Store, Protocol):
    """A store that a backup archive can lie in."""

    def change(self, path: str, make: Callable[[bytes | None], bytes]) -> None:
        """Replace a file by what `make` makes of its content (None: there is no file), atomically."""

    def delete(self, path: str) -> None:
        """Delete a file; one that does not exist is no error."""

    def abandoned(self) -> Iterator[str]:
        """Partial files that no writer has touched for a day."""


class RefusedStore:
    """Stands for a location that must not or cannot be opened: each use raises the reason."""

    features = StoreFeatures()

    def __init__(self, uri: str, reason: str) -> None:
        self.uri, self._reason = uri, reason

    def list(self) -> Iterator[Item]:
        """Raises UnreadableError."""
        raise UnreadableError(self._reason)

    def look(self, path: str) -> Item:  # noqa: ARG002 the protocol's
        """Raises UnreadableError."""
        raise UnreadableError(self._reason)

    def read(self, path: str) -> Iterator[bytes]:  # noqa: ARG002 the protocol's
        """Raises UnreadableError."""
        raise UnreadableError(self._reason)

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002 the protocol's
        """Raises PreconditionError: no file can be written there, not only this one."""
        raise PreconditionError(self._reason)

    def below(self, path: str) -> RefusedStore:
        """A folder below a refused location is refused as well."""
        return RefusedStore(f"{self.uri}/{path}", self._reason)

    def stored(self, path: str) -> tuple[Store, str]:
        """The same."""
        return self, path


def can_copy(target: Store, source: Store) -> bool:
    """Whether the target's system copies from the source's store by itself."""
    return bool(target.features.server_side_copy) and (
        target.features.server_side_copy == source.features.server_side_copy
    )
