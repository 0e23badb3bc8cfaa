"""Compares the files of runs, logged models and traces."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import PurePosixPath

from mlflow_common.errors import PlatformError
from mlflow_transfer.artifacts import checksum
from mlflow_transfer.limits import LONG_VALUES
from mlflow_transfer.rewrite import NAMING_FILES, rewrite_ids
from mlflow_transfer.stores import SKIPPABLE, GoneError, Item, Store
from mlflow_transfer.verification.context import VerifyContext


class ArtifactComparer:
    """Compares folders of files: the same paths, sizes and contents on both sides."""

    def __init__(self, context: VerifyContext) -> None:
        self._context = context

    async def compare(self, place: str, left_uri: str, right_uri: str) -> None:
        """Compare the files of one object.

        Args:
            place: the object, for the report.
        """
        context = self._context
        if not left_uri or not context.options.artifacts:
            return
        left, right = context.left.store(left_uri), context.right.store(right_uri)
        ours, theirs = await asyncio.gather(self._list(place, left), self._list(place, right))
        if ours is None or theirs is None:
            return
        if LONG_VALUES not in ours:
            theirs.pop(LONG_VALUES, None)
        context.report.compared["artifacts"] += len(ours)
        context.report.compared["artifact bytes"] += sum(item.size for item in ours.values())
        for path in sorted(ours.keys() | theirs.keys()):
            await self._compare_file(f"{place} artifact {path!r}", ours.get(path), theirs.get(path), left, right)

    async def _compare_file(self, place: str, a: Item | None, b: Item | None, left: Store, right: Store) -> None:
        report = self._context.report
        if a is None or b is None:
            # The copy leaves out a file that the source cannot serve. That is a loss, not a difference.
            if a is None or await self._sum(place, left, a) is not None:
                report.add(place, "artifact", a and f"{a.size} bytes", b and f"{b.size} bytes")
        elif a.size != b.size and not _names_ids(a.path):
            report.add(place, "artifact size", a.size, b.size)
        elif self._context.match.contents and not _surely_equal(left, a, right, b):
            ours, theirs = await self._sum(place, left, a, mapped=True), await self._sum(place, right, b)
            if ours is not None and theirs is not None:
                report.compare(place, "artifact checksum", ours, theirs)

    async def _sum(self, place: str, store: Store, item: Item, *, mapped: bool = False) -> str | None:
        """The checksum of a file; None if it cannot be read, which is recorded.

        Args:
            mapped: return the checksum of the file after its ids were mapped, as a copy does.
        """

        def rewrite(text: str) -> str:
            return rewrite_ids(text, self._context.target)

        try:
            work = partial(checksum, store, item.path, rewrite if mapped else None)
            return (await self._context.workers.run(work)).sha256
        except GoneError:
            return "gone since it was listed"
        except SKIPPABLE as error:
            self._unread(place, error)
            return None

    async def _list(self, place: str, store: Store) -> dict[str, Item] | None:
        try:
            return await self._context.workers.run(lambda: {item.path: item for item in store.list()})
        except SKIPPABLE as error:
            self._unread(f"{place} its artifacts", error)
            return None

    def _unread(self, place: str, error: PlatformError) -> None:
        self._context.unread.add(place, error.message)


def _names_ids(path: str) -> bool:
    return PurePosixPath(path).name in NAMING_FILES


def _surely_equal(left: Store, a: Item, right: Store, b: Item) -> bool:
    # An ETag without a dash is the MD5 of the content if the object was uploaded in one part with the same encryption.
    plain = left.features.md5_tags and right.features.md5_tags and "-" not in a.tag
    return plain and a.tag == b.tag and not _names_ids(a.path)
