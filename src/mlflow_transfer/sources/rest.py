"""Reads a tracking server over its REST API, with as few calls as possible."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from mlflow_transfer.client import ApiError, Client, UnansweredError
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import (
    PROMPT,
    Experiment,
    History,
    LoggedModel,
    ModelVersion,
    RegisteredModel,
    Run,
    Trace,
)
from mlflow_transfer.rest_json import (
    experiment_from,
    logged_model_from,
    registered_model_from,
    run_from,
    version_from,
)
from mlflow_transfer.sources.base import (
    PAGE,
    Features,
    Kind,
    of_experiment,
)
from mlflow_transfer.sources.rest_histories import Histories
from mlflow_transfer.sources.rest_listing import Listing, items_of
from mlflow_transfer.sources.rest_traces import TraceListing
from mlflow_transfer.sources.rest_workspaces import lose_other_workspaces
from mlflow_transfer.stores import Store

_IDS_PER_SEARCH = 100
_FEW = 3
_RUN_ID = re.compile(r"[\w-]+")
_MODELS_PER_PAGE = 100
_VERSIONS_PER_PAGE = 10_000
_REGISTERED_PER_PAGE = 1_000
_OLDEST_WITH_TRACES = (2, 14)
_OLDEST_WITH_PROMPTS = (3, 0)
_OLDEST_WITH_MODELS = (3, 0)


class RestSource:
    """A tracking server, read through `client`. `stores` opens artifact URIs.

    Attributes:
        listing: its listings. A source's are lenient, a destination's are not.
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
        self.listing = Listing(client)
        self._histories = Histories(self.listing)
        self._traces = TraceListing(self.listing)
        self._features: Features | None = None
        self._models: bool | None = None
        self._experiment_ids: list[str] | None = None
        self._asked_for_workspaces = False

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
        if self.listing.lenient and not self._asked_for_workspaces:
            self._asked_for_workspaces = True
            await lose_other_workspaces(self.listing, version_number(self.version))
        body = {"view_type": "ALL", "max_results": 1000, "order_by": ["creation_time ASC", "experiment_id ASC"]}
        async for page in self.listing.pages("experiments/search", body, "experiments", "experiments"):
            for experiment in self.listing.parsed(page, experiment_from, "experiment"):
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
        async for page in self.listing.pages("runs/search", body, "runs", place):
            yield self.listing.parsed(
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
        async for page in self.listing.pages("runs/search", body, "runs", "copied runs"):
            for run in self.listing.parsed(page, partial(run_from, linked=False), "copied run"):
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
            found += self.listing.parsed(items_of(answer, "runs"), partial(run_from, linked=linked), "run")
        return found

    async def _run(self, run_id: str) -> Run | None:
        try:
            answer = await self.client.get("runs/get", {"run_id": run_id})
            return next(
                iter(self.listing.parsed([answer.get("run")], partial(run_from, linked=True), f"run {run_id}")), None
            )
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

    def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with its points."""
        return self._histories.of_runs(runs)

    def history(self, run_id: str, key: str) -> History:
        """All points of one metric."""
        return self._histories.of_metric(run_id, key)

    async def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in pages; none on a server of MLflow 2."""
        if not (await self.features()).logged_models:
            return
        body = {"experiment_ids": [experiment_id], "max_results": _MODELS_PER_PAGE}
        place = f"logged models of experiment {experiment_id}"
        async for page in self.listing.pages("logged-models/search", body, "models", place):
            yield self.listing.parsed(
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
        before = len(self.listing.losses.list())
        for chosen in filters:
            more = {"filter": chosen} if chosen else {}
            query = {"max_results": _REGISTERED_PER_PAGE, **more}
            place = "registered models"
            async for page in self.listing.pages_of_get("registered-models/search", query, "registered_models", place):
                models.update(
                    {one.name: one for one in self.listing.parsed(page, registered_model_from, "registered model")}
                )
            query = {"max_results": _VERSIONS_PER_PAGE, **more}
            place = "versions of registered models"
            async for page in self.listing.pages_of_get("model-versions/search", query, "model_versions", place):
                versions.update(
                    {(v.name, v.version): v for v in self.listing.parsed(page, version_from, "model version")}
                )
        if len(self.listing.losses.list()) > before:
            return []
        for (name, _), version in sorted(versions.items()):
            if name in models:
                models[name].versions.append(version)
            else:
                self.listing.lose(
                    f"registered model {name!r} version {version.version}", "the server lists no such model"
                )
        for model in models.values():
            model.remove_dangling_aliases()
        return sorted(models.values(), key=lambda model: (model.creation_time, model.name))

    async def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in pages; none on a server without them."""
        if not (await self.features()).traces:
            return
        async for page in self._traces.of(experiment_id, version_number(self.version)):
            yield page

    def losses(self) -> Sequence[Loss]:
        """What could not be read so far."""
        return self.listing.losses.list()

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
                        self._models = self._models or bool(items_of(answer, "models"))
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


def version_number(version: str) -> tuple[int, int] | None:
    """(2, 13) for "2.13.2"; None if the text is not a version."""
    parts = version.split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return None
