"""Writes runs of a tracking server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_transfer.batches import Batch
from mlflow_transfer.client import API, DATABASE_REFUSES, ApiError, UnsureError
from mlflow_transfer.records import (
    ACTIVE,
    DELETED,
    RUN_NAME,
    SOURCE_ID,
    Run,
    pairs,
    point_key,
)
from mlflow_transfer.rest_json import run_from
from mlflow_transfer.sources.rest import RestSource
from mlflow_transfer.writers.base import Certainty, Writer
from mlflow_transfer.writers.models import ModelWriter

_MOST_COLLISIONS = 5


class RunWriter(Writer):
    """Writes runs, each in as few calls as the REST API allows."""

    def __init__(self, reader: RestSource, certainty: Certainty, models: ModelWriter) -> None:
        super().__init__(reader, certainty)
        self._models = models

    async def create(self, run: Run, experiment_id: str, tags: Mapping[str, str]) -> Run:
        """Create a run with a tag that contains its source's id.

        Args:
            tags: the tags with the destination's ids in them.
        """
        body = {
            "experiment_id": experiment_id,
            "user_id": run.user_id,
            "start_time": run.start_time,
            "run_name": run.name,
            "tags": pairs({**{key: value for key, value in tags.items() if key != RUN_NAME}, SOURCE_ID: run.id}),
        }

        async def find() -> Run | None:
            self.certainty.unsure = True
            return await self.find(experiment_id, run.id)

        return await self.client.create("runs/create", body, find, _run_of)

    async def find(self, experiment_id: str, source_id: str) -> Run | None:
        """The copy of a source's run; None if there is none."""
        body = {
            "experiment_ids": [experiment_id],
            "filter": f"tags.`{SOURCE_ID}` = '{source_id}'",
            "run_view_type": "ALL",
            "max_results": 2,
        }

        def take(answer: Mapping[str, Any]) -> Run | None:
            return next((run_from(run, linked=False) for run in answer.get("runs", [])), None)

        return await self.client.read("runs/search", take, body=body)

    async def log(self, run_id: str, batch: Batch) -> None:
        """Log a batch. After a lost response, only missing parts are sent again, so that no point is stored twice."""
        attempt = 0
        while len(batch):
            attempt += 1
            try:
                await self.client.once("POST", API + "runs/log-batch", None, batch.body(run_id), attempt, writes=True)
            except UnsureError as unsure:
                if unsure.final:
                    raise unsure.given_up(f"{self.client.name} did not accept a batch of run {run_id}") from None
                await asyncio.sleep(unsure.wait)
                await self._drop_present(run_id, batch)
            else:
                return

    async def _drop_present(self, run_id: str, batch: Batch) -> None:
        wanted = {point_key(point) for point in batch.points} | {point_key(link.point) for link in batch.links}
        present = set()
        for key in sorted({key for key, *_ in wanted}):
            async for chunk in self.reader.history(run_id, key):
                present |= wanted & {point_key(point) for point in chunk}
        batch.points = [point for point in batch.points if point_key(point) not in present]
        linked = await self._models.linked_points({link.model_id for link in batch.links})
        for link in list(batch.links):
            if (link.model_id, run_id, point_key(link.point)) in linked:
                batch.links.remove(link)

    async def untag(self, run_id: str, key: str) -> None:
        """Delete a run's tag."""
        await self._settled("runs/delete-tag", {"run_id": run_id, "key": key})

    async def update(self, run_id: str, status: str, end_time: int | None, name: str | None = None) -> None:
        """Set a run's status and end time, and its name if it changed."""
        body: dict[str, Any] = {"run_id": run_id, "status": status}
        if end_time is not None:
            body["end_time"] = end_time
        if name is not None:
            body["run_name"] = name
        await self.client.post("runs/update", body)

    async def disown(self, run_id: str, *, deleted: bool) -> None:
        """Delete a run that is a duplicate, and remove the tag with its source's id."""
        if deleted:
            await self.set_stage(run_id, ACTIVE)
        await self.untag(run_id, SOURCE_ID)
        await self.set_stage(run_id, DELETED)

    async def set_stage(self, run_id: str, stage: str) -> None:
        """Delete or restore a run."""
        await self.client.post("runs/delete" if stage == DELETED else "runs/restore", {"run_id": run_id})

    async def log_inputs(self, run_id: str, datasets: Sequence[Mapping[str, Any]], models: Sequence[str]) -> None:
        """Log the data sets and the models that are inputs of a run. Idempotent.

        A server refuses a data set that another call of the same moment has just stored. The next call finds it.
        """
        body: dict[str, Any] = {"run_id": run_id, "datasets": list(datasets)}
        if models:
            body["models"] = [{"model_id": model_id} for model_id in models]
        for attempt in range(1, _MOST_COLLISIONS + 1):
            try:
                await self.client.post("runs/log-inputs", body)
            except ApiError as error:
                if error.code != DATABASE_REFUSES or attempt == _MOST_COLLISIONS:
                    raise
                await asyncio.sleep(self.client.retry.wait(attempt))
            else:
                return

    async def log_outputs(self, run_id: str, models: Sequence[tuple[str, int]]) -> None:
        """Log the models that are outputs of a run. After a lost response, check first: existing links are refused."""

        async def find() -> bool | None:
            present = {model_id for model_id, _ in (await self.get(run_id)).model_outputs}
            return True if present >= {model_id for model_id, _ in models} else None

        body = {"run_id": run_id, "models": [{"model_id": model_id, "step": step} for model_id, step in models]}
        await self.client.create("runs/outputs", body, find, lambda _: True)

    async def get(self, run_id: str) -> Run:
        """A run of the destination, with its links to logged models."""
        return await self.client.read("runs/get", _run_of, query={"run_id": run_id})


def _run_of(answer: Mapping[str, Any]) -> Run:
    return run_from(answer["run"], linked=True)
