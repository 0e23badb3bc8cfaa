"""What an upgrade asks of the tracking servers themselves: a digest of their contents, and which of two is a copy."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_transfer.sources.base import Source
    from mlflow_transfer.sources.rest import RestSource
    from mlflow_transfer.stores import Store
    from mlflow_transfer.verification.report import Report

_LOOKED_UP = 20
_SEARCHED_AT_ONCE = 100
_RUN = re.compile(r"\brun ([0-9a-f]{32})\b")


class _Digest:
    """A digest that does not depend on the order: servers list objects of equal age in any order."""

    def __init__(self) -> None:
        self._total = 0

    def add(self, *content: Any) -> None:
        text = json.dumps(content, sort_keys=True, default=str)
        self._total += int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())

    def __str__(self) -> str:
        return f"{self._total % 2**256:064x}"


async def contents_of(source: Source) -> str:
    """A digest of everything that a source lists, and of its files.

    It changes when a file in S3 comes, goes or changes. Files behind a server are left out, because listing them costs
    a call for each folder. Points that were logged for an earlier step show in no listing, so they are left out, too.
    """
    from mlflow_transfer.records import fingerprint, to_json

    found = _Digest()
    async for experiment in source.experiments():
        owners: set[str] = set()
        found.add("experiment", to_json(experiment))
        async for runs in source.runs(experiment.id):
            for run in runs:
                found.add("run", run.id, fingerprint(run))
                owners.add(run.id)
        async for models in source.logged_models(experiment.id):
            for model in models:
                found.add("logged model", to_json(model))
                owners.add(model.id)
        async for traces in source.traces(experiment.id):
            for trace in traces:
                found.add("trace", to_json(trace))
                owners.add(trace.id)
        await _add_files(found, source.store(experiment.artifact_location), owners)
    for registered in await source.registered_models():
        found.add("registered model", to_json(registered))
    return str(found)


async def _add_files(found: _Digest, store: Store, owners: set[str]) -> None:
    from mlflow_transfer.artifacts import can_list_in_bulk, owned
    from mlflow_transfer.stores import SKIPPABLE

    def add() -> None:
        # Both servers' experiments may share a folder, because both count their ids from 0.
        for folder, item in owned(store.list()):
            if folder.split("/")[-2] in owners:
                found.add("file", folder, item.path, item.size, item.tag)

    if can_list_in_bulk(store):
        try:
            await asyncio.to_thread(add)
        except SKIPPABLE as error:
            found.add("unreadable", error.message)


async def is_copy_of(source: RestSource, destination: RestSource) -> bool:
    """Whether the source's runs were copied from the destination."""
    from mlflow_transfer.records import SOURCE_ID

    ids = [experiment.id async for experiment in source.experiments()]
    origins: list[str] = []
    for start in range(0, len(ids), _SEARCHED_AT_ONCE):
        async for run in source.tagged_runs(ids[start : start + _SEARCHED_AT_ONCE], SOURCE_ID):
            origins.append(run.tags[SOURCE_ID])
            if len(origins) >= _LOOKED_UP:
                break
    return bool(await destination.runs_by_id(origins))


async def still_logged(source: Source, report: Report, since: int) -> int:
    """The number of differences in runs that were logged to since a time, or still are.

    Args:
        since: milliseconds since the epoch.
    """
    if len(report.differences) < report.found.total():
        return 0
    found = [match.group(1) if (match := _RUN.search(one.place)) else "" for one in report.differences]
    runs = await source.runs_by_id(sorted({*found} - {""}))
    logged = {run.id for run in runs if not run.finished or (run.end_time or 0) >= since}
    return sum(run_id in logged for run_id in found)
