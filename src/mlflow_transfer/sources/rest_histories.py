"""Reads the points of metrics from a tracking server, in bulk where the server allows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from mlflow_common.retry import Attempts
from mlflow_transfer.client import AJAX, API, ApiError, RefusedError, UnsureError
from mlflow_transfer.records import History, Point, Run
from mlflow_transfer.rest_json import point_from
from mlflow_transfer.rest_stream import BrokenError, NextPage, points_of
from mlflow_transfer.sources.base import CHUNK_POINTS, GROUP_POINTS, grouped, in_memory, with_all_keys
from mlflow_transfer.sources.rest_listing import Listing

# The limits of metrics/get-history-bulk (mlflow/server/handlers.py): 100 runs, 25,000 points.
_BULK_POINTS = 25_000
# Without a number, MLflow 3.10 returns empty pages, as a comment in the later version says (`_get_metric_history` in
# mlflow/server/handlers.py of MLflow 3.17). Versions up to 3.0 return all points whatever the number is.
_PAGE_POINTS = 50_000
# gunicorn (MLflow 2 and 3.0) accepts request lines of 4,094 characters. "&run_id=" and an id take 40 of them.
_LONGEST_LINE = 3_900
_ID_IN_LINE = 40


class Histories:
    """The points of a server's runs."""

    def __init__(self, listing: Listing) -> None:
        self._listing, self._client = listing, listing.client
        self._bulk = True

    async def of_runs(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with its points, with one bulk call per metric key and 100 runs if the server allows it."""
        for group in grouped((run, _expected(run)) for run in runs):
            large = len(group) == 1 and _expected(group[0]) > GROUP_POINTS
            found = None if large else await self._group(group)
            for run in group:
                history = self._streamed(run) if found is None else in_memory(found[run.id])
                yield run, with_all_keys(run, history, partial(self._lose_metric, run.id))

    def _lose_metric(self, run_id: str, key: str) -> None:
        place = f"run {run_id} metric {key!r}"
        if not self._listing.losses.holds(place):
            self._listing.lose(place, "the server lists it and returns no point of it")

    async def _group(self, group: list[Run]) -> dict[str, list[Point]] | None:
        """The points of all these runs; None if they are too many for the memory."""
        found: dict[str, list[Point]] = {run.id: [] for run in group}
        keys = sorted({key for run in group for key in run.latest})
        held = 0
        for key in keys:
            holders = sorted(run.id for run in group if key in run.latest)
            most = (_LONGEST_LINE - len(quote(key))) // _ID_IN_LINE
            while holders:
                requested, rest = holders[:most], holders[most:]
                rows = await self._bulk_rows(key, requested)
                if rows is None:
                    await self._one_by_one(key, holders, found)
                    break
                if len(rows) < _BULK_POINTS:
                    whole, holders = set(requested), rest
                else:
                    # Rows are sorted by run, so all runs except the last one are complete.
                    last = rows[-1]["run_id"]
                    if last == requested[0]:
                        return None
                    later = [one for one in holders if one >= last]
                    if len(later) == len(holders):
                        return None
                    whole, holders = {one for one in requested if one < last}, later
                for row in rows:
                    if row["run_id"] in whole:
                        place = f"run {row['run_id']} metric {key!r}: a point"
                        found[row["run_id"]] += self._listing.parsed([row], point_from, place)
                held = sum(map(len, found.values()))
                if held > 3 * GROUP_POINTS:
                    return None
        return found

    async def _bulk_rows(self, key: str, run_ids: list[str]) -> list[dict[str, Any]] | None:
        if not self._bulk:
            return None
        query = {"run_id": run_ids, "metric_key": key, "max_results": _BULK_POINTS}
        try:
            answer = await self._client.get("metrics/get-history-bulk", query, prefix=AJAX)
        except (ApiError, RefusedError):
            # This call is not public API, so a gateway may block it. Use one call per run and key instead.
            self._bulk = False
            return None
        rows: list[dict[str, Any]] = answer.get("metrics", [])
        if not isinstance(rows, list) or not all(
            isinstance(r, dict) and isinstance(r.get("run_id"), str) for r in rows
        ):
            self._bulk = False
            return None
        return rows

    async def _one_by_one(self, key: str, run_ids: list[str], found: dict[str, list[Point]]) -> None:
        async def fetch(run_id: str) -> None:
            query = {"run_id": run_id, "metric_key": key, "max_results": _PAGE_POINTS}
            place = f"run {run_id} metric {key!r}"
            async for page in self._listing.pages_of_get("metrics/get-history", query, "metrics", place):
                found[run_id] += self._listing.parsed(page, point_from, f"{place}: a point")

        await asyncio.gather(*map(fetch, run_ids))

    async def _streamed(self, run: Run) -> History:
        for key in run.latest:
            async for chunk in self.of_metric(run.id, key):
                yield chunk

    async def of_metric(self, run_id: str, key: str) -> History:
        """All points of one metric. An interrupted response is requested again, and known points are skipped."""
        given, place = 0, f"run {run_id} metric {key!r}"
        attempts = Attempts(self._client.retry)
        query = {"run_id": run_id, "metric_key": key, "max_results": _PAGE_POINTS}
        path, seen_tokens = API + "metrics/get-history", set[str]()
        # A loop of its own, because a response that breaks off is continued behind the points that it gave.
        while True:
            seen = 0
            try:
                async with self._client.sent("GET", path, query, None, attempts.count) as response:
                    async for chunk in points_of(response.aiter_bytes(), CHUNK_POINTS):
                        fresh = chunk[max(0, given - seen) :]
                        seen += len(chunk)
                        given = max(given, seen)
                        if fresh:
                            yield fresh
                return
            except NextPage as page:
                if page.token in seen_tokens:
                    self._listing.lose(place, "the server returns the same page again")
                    return
                seen_tokens.add(page.token)
                query["page_token"] = page.token
                given = 0
                attempts.restart()
            except (UnsureError, BrokenError, httpx.TransportError) as error:
                pause = None if getattr(error, "final", False) else attempts.pause(patient=False)
                if pause is None:
                    self._listing.lose(place, f"{self._client.name} does not serve it: {error}")
                    return
                await asyncio.sleep(pause)
            except ApiError as error:
                self._listing.lose(place, error.message)
                return


def _expected(run: Run) -> int:
    # A metric's last step is the only indication of its length in a listing.
    return sum(max(1, abs(point.step) + 1) for point in run.latest.values())
