"""The base class of all writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_transfer.client import ApiError
from mlflow_transfer.sources.rest import RestSource

ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass
class Certainty:
    """Whether the contents of the server are known for certain.

    Args:
        unsure: the response to a create was lost, and the object was not found afterwards. The server may have created
            it after the search.
    """

    unsure: bool = False


class Writer:
    """Writes one kind of object. `reader` reads the same server."""

    def __init__(self, reader: RestSource, certainty: Certainty) -> None:
        self.reader, self.certainty = reader, certainty
        self.client = reader.client

    async def _settled(self, path: str, body: Mapping[str, Any], method: str = "POST") -> None:
        """Make a call that may already have taken effect. The server then reports that something does not exist."""
        try:
            await self.client.post(path, body, method=method)
        except ApiError as error:
            if not error.missing:
                raise
