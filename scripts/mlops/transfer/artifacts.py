"""Copies artifacts between stores: within S3 by S3 itself, else streamed, and each file whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import TypeVar

import botocore.exceptions
import httpx

from scripts.mlops.errors import PlatformError
from scripts.mlops.transfer.checksums import Checksum, Summing
from scripts.mlops.transfer.records import digest
from scripts.mlops.transfer.retry import Retry
from scripts.mlops.transfer.rewrite import NAMING_FILES
from scripts.mlops.transfer.stores import S3, Folder, Item, Rearranged, Store

Rewrite = Callable[[str], str]
T = TypeVar("T")
# A model's or trace's description; anything larger is a file of that name and nothing else.
_LARGEST_REWRITTEN = 8 << 20
_PASSING = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, httpx.TransportError, ConnectionError)


def listing_digest(items: Iterable[Item]) -> str:
    """Changes whenever a file comes, goes or changes."""
    return digest(sorted((item.path, item.size, item.tag) for item in items))


def copy_file(
    source: Store, item: Item, target: Store, retry: Retry, rewrite: Rewrite, moved: Callable[[int], None]
) -> None:
    """Copy one file; tried again while the trouble may pass.

    Args:
        rewrite: maps the ids in files that describe a model or a trace.
        moved: told of bytes as they move.
    """
    what = f"artifact {item.path} of {source.uri} cannot be copied to {target.uri}"
    with_retries(lambda: _copy_once(source, item, target, rewrite, moved), retry, what)


def with_retries(work: Callable[[], T], retry: Retry, what: str) -> T:
    """Do something with stores, and again while the trouble may pass.

    Raises:
        PlatformError: it did not pass; `what` says what cannot be done.
    """
    for attempt in range(1, retry.attempts + 1):
        try:
            return work()
        except _PASSING as error:
            reason = f"{type(error).__name__}: {error}"
            if not _passing(error):
                break
        except EOFError as error:
            reason = str(error)
        time.sleep(retry.wait(attempt))
    raise PlatformError(f"{what} ({reason})")


def _copy_once(source: Store, item: Item, target: Store, rewrite: Rewrite, moved: Callable[[int], None]) -> None:
    if PurePosixPath(item.path).name in NAMING_FILES and item.size <= _LARGEST_REWRITTEN:
        content = b"".join(_counted(source.read(item.path), item, lambda _: None))
        text = rewrite(content.decode("utf-8", "surrogateescape"))
        content = text.encode("utf-8", "surrogateescape")
        target.write(item.path, [content], len(content))
        moved(item.size)
    elif isinstance(source, S3) and isinstance(target, S3):
        target.copy(source, item, item.path)
        moved(item.size)
    elif isinstance(source, Rearranged) and isinstance(source.base, S3) and isinstance(target, S3):
        target.copy(source.base, source.place(item.path), item.path)
        moved(item.size)
    else:
        target.write(item.path, _counted(source.read(item.path), item, moved), item.size)


def _counted(chunks: Iterator[bytes], item: Item, moved: Callable[[int], None]) -> Iterator[bytes]:
    """The chunks, if they are as long together as the listing said: half a file must not pass for one."""
    left = item.size
    for chunk in chunks:
        left -= len(chunk)
        moved(len(chunk))
        yield chunk
    if left:
        raise EOFError(f"{item.size} bytes were announced and {item.size - left} came: it changed or broke off")


def _passing(error: Exception) -> bool:
    if isinstance(error, botocore.exceptions.ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return status >= 500 or status == 429
    return not isinstance(error, botocore.exceptions.NoCredentialsError)


def checksum(store: Store, path: str, rewrite: Rewrite | None = None) -> Checksum:
    """The checksum of a whole file; of a describing file after its ids are mapped by `rewrite`."""
    found = Summing()
    if rewrite is not None and PurePosixPath(path).name in NAMING_FILES:
        text = b"".join(store.read(path)).decode("utf-8", "surrogateescape")
        found.update(rewrite(text).encode("utf-8", "surrogateescape"))
        return found.checksum()
    for chunk in store.read(path):
        found.update(chunk)
    return found.checksum()


def can_list_in_bulk(store: Store) -> bool:
    """Whether listing a whole tree costs about as much as listing one folder of it."""
    return isinstance(store, S3 | Folder)


def owned(items: Iterable[Item]) -> Iterator[tuple[str, Item]]:
    """Files below an experiment's root, each with the folder that holds it: `{run}/artifacts` or the like."""
    for item in items:
        head, separator, path = item.path.partition("/artifacts/")
        if separator:
            yield f"{head}/artifacts", Item(path, item.size, item.tag)
