"""Backs up and inspects servers that are not trusted."""

import asyncio
import os
from pathlib import Path

from mlflow_common.retry import Retry
from mlflow_transfer.archive import Archive, Snapshot
from mlflow_transfer.backup import Backup
from mlflow_transfer.connections import ConnectionFactory
from mlflow_transfer.inspecting import Contents, inspect
from mlflow_transfer.losses import Loss
from mlflow_transfer.sources.opening import open_source
from mlflow_transfer.stores import Folder
from tests.transfer.hostile import HostileServer

REPOSITORY = Path(__file__).resolve().parents[2]
# Use few attempts, because errors are permanent here.
RETRY = Retry(patience=1, attempts=2, longest=0.05)


def connections(*trusted: str) -> ConnectionFactory:
    return ConnectionFactory(os.environ, retry=RETRY, trusted=trusted)


def back_up(server: HostileServer, archive: Path, *trusted: str, taken: str = "1") -> tuple[Snapshot, list[Loss]]:
    async def go() -> tuple[Snapshot, list[Loss]]:
        source = await open_source(connections(*trusted), server.url)
        work = Backup(source, Archive(Folder(archive)), taken, None, None, RETRY)
        try:
            return await work.run(), work.losses
        finally:
            await source.close()

    return asyncio.run(go())


def inspected(place: str) -> Contents:
    async def go() -> Contents:
        source = await open_source(connections(), place)
        try:
            return await inspect(source)
        finally:
            await source.close()

    return asyncio.run(go())


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
