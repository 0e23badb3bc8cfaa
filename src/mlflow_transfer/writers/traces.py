"""Writes traces of a tracking server."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from mlflow_transfer.client import API_3
from mlflow_transfer.records import (
    SOURCE_ID,
    Trace,
    pairs,
)
from mlflow_transfer.rest_json import experiment_location, trace_from, trace_v3_from
from mlflow_transfer.sources.parsing import instant_text
from mlflow_transfer.writers.base import Writer


class TraceWriter(Writer):
    """Writes traces, each in as few calls as the REST API allows."""

    async def create(self, trace: Trace, experiment_id: str, metadata: Mapping[str, str]) -> Trace:
        """Create a trace that is still in progress. Only the API of MLflow 3 sets the fields of MLflow 3."""
        tags = {**trace.tags, SOURCE_ID: trace.id}

        async def find() -> Trace | None:
            self.certainty.unsure = True
            query = {"experiment_ids": [experiment_id], "filter": f"tags.`{SOURCE_ID}` = '{trace.id}'"}
            return await self.client.read("traces", _first, query=query)

        if trace.own_fields:
            info = {
                # The client chooses the id (mlflow/tracing/processor/mlflow_v3.py).
                "trace_id": f"tr-{uuid.uuid4().hex}",
                "trace_location": experiment_location(experiment_id),
                "request_time": instant_text(trace.timestamp),
                "state": "IN_PROGRESS",
                "trace_metadata": dict(metadata),
                "tags": tags,
                **trace.own_fields,
            }
            body: dict[str, Any] = {"trace": {"trace_info": info}}
            return await self.client.create(
                "traces", body, find, lambda answer: trace_v3_from(answer["trace"]["trace_info"]), prefix=API_3
            )
        body = {
            "experiment_id": experiment_id,
            "timestamp_ms": trace.timestamp,
            "request_metadata": pairs(metadata),
            "tags": pairs(tags),
        }
        return await self.client.create("traces", body, find, _trace_of)

    async def get(self, trace_id: str) -> Trace:
        """A trace of the destination."""
        return await self.client.read(f"traces/{trace_id}/info", _trace_of)

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


def _trace_of(answer: Mapping[str, Any]) -> Trace:
    return trace_from(answer["trace_info"])


def _first(answer: Mapping[str, Any]) -> Trace | None:
    return next((trace_from(trace) for trace in answer.get("traces", [])), None)
