"""Opens a source by the text that names it."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow_common.errors import InputError
from mlflow_transfer import location
from mlflow_transfer.access import Access
from mlflow_transfer.archive import open_archive
from mlflow_transfer.connections import ConnectionFactory
from mlflow_transfer.sources.archive import ArchiveSource
from mlflow_transfer.sources.base import Source
from mlflow_transfer.stores import local_path, split_s3


async def open_source(
    connections: ConnectionFactory,
    text: str,
    access: Access | None = None,
    *,
    stores: Sequence[str] = (),
    artifact_root: str | None = None,
    snapshot: str | None = None,
    lenient: bool = True,
) -> Source:
    """Open the source that a text names: a server, a database, a file store or an archive.

    Artifacts of a database or file store are read only below the artifact locations of the source's own server, below
    `artifact_root`, and below the locations that the connections trust; see `stores.opening`.

    Args:
        stores: more artifact stores of a server, such as former ones.
        artifact_root: the location of artifacts that the source's server serves, or keeps in a folder that is not on
            this machine.
        snapshot: the snapshot of an archive; by default the newest.
        lenient: damaged files of an archive become losses; otherwise they are errors.

    Raises:
        InputError: the text does not name a source.
    """
    if location.is_server(text):
        server = await connections.server(text, access, stores)
        server.listing.lenient = True
        return server
    if location.is_database(text):
        from mlflow_transfer.sources.database import DatabaseSource

        database = DatabaseSource(text, connections.store)
        database.store = connections.stores(await database.artifact_roots(), artifact_root)
        return database
    folder = local_path(text)
    if folder is not None and location.is_file_store(folder):
        from mlflow_transfer.sources.filestore import FileStoreSource

        own = [str(folder.resolve())]
        return FileStoreSource(folder, connections.stores(own, artifact_root))
    if folder is not None and not folder.is_dir():
        raise InputError(f"{text} is neither a server, a database nor an existing folder")
    if folder is None and split_s3(text) is None:
        raise InputError(f"{location.shown(text)!r} is neither a server, a database, a folder nor an S3 prefix")
    return ArchiveSource(open_archive(text, connections.s3), snapshot, lenient=lenient)
