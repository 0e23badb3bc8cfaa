"""Copies files of runs, logged models and traces that are missing or different at the destination."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from mlflow_common.errors import PlatformError
from mlflow_transfer.artifacts import can_list_in_bulk, checksum, copy_file, listing_digest, owned
from mlflow_transfer.context import CopyContext
from mlflow_transfer.losses import Loss
from mlflow_transfer.rewrite import rewrite_ids
from mlflow_transfer.stores import SKIPPABLE, Item, Store

_LISTED_AT_ONCE = 5000


@dataclass(frozen=True)
class FileSet:
    """The files of one object.

    Args:
        owner: the object as it is shown to users, such as "run 4f…".
        source_uri, target_uri: its artifact roots on both sides.
        again: the destination may already have some of the files.
        same: both sides have the same object, so existing files are not changed, even if they differ.
        whole: the object was copied completely and appears unchanged. Its folder is then not listed if that costs a
            call.
    """

    owner: str
    source_uri: str
    target_uri: str
    again: bool = True
    same: bool = False
    whole: bool = False


class ArtifactCopier:
    """Copies folders of files."""

    def __init__(self, context: CopyContext) -> None:
        self._context = context
        self._lister = BulkLister(context)

    async def copy(self, folder: FileSet) -> None:
        """Copy the files of a folder. A file that the source cannot serve is a loss, and the others are copied.

        Raises:
            PlatformError: the destination accepts no files, or the source serves no files at all.
        """
        context = self._context
        if not context.options.artifacts or not folder.source_uri:
            return
        source = context.source.store(folder.source_uri)
        # The key is the destination's folder, not the owner, because a destination that was created again is empty.
        known = context.checkpoint.artifacts(folder.target_uri) if folder.again and not folder.same else ""
        if folder.whole and known and source.features.slow_list and not context.options.thorough:
            return
        try:
            items = await self._lister.files(source, context.source.store)
        except SKIPPABLE as error:
            self._lose(folder, "its artifacts", error)
            return
        listed = listing_digest(items)
        if listed == known or (folder.same and not items):
            return
        target = context.destination.reader.store(folder.target_uri)
        items, complete = self._without_collisions(folder, items, target)
        missing = await self._missing(folder, items, source, target, known=bool(known))
        if await self._copy_files(folder, missing, source, target) and complete and not folder.same:
            context.checkpoint.put_artifacts(folder.target_uri, listed)

    async def write(self, target_uri: str, path: str, content: bytes) -> None:
        """Write one file to the destination."""
        store = self._context.destination.reader.store(target_uri)
        await self._context.workers.run(partial(store.write, path, [content], len(content)))

    async def _missing(
        self, folder: FileSet, items: Sequence[Item], source: Store, target: Store, *, known: bool
    ) -> list[Item]:
        """The files that have to be copied.

        Args:
            known: the folder was copied before, and its listing has changed. A file may have changed without a change
                of its size.
        """
        present: dict[str, int] = {}
        if folder.again:
            there = await self._lister.files(target, self._context.destination.reader.store)
            present = {item.path: item.size for item in there}
        if folder.same:
            return [item for item in items if item.path not in present]
        missing = [item for item in items if known or present.get(item.path) != item.size]
        if self._context.options.thorough and not known:
            missing += await self._changed(folder, [item for item in items if item not in missing], source, target)
        return missing

    async def _copy_files(self, folder: FileSet, items: Sequence[Item], source: Store, target: Store) -> bool:
        """Copy these files.

        Returns:
            Whether all of them are at the destination now. A file that disappeared after it was listed may reappear.
        """
        progress = self._context.progress
        progress.total("files", len(items))
        progress.total("bytes", sum(item.size for item in items))
        copies = (self._context.workers.run(partial(self._copy_file, folder, source, item, target)) for item in items)
        return all(await asyncio.gather(*copies))

    def _copy_file(self, folder: FileSet, source: Store, item: Item, target: Store) -> bool:
        try:
            there = copy_file(source, item, target, self._context.destination.client.retry, self._mapped, self._moved)
        except SKIPPABLE as error:
            self._lose(folder, f"artifact {item.path!r}", error)
            return False
        self._context.progress.advance("files")
        return there

    async def _changed(self, folder: FileSet, items: Sequence[Item], source: Store, target: Store) -> list[Item]:
        """The files whose content differs at the destination."""

        def differs(item: Item) -> bool:
            try:
                return checksum(source, item.path, self._mapped) != checksum(target, item.path)
            except SKIPPABLE as error:
                self._lose(folder, f"artifact {item.path!r}", error)
                return False

        found = await asyncio.gather(*(self._context.workers.run(partial(differs, item)) for item in items))
        return [item for item, different in zip(items, found, strict=True) if different]

    def _without_collisions(self, folder: FileSet, items: list[Item], target: Store) -> tuple[list[Item], bool]:
        """Leave out keys that are both a file and a folder, which only S3 can store.

        Returns:
            The files to copy, and whether these are all files.
        """
        if target.features.file_and_folder:
            return items, True
        collisions = colliding(items)
        for path, inside in collisions.items():
            reason = (
                f"{path!r} is a file and also the folder of {inside!r}, and a file system can hold only one of them: "
                "the file is left out"
            )
            self._context.summary.add_losses([Loss(f"{folder.owner} artifact {path!r}", reason)])
        return [item for item in items if item.path not in collisions], not collisions

    def _lose(self, folder: FileSet, what: str, error: PlatformError) -> None:
        self._context.summary.add_losses([Loss(f"{folder.owner} {what}", error.message)])

    def _mapped(self, text: str) -> str:
        return rewrite_ids(text, self._context.target)

    def _moved(self, size: int) -> None:
        self._context.workers.check()
        self._context.progress.advance("bytes", size)


class BulkLister:
    """Lists folders. If the store allows it, one listing of an experiment's root serves all folders below it."""

    def __init__(self, context: CopyContext) -> None:
        self._context = context
        self._roots: dict[str, asyncio.Task[None]] = {}

    async def files(self, store: Store, opened: Callable[[str], Store]) -> list[Item]:
        """The files of a folder, sorted by path.

        Args:
            opened: opens the store of a URI on the same side.
        """
        uri = store.uri.rstrip("/")
        if not can_list_in_bulk(store) or not uri.endswith("/artifacts"):
            return await self._list_one(store)
        root, _, folder = uri.removesuffix("/artifacts").rpartition("/")
        if folder.startswith("m-"):
            # {experiment}/models/{model}/artifacts
            root, _, parent = root.rpartition("/")
            folder = f"{parent}/{folder}"
        if root not in self._roots:
            self._roots[root] = asyncio.create_task(self._list_root(opened(root), root))
        try:
            await asyncio.shield(self._roots[root])
        except SKIPPABLE:
            # If one folder cannot be read, only its own files are lost.
            return await self._list_one(store)
        return self._context.scratch.files(root, f"{folder}/artifacts")

    async def _list_one(self, store: Store) -> list[Item]:
        return await self._context.workers.run(lambda: sorted(store.list(), key=lambda item: item.path))

    async def _list_root(self, store: Store, root: str) -> None:
        found = owned(store.list())
        while items := await self._context.workers.run(lambda: list(islice(found, _LISTED_AT_ONCE))):
            self._context.scratch.add_files(root, items)


def colliding(items: Sequence[Item]) -> dict[str, str]:
    """Paths of files that are also folders, each with a file in that folder."""
    paths = {item.path for item in items}
    found: dict[str, str] = {}
    for path in sorted(paths):
        parts = path.split("/")
        for length in range(1, len(parts)):
            parent = "/".join(parts[:length])
            if parent in paths:
                found.setdefault(parent, path)
    return found
