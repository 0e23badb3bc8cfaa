"""Copies artifacts between stores: within S3 by S3 itself, else streamed, and each file whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath

from mlflow_common.retry import Retry, with_retries
from mlflow_transfer.checksums import Checksum, Summing
from mlflow_transfer.records import digest
from mlflow_transfer.rewrite import NAMING_FILES
from mlflow_transfer.stores import S3, Folder, GoneError, Item, Rearranged, Store

Rewrite = Callable[[str], str]
# A model's or trace's description; anything larger is a file of that name and nothing else.
_LARGEST_REWRITTEN = 8 << 20


def listing_digest(items: Iterable[Item]) -> str:
    """Changes whenever a file comes, goes or changes."""
    return digest(sorted((item.path, item.size, item.tag) for item in items))


def copy_file(
    source: Store, item: Item, target: Store, retry: Retry, rewrite: Rewrite, moved: Callable[[int], None]
) -> bool:
    """Copy one file; tried again, as it is then, while the trouble may pass.

    Args:
        rewrite: maps the ids in files that describe a model or a trace.
        moved: told of bytes as they move.

    Returns:
        Whether it is there now: not if it is gone from the source since it was listed.
    """
    again = False

    def copy() -> None:
        nonlocal item, again
        if again:
            item = source.look(item.path)
        again = True
        _copy_once(source, item, target, rewrite, moved)

    try:
        with_retries(copy, retry, f"artifact {item.path} of {source.uri} cannot be copied to {target.uri}")
    except GoneError:
        if isinstance(source, Rearranged):
            raise  # Nothing may go from an archive.
        return False
    return True


def _copy_once(source: Store, item: Item, target: Store, rewrite: Rewrite, moved: Callable[[int], None]) -> None:
    if _names_ids(item.path) and item.size <= _LARGEST_REWRITTEN:
        content = _rewritten(b"".join(_counted(source.read(item.path), item, lambda _: None)), rewrite)
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
    """The chunks, if they are as long together as the listing said: half a file must not pass for one.

    Longer is a file that somebody still writes to: it is whole as it is now, and the next listing tells of the change.
    """
    left = item.size
    for chunk in chunks:
        left -= len(chunk)
        moved(len(chunk))
        yield chunk
    if left > 0:
        raise EOFError(f"{item.size} bytes were announced and {item.size - left} came: it changed or broke off")


def checksum(store: Store, path: str, rewrite: Rewrite | None = None, retry: Retry | None = None) -> Checksum:
    """The checksum of a whole file; of a describing file as it is copied, after its ids are mapped by `rewrite`."""
    return with_retries(
        lambda: _checksum_once(store, path, rewrite), retry or Retry(), f"{store.uri}/{path} cannot be read"
    )


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
    return isinstance(store, S3 | Folder)


def owned(items: Iterable[Item]) -> Iterator[tuple[str, Item]]:
    """Files below an experiment's root, each with the folder that holds it: `{run}/artifacts` or the like."""
    for item in items:
        head, separator, path = item.path.partition("/artifacts/")
        if separator:
            yield f"{head}/artifacts", Item(path, item.size, item.tag)
