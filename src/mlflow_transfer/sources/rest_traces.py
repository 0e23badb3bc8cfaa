"""Lists the traces of a tracking server.

Only the API of MLflow 3 shows the client's request id, the previews and the assessments of a trace
(`TraceInfoV3` in mlflow/protos/service.proto). A server that does not answer it is asked with the API of MLflow 2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from mlflow_transfer.client import API_3, ApiError, RefusedError, UnansweredError
from mlflow_transfer.records import Trace
from mlflow_transfer.rest_json import experiment_location, trace_from, trace_v3_from
from mlflow_transfer.sources.base import of_experiment
from mlflow_transfer.sources.rest_listing import Listing

# A server stores more characters of a trace's tags and metadata than its API returns (`_truncate_tags` and
# `_truncate_request_metadata` in mlflow/entities/trace_info_v2.py). Clients end what they cut themselves with dots.
SHOWN_OF_TAG = 4096
SHOWN_OF_METADATA = 250
_CUT_BY_CLIENT = "..."
_PER_PAGE = 500
_OLDEST_WITH_FIELDS = (3, 1)
_FIELDS = "client request ids, previews and assessments of traces"


class TraceListing:
    """The traces of a server."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._shows_fields: bool | None = None
        self._unread = ""

    async def of(self, experiment_id: str, version: tuple[int, int] | None) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in pages.

        Args:
            version: of the server; None if it is unknown.
        """
        # A destination's traces are only matched with those of the source.
        if self._shows_fields is None:
            self._shows_fields = self._listing.lenient and await self._ask(experiment_id, version)
        place = f"traces of experiment {experiment_id}"
        if self._shows_fields:
            body = {"locations": [experiment_location(experiment_id)], "max_results": _PER_PAGE}
            pages = self._listing.pages("traces/search", body, "traces", place, prefix=API_3)
        else:
            query = {"experiment_ids": [experiment_id], "max_results": _PER_PAGE}
            pages = self._listing.pages_of_get("traces", query, "traces", place)
        async for page in pages:
            if page and self._unread:
                self._listing.lose(_FIELDS, self._unread)
            what = f"trace of experiment {experiment_id}"
            yield self._listing.parsed(page, lambda data: of_experiment(self._parsed(data), experiment_id), what)

    async def _ask(self, experiment_id: str, version: tuple[int, int] | None) -> bool:
        """Whether the server answers the API of MLflow 3."""
        if version is not None and version < _OLDEST_WITH_FIELDS:
            return False
        client = self._listing.client
        try:
            body = {"locations": [experiment_location(experiment_id)], "max_results": 1}
            await client.post("traces/search", body, writes=False, prefix=API_3)
        except (ApiError, RefusedError, UnansweredError) as error:
            if not (isinstance(error, ApiError) and error.unsupported):
                self._unread = error.message
            return False
        return True

    def _parsed(self, data: Any) -> Trace:
        trace = trace_v3_from(data) if self._shows_fields else trace_from(data)
        for what, texts, shown in (("tag", trace.tags, SHOWN_OF_TAG), ("metadata", trace.metadata, SHOWN_OF_METADATA)):
            for key, value in texts.items():
                if self._listing.lenient and len(value) == shown and not value.endswith(_CUT_BY_CLIENT):
                    reason = f"the server may have more of it than the {shown} characters that it returns"
                    self._listing.lose(f"trace {trace.id} {what} {key!r}", reason)
        if self._shows_fields and data.get("assessments"):
            self._listing.lose(f"assessments of trace {trace.id}", "assessments of traces are not transferred")
        return trace
