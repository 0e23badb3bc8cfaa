"""Writes logged models of a tracking server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mlflow_transfer.records import (
    SOURCE_ID,
    LoggedModel,
    pairs,
    point_key,
)
from mlflow_transfer.rest_json import logged_model_from
from mlflow_transfer.writers.base import Writer

STATUS_NUMBERS = {"LOGGED_MODEL_PENDING": 1, "LOGGED_MODEL_READY": 2, "LOGGED_MODEL_UPLOAD_FAILED": 3}


class ModelWriter(Writer):
    """Writes logged models, each in as few calls as the REST API allows."""

    async def create(
        self, model: LoggedModel, experiment_id: str, source_run_id: str, tags: Mapping[str, str]
    ) -> LoggedModel:
        """Create a logged model with its parameters and tags. It stays pending."""
        body = {
            "experiment_id": experiment_id,
            "name": model.name,
            "model_type": model.model_type,
            "source_run_id": source_run_id,
            "params": pairs(model.params),
            "tags": pairs({**tags, SOURCE_ID: model.id}),
        }

        async def find() -> LoggedModel | None:
            self.certainty.unsure = True
            async for page in self.reader.logged_models(experiment_id):
                for found in page:
                    if found.tags.get(SOURCE_ID) == model.id:
                        return found
            return None

        return await self.client.create("logged-models", body, find, _model_of)

    async def get(self, model_id: str) -> LoggedModel:
        """A logged model of the destination."""
        return await self.client.read(f"logged-models/{model_id}", _model_of)

    async def delete(self, model_id: str) -> None:
        """Delete a logged model that is a duplicate."""
        await self._settled(f"logged-models/{model_id}", {}, method="DELETE")

    async def untag(self, model_id: str, key: str) -> None:
        """Delete a logged model's tag."""
        await self._settled(f"logged-models/{model_id}/tags/{quote(key, safe='')}", {}, method="DELETE")

    async def finalize(self, model_id: str, status: str) -> None:
        """Set a logged model's status."""
        body = {"model_id": model_id, "status": STATUS_NUMBERS[status]}
        await self.client.post(f"logged-models/{model_id}", body, method="PATCH")

    async def tag(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a logged model."""
        await self.client.post(f"logged-models/{model_id}/tags", {"tags": pairs(tags)}, method="PATCH")

    async def linked_points(self, model_ids: set[str]) -> set[tuple[str, str, tuple[str, str, int, int]]]:
        """The points of these logged models: the ids of the model and the run, and the point."""
        found = set()
        for model_id in sorted(model_ids):
            model = await self.get(model_id)
            found |= {(model.id, point.run_id, point_key(point.point)) for point in model.points}
        return found


def _model_of(answer: Mapping[str, Any]) -> LoggedModel:
    return logged_model_from(answer["model"])
