"""Reads a tracking server over its REST API, with as few calls as possible."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from mlflow_common.errors import PlatformError
from mlflow_common.retry import Attempts
from mlflow_transfer.client import AJAX, API, ApiError, Client, RefusedError, UnansweredError, UnsureError
from mlflow_transfer.losses import Loss, LossLog
from mlflow_transfer.records import (
    PROMPT,
    Experiment,
    History,
    LoggedModel,
    ModelVersion,
    Point,
    RegisteredModel,
    Run,
    Trace,
)
from mlflow_transfer.rest_json import (
    experiment_from,
    logged_model_from,
    point_from,
    registered_model_from,
    run_from,
    trace_from,
    version_from,
)
from mlflow_transfer.rest_stream import BrokenError, NextPage, points_of
from mlflow_transfer.sources.base import (
    CHUNK_POINTS,
    GROUP_POINTS,
    PAGE,
    Features,
    Kind,
    grouped,
    in_memory,
    of_experiment,
    with_all_keys,
)
from mlflow_transfer.sources.parsing import MALFORMED, described
from mlflow_transfer.stores import Store

# The limits of metrics/get-history-bulk (mlflow/server/handlers.py): 100 runs, 25,000 points.
_BULK_POINTS = 25_000
# gunicorn (MLflow 2 and 3.0) accepts request lines of 4,094 characters. "&run_id=" and an id take 40 of them.
_LONGEST_LINE = 3_900
_ID_IN_LINE = 40
_IDS_PER_SEARCH = 100
_FEW = 3
_SHOWN = 150
_RUN_ID = re.compile(r"[\w-]+")
_MODELS_PER_PAGE = 100
_VERSIONS_PER_PAGE = 10_000
_REGISTERED_PER_PAGE = 1_000
_TRACES_PER_PAGE = 500
# MLflow's servers return no empty page but the last one; a gateway that filters may.
_MOST_EMPTY_PAGES = 1_000
_OLDEST_WITH_TRACES = (2, 14)
_OLDEST_WITH_PROMPTS = (3, 0)
_OLDEST_WITH_MODELS = (3, 0)


T = TypeVar("T")


class RestSource:
    """A tracking server, read through `client`. `stores` opens artifact URIs.

    Attributes:
        lenient: a record or page that cannot be read is a loss; otherwise it is an error. A destination is never
            lenient, because objects that seem to be missing would be created again.
    """

    kind: Kind = "server"

    def __init__(
        self,
        client: Client,
        version: str,
        stores: Callable[[str], Store],
        identity: str,
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        self.client = client
        self._closing = closing
        self.name = client.name
        self.version = version
        self.identity = identity
        self.store = stores
        self.lenient = False
        self._losses = LossLog()
        self._bulk = True
        self._features: Features | None = None
        self._models: bool | None = None
        self._experiment_ids: list[str] | None = None

    async def features(self) -> Features:
        """The features, derived from the server's version, or from test calls if the version is unknown."""
        number = version_number(self.version)
        if number is not None:
            return Features(
                number >= _OLDEST_WITH_MODELS, number >= _OLDEST_WITH_TRACES, number >= _OLDEST_WITH_PROMPTS
            )
        if self._features is None:
            models, traces = await asyncio.gather(self._has_models(), self._has_traces())
            self._features = Features(models, traces, prompts=models)
        return self._features

    async def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, including deleted ones."""
        body = {"view_type": "ALL", "max_results": 1000, "order_by": ["creation_time ASC", "experiment_id ASC"]}
        async for page in self._pages("experiments/search", body, "experiments", "experiments"):
            for experiment in self._parsed(page, experiment_from, "experiment"):
                yield experiment

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, including deleted ones."""
        body = {
            "experiment_ids": [experiment_id],
            "run_view_type": "ALL",
            "max_results": PAGE,
            "order_by": ["attributes.start_time ASC"],
        }
        linked = not await self._holds_models()
        place = f"runs of experiment {experiment_id}"
        async for page in self._pages("runs/search", body, "runs", place):
            yield self._parsed(
                page,
                lambda data: of_experiment(run_from(data, linked=linked), experiment_id),
                f"run of experiment {experiment_id}",
            )

    async def tagged_runs(self, experiment_ids: Sequence[str], tag: str) -> AsyncIterator[Run]:
        """The runs of these experiments that have a tag."""
        body = {
            "experiment_ids": list(experiment_ids),
            "filter": f"tags.`{tag}` != ''",
            "run_view_type": "ALL",
            "max_results": 1000,
        }
        async for page in self._pages("runs/search", body, "runs", "copied runs"):
            for run in self._parsed(page, partial(run_from, linked=False), "copied run"):
                yield run

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, as far as they exist. Looks up to a hundred runs up in one call."""
        known = [one for one in ids if _RUN_ID.fullmatch(one)]
        if len(known) <= _FEW:
            return [run for run in await asyncio.gather(*map(self._run, known)) if run is not None]
        if self._experiment_ids is None:
            self._experiment_ids = [experiment.id async for experiment in self.experiments()]
        linked = not await self._holds_models()
        found: list[Run] = []
        for start in range(0, len(known), _IDS_PER_SEARCH):
            listed = ", ".join(f"'{one}'" for one in known[start : start + _IDS_PER_SEARCH])
            body = {
                "experiment_ids": self._experiment_ids,
                "filter": f"attributes.run_id IN ({listed})",
                "run_view_type": "ALL",
                "max_results": _IDS_PER_SEARCH,
            }
            answer = await self.client.post("runs/search", body, writes=False)
            found += self._parsed(_list(answer, "runs"), partial(run_from, linked=linked), "run")
        return found

    async def _run(self, run_id: str) -> Run | None:
        try:
            answer = await self.client.get("runs/get", {"run_id": run_id})
            return next(iter(self._parsed([answer.get("run")], partial(run_from, linked=True), f"run {run_id}")), None)
        except ApiError as error:
            if error.missing or error.code == "INVALID_PARAMETER_VALUE":
                return None
            raise

    async def link(self, runs: Sequence[Run]) -> None:
        """Fill in model inputs and outputs: one call per run, and none on a server without logged models."""
        unknown = [run for run in runs if not run.linked]
        for run, full in zip(unknown, await asyncio.gather(*(self._run(run.id) for run in unknown)), strict=True):
            if full is not None:
                run.model_inputs, run.model_outputs, run.linked = full.model_inputs, full.model_outputs, True

    async def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with its points, with one bulk call per metric key and 100 runs if the server allows it."""
        for group in grouped((run, _expected(run)) for run in runs):
            large = len(group) == 1 and _expected(group[0]) > GROUP_POINTS
            found = None if large else await self._group(group)
            for run in group:
                history = self._streamed(run) if found is None else in_memory(found[run.id])
                yield run, with_all_keys(run, history, partial(self._lose_metric, run.id))

    def _lose_metric(self, run_id: str, key: str) -> None:
        place = f"run {run_id} metric {key!r}"
        if not self._losses.holds(place):
            self._lose(place, "the server lists it and returns no point of it")

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
                        found[row["run_id"]] += self._parsed([row], point_from, place)
                held = sum(map(len, found.values()))
                if held > 3 * GROUP_POINTS:
                    return None
        return found

    async def _bulk_rows(self, key: str, run_ids: list[str]) -> list[dict[str, Any]] | None:
        if not self._bulk:
            return None
        query = {"run_id": run_ids, "metric_key": key, "max_results": _BULK_POINTS}
        try:
            answer = await self.client.get("metrics/get-history-bulk", query, prefix=AJAX)
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
            query = {"run_id": run_id, "metric_key": key}
            place = f"run {run_id} metric {key!r}"
            async for page in self._pages_of_get("metrics/get-history", query, "metrics", place):
                found[run_id] += self._parsed(page, point_from, f"{place}: a point")

        await asyncio.gather(*map(fetch, run_ids))

    async def _streamed(self, run: Run) -> History:
        for key in run.latest:
            async for chunk in self.history(run.id, key):
                yield chunk

    async def history(self, run_id: str, key: str) -> History:
        """All points of one metric. An interrupted response is requested again, and known points are skipped."""
        given = 0
        attempts = Attempts(self.client.retry)
        query = {"run_id": run_id, "metric_key": key}
        path, seen_tokens = API + "metrics/get-history", set[str]()
        # A loop of its own, because a response that breaks off is continued behind the points that it gave.
        while True:
            seen = 0
            try:
                async with self.client.sent("GET", path, query, None, attempts.count) as response:
                    async for chunk in points_of(response.aiter_bytes(), CHUNK_POINTS):
                        fresh = chunk[max(0, given - seen) :]
                        seen += len(chunk)
                        given = max(given, seen)
                        if fresh:
                            yield fresh
                return
            except NextPage as page:
                if page.token in seen_tokens:
                    self._lose(f"run {run_id} metric {key!r}", "the server returns the same page again")
                    return
                seen_tokens.add(page.token)
                query["page_token"] = page.token
                given = 0
                attempts.restart()
            except (UnsureError, BrokenError, httpx.TransportError) as error:
                pause = None if getattr(error, "final", False) else attempts.pause(patient=False)
                if pause is None:
                    self._lose(f"run {run_id} metric {key!r}", f"{self.name} does not serve it: {error}")
                    return
                await asyncio.sleep(pause)
            except ApiError as error:
                self._lose(f"run {run_id} metric {key!r}", error.message)
                return

    async def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in pages; none on a server of MLflow 2."""
        if not (await self.features()).logged_models:
            return
        body = {"experiment_ids": [experiment_id], "max_results": _MODELS_PER_PAGE}
        place = f"logged models of experiment {experiment_id}"
        async for page in self._pages("logged-models/search", body, "models", place):
            yield self._parsed(
                page,
                lambda data: of_experiment(logged_model_from(data), experiment_id),
                f"logged model of experiment {experiment_id}",
            )

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""
        filters = ["", f"tags.`{PROMPT}` = 'true'"] if (await self.features()).prompts else [""]
        models: dict[str, RegisteredModel] = {}
        versions: dict[tuple[str, int], ModelVersion] = {}
        # If the list is incomplete, it is unknown which models have missing versions. Then read none.
        before = len(self._losses.list())
        for chosen in filters:
            more = {"filter": chosen} if chosen else {}
            query = {"max_results": _REGISTERED_PER_PAGE, **more}
            place = "registered models"
            async for page in self._pages_of_get("registered-models/search", query, "registered_models", place):
                models.update({one.name: one for one in self._parsed(page, registered_model_from, "registered model")})
            query = {"max_results": _VERSIONS_PER_PAGE, **more}
            place = "versions of registered models"
            async for page in self._pages_of_get("model-versions/search", query, "model_versions", place):
                versions.update({(v.name, v.version): v for v in self._parsed(page, version_from, "model version")})
        if len(self._losses.list()) > before:
            return []
        for (name, _), version in sorted(versions.items()):
            if name in models:
                models[name].versions.append(version)
            else:
                self._lose(f"registered model {name!r} version {version.version}", "the server lists no such model")
        for model in models.values():
            model.remove_dangling_aliases()
        return sorted(models.values(), key=lambda model: (model.creation_time, model.name))

    async def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in pages; none on a server without them."""
        if not (await self.features()).traces:
            return
        query = {"experiment_ids": [experiment_id], "max_results": _TRACES_PER_PAGE}
        place = f"traces of experiment {experiment_id}"
        async for page in self._pages_of_get("traces", query, "traces", place):
            yield self._parsed(
                page,
                lambda data: of_experiment(trace_from(data), experiment_id),
                f"trace of experiment {experiment_id}",
            )

    def losses(self) -> Sequence[Loss]:
        """What could not be read so far."""
        return self._losses.list()

    async def close(self) -> None:
        """Close the connections."""
        self._closing()
        await self.client.close()

    async def _holds_models(self) -> bool:
        """Whether any logged model may exist. Otherwise no run can have links to one."""
        if self._models is None:
            self._models = False
            if (await self.features()).logged_models:
                ids = [experiment.id async for experiment in self.experiments()]
                for start in range(0, len(ids), _IDS_PER_SEARCH):
                    body = {"experiment_ids": ids[start : start + _IDS_PER_SEARCH], "max_results": 1}
                    try:
                        answer = await self.client.post("logged-models/search", body, writes=False)
                        self._models = self._models or bool(_list(answer, "models"))
                    except (ApiError, UnansweredError):
                        # The listing of each experiment's logged models fails too, and names the loss.
                        self._models = True
        return self._models

    async def _has_models(self) -> bool:
        body = {"experiment_ids": ["0"], "max_results": 1}
        return await self._answers(self.client.post("logged-models/search", body, writes=False))

    async def _has_traces(self) -> bool:
        return await self._answers(self.client.get("traces", {"experiment_ids": ["0"], "max_results": 1}))

    @staticmethod
    async def _answers(call: Any) -> bool:
        try:
            await call
        except ApiError as error:
            return not error.unsupported
        return True

    async def _pages(self, path: str, body: dict[str, Any], name: str, place: str) -> AsyncIterator[list[Any]]:
        def ask(more: dict[str, Any]) -> Awaitable[Any]:
            return self.client.post(path, {**body, **more}, writes=False)

        async for page in self._paged(ask, name, place):
            yield page

    async def _pages_of_get(self, path: str, query: dict[str, Any], name: str, place: str) -> AsyncIterator[list[Any]]:
        def ask(more: dict[str, Any]) -> Awaitable[Any]:
            return self.client.get(path, {**query, **more})

        async for page in self._paged(ask, name, place):
            yield page

    async def _paged(
        self, ask: Callable[[dict[str, Any]], Awaitable[Any]], name: str, place: str
    ) -> AsyncIterator[list[Any]]:
        """All pages. A page that the server cannot return is a loss, together with all following pages.

        Args:
            ask: makes the call for a page with its token.
        """
        tokens, empty = [""], 0
        while True:
            more = {"page_token": tokens[-1]} if tokens[-1] else {}
            try:
                answer = await ask(more)
                page, token = _list(answer, name), answer.get("next_page_token") or ""
                if token in tokens[1:] or not isinstance(token, str):
                    raise UnansweredError(f"{self.name} returns the same page again")
                empty = 0 if page else empty + 1
                if token and empty > _MOST_EMPTY_PAGES:
                    raise UnansweredError(f"{self.name} returns {empty} empty pages one after another")
            except (ApiError, UnansweredError) as error:
                # If the first page fails, the server cannot list such objects at all.
                if len(tokens) == 1 and name == "experiments":
                    raise
                self._lose(place if len(tokens) == 1 else f"{place}, from page {len(tokens)} on", error.message)
                return
            yield page
            if not token:
                return
            tokens.append(token)

    def _parsed(self, page: Iterable[Any], parse: Callable[[Any], T], place: str) -> list[T]:
        """The records of a page. Malformed ones are losses."""
        found = []
        for data in page:
            try:
                found.append(parse(data))
            except MALFORMED as error:
                self._lose(f"{place} ({_shown(data)})", f"{self.name} describes it wrongly: {described(error)}")
        return found

    def _lose(self, place: str, reason: str) -> None:
        if not self.lenient:
            raise PlatformError(f"{place} cannot be read: {reason}")
        self._losses.add(place, reason)


def _list(answer: Any, name: str) -> list[Any]:
    """A list in a response; protobuf omits empty lists.

    Raises:
        UnansweredError: it is not a list, or the response is something else, such as a gateway's message.
    """
    found = answer.get(name, [])
    if not isinstance(found, list):
        raise UnansweredError(f"the response's {name} are not a list")
    if name not in answer and answer.keys() - {"next_page_token"}:
        raise UnansweredError(f"the response has no {name}, but {', '.join(sorted(answer))[:_SHOWN]!r}")
    return found


def _shown(data: Any) -> str:
    text = ascii(data)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def version_number(version: str) -> tuple[int, int] | None:
    """(2, 13) for "2.13.2"; None if the text is not a version."""
    parts = version.split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return None


def _expected(run: Run) -> int:
    # A metric's last step is the only indication of its length in a listing.
    return sum(max(1, abs(point.step) + 1) for point in run.latest.values())
