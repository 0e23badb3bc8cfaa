"""Writes experiments of a tracking server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow_transfer.client import ApiError
from mlflow_transfer.records import (
    DELETED,
    Experiment,
    pairs,
)
from mlflow_transfer.rest_json import experiment_from
from mlflow_transfer.sources.parsing import text
from mlflow_transfer.writers.base import ALREADY_EXISTS, Writer


class ExperimentWriter(Writer):
    """Writes experiments, each in as few calls as the REST API allows."""

    async def create(self, experiment: Experiment, artifact_location: str) -> Experiment:
        """Create an experiment with its tags. An existing one with that name is used unchanged."""
        body = {"name": experiment.name, "tags": pairs(experiment.tags)}
        if artifact_location:
            body["artifact_location"] = artifact_location

        async def find() -> str | None:
            query = {"experiment_name": experiment.name}
            try:
                return await self.client.read(
                    "experiments/get-by-name", lambda found: take(found["experiment"]), query=query
                )
            except ApiError as error:
                if error.missing:
                    return None
                raise

        def take(answer: Mapping[str, Any]) -> str:
            return text(answer["experiment_id"])

        try:
            found = await self.client.create("experiments/create", body, find, take)
        except ApiError as error:
            existing = await find() if error.code == ALREADY_EXISTS else None
            if existing is None:
                raise
            found = existing
        return await self.get(found)

    async def get(self, experiment_id: str) -> Experiment:
        """An experiment of the destination."""

        def take(answer: Mapping[str, Any]) -> Experiment:
            return experiment_from(answer["experiment"])

        return await self.client.read("experiments/get", take, query={"experiment_id": experiment_id})

    async def tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set an experiment's tag."""
        await self.client.post(
            "experiments/set-experiment-tag", {"experiment_id": experiment_id, "key": key, "value": value}
        )

    async def rename(self, experiment_id: str, name: str) -> None:
        """Rename an experiment."""
        await self.client.post("experiments/update", {"experiment_id": experiment_id, "new_name": name})

    async def set_stage(self, experiment_id: str, stage: str) -> None:
        """Delete or restore an experiment together with all its runs."""
        verb = "delete" if stage == DELETED else "restore"
        await self._settled(f"experiments/{verb}", {"experiment_id": experiment_id})
