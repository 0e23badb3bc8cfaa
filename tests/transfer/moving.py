"""Helpers to copy, back up and verify in tests."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

from mlflow_common.retry import Retry
from mlflow_transfer.access import Access
from mlflow_transfer.archive import Archive, Snapshot
from mlflow_transfer.backup import Backup
from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.connections import ConnectionFactory
from mlflow_transfer.copier import Copier
from mlflow_transfer.destination import Destination
from mlflow_transfer.options import Options
from mlflow_transfer.progress import Tally
from mlflow_transfer.sources.database import DatabaseSource
from mlflow_transfer.stores import Folder
from mlflow_transfer.summary import Summary
from mlflow_transfer.verification.report import Report
from mlflow_transfer.verification.verifier import Verifier
from tests.transfer.servers import Server

EVERYTHING = Options(include_deleted=True)
# The index that the first backup begins with.
WITHOUT_SNAPSHOTS = '{"format": "mlflow-transfer-archive", "version": 1, "snapshots": []}'
RETRY = Retry(patience=30, longest=0.3)
# The tests' servers store artifacts in local folders, which an operator has to trust explicitly.
TRUST = ["--trust-artifacts", tempfile.gettempdir()]


def places() -> ConnectionFactory:
    """Connections that trust the tests' folders, in which the servers store artifacts."""
    return ConnectionFactory(os.environ, retry=RETRY, trusted=TRUST[1:])


async def opened(place: Any) -> Any:
    """Open a source. A URL names a server; any other value is already a source."""
    return await places().server(place) if isinstance(place, str) else place


def copy(
    source: Any,
    target: str,
    *,
    checkpoint: Path | None = None,
    options: Options = EVERYTHING,
    progress: Tally | None = None,
) -> tuple[Summary, Copier]:
    async def go() -> tuple[Summary, Copier]:
        reader = await places().server(target, Access())
        memory = Checkpoint(checkpoint)
        copying = Copier(await opened(source), Destination(reader), memory, options, progress)
        try:
            return await copying.run(), copying
        finally:
            memory.close()
            await reader.close()

    return asyncio.run(go())


def back_up(
    url: str, folder: Path, taken: str, *, options: Options = EVERYTHING, progress: Tally | None = None
) -> Snapshot:
    async def go() -> Snapshot:
        source = await opened(url)
        return await Backup(source, Archive(Folder(folder)), taken, options, progress, RETRY).run()

    return asyncio.run(go())


def verify(left: Any, right: Any, *, options: Options = EVERYTHING) -> Report:
    async def go() -> Report:
        return await Verifier(await opened(left), await opened(right), options).run()

    return asyncio.run(go())


def same(left: Any, right: Any, *, options: Options = EVERYTHING) -> Report:
    """Verify that both sides are equal; fail with all differences."""
    report = verify(left, right, options=options)
    assert report.passed, report.differences
    return report


def behind(server: Server) -> DatabaseSource:
    """A server's database as a source."""
    return DatabaseSource(f"sqlite:///{server.database}", places().store)


def held_alike(left: Any, right: Any, *, options: Options = EVERYTHING) -> Report:
    """Like `same`, but compares the databases of the servers, which is faster."""
    return same(*(behind(one) if isinstance(one, Server) else one for one in (left, right)), options=options)
