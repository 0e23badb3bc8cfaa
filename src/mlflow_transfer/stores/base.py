"""The interface of artifact stores, their features, and the errors that concern a single file.

Stores block, so callers use them in worker threads. No file is read into memory as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_common.safe_path import UnsafeNameError
from mlflow_transfer.checksums import Checksum

CHUNK = 1 << 20
# The maximum number of files below one root, because a server could return endless listings.
MOST_FILES = 5_000_000


class ChangedError(EOFError):
    """A file has changed since it was listed."""


class GoneError(PlatformError):
    """A file does not exist or no longer exists."""


class UnreadableError(PlatformError):
    """A file or folder of the source cannot be read. Others may be readable."""


class LostError(UnreadableError, GoneError):
    """A file that has to exist, such as one of an archive, does not exist."""


class UnwritableNameError(PlatformError):
    """A file cannot be stored with its name. Others may be."""


# Errors that concern one file or folder. It is reported as a loss, and the rest is transferred.
SKIPPABLE = (UnreadableError, UnwritableNameError, UnsafeNameError)


@dataclass(frozen=True)
class Item:
    """A file below a store's root. `tag` changes with the content if the store has tags (the ETag of S3)."""

    path: str
    size: int
    tag: str = ""


@dataclass(frozen=True)
class StoreFeatures:
    """The features of a store, so that callers do not depend on its class. Modelled after rclone's `fs/features.go`.

    Args:
        bulk_list: listing a whole tree costs about as much as listing one folder of it.
        slow_list: listing costs a call per folder, so it is worth avoiding.
        file_and_folder: one name can be both a file and a folder.
        server_side_copy: the system ("s3") that can copy between its stores itself; empty for none. Stores with the
            same system can copy from each other with `CopyingStore.copy`.
        md5_tags: a tag without a dash is the MD5 of the content, so equal tags mean equal content.
        holds_archives: it can store a backup archive; the store is an `ArchiveStore`.
        complete: every listed file has to exist. A missing one is damage, not a deletion.
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

    Listings return all names, including unsafe ones. Every other method refuses unsafe names with UnsafeNameError.
    """

    uri: str
    features: StoreFeatures

    def list(self) -> Iterator[Item]:
        """Every file, recursively; nothing if the root does not exist.

        Raises:
            UnreadableError: the listing is refused or incomplete.
        """

    def look(self, path: str) -> Item:
        """A file with its current size and tag.

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
        """Write a file. An interrupted write leaves no file with that name.

        Raises:
            UnwritableNameError: the name conflicts with another file, or is too long.
        """

    def below(self, path: str) -> Store:
        """The store of a folder below this one."""

    def stored(self, path: str) -> tuple[Store, str]:
        """The store that contains a file's bytes, and the path there. They differ for a view of another store."""


class CopyingStore(Store, Protocol):
    """A store that copies files within its system, without a transfer through this machine."""

    def copy(self, source: Store, item: Item, path: str, *, summed: bool = False) -> Checksum | None:
        """Copy a file from a store with the same `server_side_copy`.

        Args:
            summed: let the system compute a checksum of exactly the listed content.

        Returns:
            That checksum; None if the system does not report one.

        Raises:
            ChangedError: with `summed`, the file changed since it was listed.
            GoneError: the file no longer exists.
        """


class ArchiveStore(Store, Protocol):
    """A store that can contain a backup archive."""

    def change(self, path: str, make: Callable[[bytes | None], bytes]) -> None:
        """Replace a file atomically by the result of `make` for its content (None if there is no file)."""

    def delete(self, path: str) -> None:
        """Delete a file. It is not an error if the file does not exist."""

    def abandoned(self) -> Iterator[str]:
        """Partial files that have not been written to for a day."""


class RefusedStore:
    """The store of a location that must not or cannot be opened. Each use raises an error with the reason."""

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
        """Raise PreconditionError, because no file can be written there."""
        raise PreconditionError(self._reason)

    def below(self, path: str) -> RefusedStore:
        """Return a refused store as well."""
        return RefusedStore(f"{self.uri}/{path}", self._reason)

    def stored(self, path: str) -> tuple[Store, str]:
        """The same."""
        return self, path


def can_copy(target: Store, source: Store) -> bool:
    """Whether the target's system can copy from the source's store itself."""
    return bool(target.features.server_side_copy) and (
        target.features.server_side_copy == source.features.server_side_copy
    )
