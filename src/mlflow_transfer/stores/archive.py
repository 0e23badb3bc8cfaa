"""A view of a backup archive that shows artifacts with their original names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from mlflow_common.errors import PlatformError
from mlflow_transfer.stores.base import Item, Store


class ArchiveView:
    """A read-only view of a store whose files have other names.

    Args:
        files: yields each file, with its name in this view.
        find: returns the file with a given name in this view, with its name in `base`.
    """

    def __init__(
        self, uri: str, base: Store, files: Callable[[], Iterator[Item]], find: Callable[[str], Item | None]
    ) -> None:
        self.uri, self._base, self._files, self._find = uri, base, files, find
        # The ETags of the archive's objects are unknown here. Every file has to exist in an archive.
        self.features = replace(base.features, bulk_list=False, md5_tags=False, holds_archives=False, complete=True)

    def list(self) -> Iterator[Item]:
        """Every file, with its name in this view."""
        return self._files()

    def look(self, path: str) -> Item:
        """A file with its current size and tag."""
        return Item(path, self._place(path).size)

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks."""
        return self._base.read(self._place(path).path)

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002 the protocol's
        """Not possible: a view is read-only."""
        raise PlatformError(f"{self.uri} is read-only")

    def below(self, path: str) -> Store:
        """Not possible: this is a view of files, not of folders."""
        raise PlatformError(f"{self.uri} has no folder {path}")

    def stored(self, path: str) -> tuple[Store, str]:
        """The archive's own file of that name."""
        return self._base, self._place(path).path

    def _place(self, path: str) -> Item:
        found = self._find(path)
        if found is None:
            raise PlatformError(f"{self.uri} holds no {path}")
        return found
