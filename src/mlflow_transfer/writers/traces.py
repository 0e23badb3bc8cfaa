"""Writes traces of a tracking server."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow_transfer.records import (
    SOURCE_ID,
    Trace,
    pairs,
)
from mlflow_transfer.rest_json import trace_from
from mlflow_transfer.writers.base import Writer


class TraceWriter(Writer):
    """Writes traces, each in as few calls as the REST API allows."""

    async def create(self, trace: Trace, experiment_id: str, metadata: Mapping[str, str]) -> Trace:
        """Create a trace that is still in progress."""
        body = {
            "experiment_id": experiment_id,
            "timestamp_ms": trace.timestamp,
            "request_metadata": pairs(metadata),
            "tags": pairs({**trace.tags, SOURCE_ID: trace.id}),
        }

        async def find() -> Trace | None:
            self.certainty.unsure = True
            query = {"experiment_ids": [experiment_id], "filter": f"tags.`{SOURCE_ID}` = '{trace.id}'"}
            found = (await self.client.get("traces", query)).get("traces", [])
            return trace_from(found[0]) if found else None

        return await self.client.create("traces", body, find, lambda answer: trace_from(answer["trace_info"]))

    async def get(self, trace_id: str) -> Trace:
        """A trace of the destination."""
        return trace_from((await self.client.get(f"traces/{trace_id}/info"))["trace_info"])

    async def delete(self, experiment_id: str, trace_id: str) -> None:
        """Delete a trace that is a duplicate."""
        await self.client.post("traces/delete-traces", {"experiment_id": experiment_id, "request_ids": [trace_id]})

    async def tag(self, trace_id: str, key: str, value: str) -> None:
        """Set a trace's tag."""
        await self.client.post(f"traces/{trace_id}/tags", {"key": key, "value": value}, method="PATCH")

    async def untag(self, trace_id: str, key: str) -> None:
        """Delete a trace's tag."""
        await self._settled(f"traces/{trace_id}/tags", {"key": key}, method="DELETE")

    async def end(self, trace_id: str, trace: Trace) -> None:
        """Set a trace's end time and status."""
        body = {
            "request_id": trace_id,
            "timestamp_ms": trace.timestamp + (trace.duration or 0),
            "status": trace.status,
            "request_metadata": [],
            "tags": [],
        }
        await self.client.post(f"traces/{trace_id}", body, method="PATCH")
