"""Copy and verify between two servers in one call each: what an upgrade needs."""

from __future__ import annotations

from pathlib import Path

from mlflow_transfer.checkpoint import Checkpoint
from mlflow_transfer.copying import Copying, Summary
from mlflow_transfer.destination import Destination
from mlflow_transfer.location import Access, Places
from mlflow_transfer.options import Options
from mlflow_transfer.progress import Progress
from mlflow_transfer.verifying import Report, Verifying


async def copy(
    places: Places,
    source: str,
    destination: str,
    *,
    checkpoint: Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    access: Access | None = None,
) -> Summary:
    """Copy what is new or changed from one server (ARN or URL) to another; call it again after any interruption.

    Raises:
        PlatformError: it could not be finished, or a server cannot be reached.
    """
    reader = await places.server(source, access)
    writer = await places.server(destination, access)
    memory = Checkpoint(checkpoint)
    try:
        return await Copying(reader, Destination(writer), memory, options, progress).run()
    finally:
        memory.close()
        await reader.close()
        await writer.close()


async def verify(
    places: Places,
    left: str,
    right: str,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
    access: Access | None = None,
) -> Report:
    """Compare two servers; `passed` of the report says whether everything of the left one is in the right one."""
    one = await places.server(left, access)
    other = await places.server(right, access)
    try:
        return await Verifying(one, other, options, None, progress).run()
    finally:
        await one.close()
        await other.close()
