"""What all writers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_transfer.client import ApiError
from mlflow_transfer.sources.rest import RestSource

ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass
class Certainty:
    """Whether it is known what the server holds.

    Args:
        unsure: the answer to a create was lost, and the object was not found afterwards. The server may have created
            it after the search.
    """

    unsure: bool = False


class Writer:
    """Writes one kind of object. `reader` reads the same server."""

    def __init__(self, reader: RestSource, certainty: Certainty) -> None:
        self.reader, self.certainty = reader, certainty
        self.client = reader.client

    async def _settled(self, path: str, body: Mapping[str, Any], method: str = "POST") -> None:
        """Make a call whose effect may be there already. The server then answers that something is missing."""
        try:
            await self.client.post(path, body, method=method)
        except ApiError as error:
            if not error.missing:
                raise
