"""Copies artifacts between stores, each file completely or not at all. S3 copies within S3; others are streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import cast

from mlflow_common.errors import PlatformError
from mlflow_common.retry import RetriesExhaustedError, Retry, with_retries
from mlflow_transfer.checksums import Checksum, Summing
from mlflow_transfer.records import digest
from mlflow_transfer.rewrite import NAMING_FILES
from mlflow_transfer.stores import (
    SKIPPABLE,
    CopyingStore,
    GoneError,
    Item,
    LostError,
    Store,
    UnreadableError,
    can_copy,
)

__all__ = [
    "SKIPPABLE",
    "Reading",
    "UnreadableError",
    "can_list_in_bulk",
    "checksum",
    "copy_file",
    "listing_digest",
    "owned",
]

Rewrite = Callable[[str], str]
# The largest file that describes a model or a trace. A larger file only has the same name.
_LARGEST_REWRITTEN = 8 << 20
# The bytes by which a file may have grown since it was listed, or its listed size if that is larger.
_MOST_GROWTH = 1 << 30


def listing_digest(items: Iterable[Item]) -> str:
    """A digest that changes whenever a file is added, removed or changed."""
    return digest(sorted((item.path, item.size, item.tag) for item in items))


class Reading:
    """Reads files of a source, and records whether the last error came from reading or from writing the target."""

    def __init__(self, source: Store) -> None:
        self._source = source
        self.failed = False

    def look(self, path: str) -> Item:
        """A file with its current size and tag."""
        self.failed = True
        found = self._source.look(path)
        self.failed = False
        return found

    def chunks(self, item: Item, moved: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
        """The file's content. Raises EOFError if it is shorter than listed, because partial files must not be copied.

        More bytes mean that the file is still being written. They are copied, and the next listing shows the change.
        Many more bytes are refused, because a server could send them without end.
        """
        self.failed = True
        left = item.size
        for chunk in self._source.read(item.path):
            left -= len(chunk)
            if left < -max(_MOST_GROWTH, item.size):
                raise EOFError(f"{item.size} bytes were listed, but more than {item.size - left} were sent")
            moved(len(chunk))
            self.failed = False
            yield chunk
            self.failed = True
        if left > 0:
            raise EOFError(f"{item.size} bytes were listed and {item.size - left} were read: it changed or was cut off")
        self.failed = False

    def explained(self, error: RetriesExhaustedError) -> PlatformError:
        """The error to raise: UnreadableError if it concerns only this file of the source."""
        return UnreadableError(error.message) if self.failed and not error.unreachable else error


def copy_file(
    source: Store, item: Item, target: Store, retry: Retry, rewrite: Rewrite, moved: Callable[[int], None]
) -> bool:
    """Copy one file. Temporary errors are retried, each time with the file's current content.

    Args:
        rewrite: maps the ids in files that describe a model or a trace.
        moved: called with the number of bytes of each transferred chunk.

    Returns:
        Whether the target has the file now. It does not if the source deleted the file after it was listed.

    Raises:
        UnreadableError, UnwritableNameError, UnsafeNameError: this file cannot be copied; others can (`SKIPPABLE`).
        PlatformError: no file can be copied, because the target fails or the source is unavailable.
    """
    again = False
    reading = Reading(source)

    def copy() -> None:
        nonlocal item, again
        if again:
            item = reading.look(item.path)
        again = True
        _copy_once(source, item, target, rewrite, moved, reading)

    try:
        with_retries(copy, retry, f"artifact {item.path!r} of {source.uri} cannot be copied to {target.uri}")
    except GoneError:
        if source.features.complete:
            raise LostError(f"{source.uri}/{item.path} is missing") from None
        return False
    except RetriesExhaustedError as error:
        raise reading.explained(error) from error
    return True


def _copy_once(
    source: Store, item: Item, target: Store, rewrite: Rewrite, moved: Callable[[int], None], reading: Reading
) -> None:
    if _names_ids(item.path) and item.size <= _LARGEST_REWRITTEN:
        content = _rewritten(_joined(reading.chunks(item)), rewrite)
        target.write(item.path, [content], len(content))
        moved(item.size)
    elif can_copy(target, source):
        base, path = source.stored(item.path)
        cast("CopyingStore", target).copy(base, Item(path, item.size, item.tag), item.path)
        moved(item.size)
    else:
        target.write(item.path, reading.chunks(item, moved), item.size)


def _joined(chunks: Iterable[bytes]) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > 2 * _LARGEST_REWRITTEN:
            raise EOFError("it grew while it was read")
    return bytes(content)


def checksum(store: Store, path: str, rewrite: Rewrite | None = None, retry: Retry | None = None) -> Checksum:
    """The checksum of a whole file. For a file that describes a model or trace: after `rewrite` mapped its ids.

    Raises:
        UnreadableError: this file cannot be read; others can.
    """
    try:
        return with_retries(
            lambda: _checksum_once(store, path, rewrite), retry or Retry(), f"{store.uri}/{path} cannot be read"
        )
    except RetriesExhaustedError as error:
        if error.unreachable:
            raise
        raise UnreadableError(error.message) from error


def _checksum_once(store: Store, path: str, rewrite: Rewrite | None) -> Checksum:
    found = Summing()
    chunks = iter(store.read(path))
    if rewrite is not None and _names_ids(path):
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) > _LARGEST_REWRITTEN:
                break
        found.update(_rewritten(head, rewrite))
    for chunk in chunks:
        found.update(chunk)
    return found.checksum()


def _names_ids(path: str) -> bool:
    return PurePosixPath(path).name in NAMING_FILES


def _rewritten(content: bytes, rewrite: Rewrite) -> bytes:
    if len(content) > _LARGEST_REWRITTEN:
        return content
    return rewrite(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def can_list_in_bulk(store: Store) -> bool:
    """Whether listing a whole tree costs about as much as listing one folder of it."""
    return store.features.bulk_list


def owned(items: Iterable[Item]) -> Iterator[tuple[str, Item]]:
    """Files below an experiment's root, each with the folder that holds it: `{run}/artifacts` or the like."""
    for item in items:
        head, separator, path = item.path.partition("/artifacts/")
        if separator:
            yield f"{head}/artifacts", Item(path, item.size, item.tag)
