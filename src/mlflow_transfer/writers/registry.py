"""Writes registered models and their versions of a tracking server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow_transfer.client import ApiError
from mlflow_transfer.records import (
    SOURCE_ID,
    SOURCE_TIME,
    ModelVersion,
    pairs,
)
from mlflow_transfer.sources.parsing import version_number
from mlflow_transfer.writers.base import ALREADY_EXISTS, Writer


class RegistryWriter(Writer):
    """Writes registered models and their versions, each in as few calls as the REST API allows."""

    async def create_model(self, name: str, description: str, tags: Mapping[str, str]) -> None:
        """Create a registered model or prompt, unless it exists."""
        body = {"name": name, "description": description, "tags": pairs(tags)}
        try:
            await self.client.post("registered-models/create", body)
        except ApiError as error:
            if error.code != ALREADY_EXISTS:
                raise

    async def tag_model(self, name: str, key: str, value: str) -> None:
        """Set a registered model's tag."""
        await self.client.post("registered-models/set-tag", {"name": name, "key": key, "value": value})

    async def untag_model(self, name: str, key: str) -> None:
        """Delete a registered model's tag."""
        await self._settled("registered-models/delete-tag", {"name": name, "key": key}, method="DELETE")

    async def describe_model(self, name: str, description: str) -> None:
        """Set a registered model's description."""
        await self.client.post("registered-models/update", {"name": name, "description": description}, method="PATCH")

    async def create_version(self, version: ModelVersion, tags: Mapping[str, str], model_id: str) -> int:
        """Create the next version of a registered model.

        Returns:
            The number that the server gave it.
        """
        body = {
            "name": version.name,
            "source": version.source,
            "run_id": version.run_id,
            "run_link": version.run_link,
            "description": version.description,
            "tags": pairs(tags),
        }
        if model_id:
            body["model_id"] = model_id

        async def find() -> int | None:
            # A search for the name would leave out prompts.
            models = await self.reader.registered_models()
            versions = [one for model in models if model.name == version.name for one in model.versions]
            return max((one.version for one in versions if marked(one)), default=None)

        def marked(one: ModelVersion) -> bool:
            return all(one.tags.get(key) == tags.get(key) for key in (SOURCE_ID, SOURCE_TIME))

        def take(answer: Mapping[str, Any]) -> int:
            return version_number(answer["model_version"]["version"])

        return await self.client.create("model-versions/create", body, find, take)

    async def delete_version(self, name: str, version: int) -> None:
        """Delete a version. The server does not use its number again."""
        body = {"name": name, "version": str(version)}
        await self._settled("model-versions/delete", body, method="DELETE")

    async def set_stage(self, name: str, version: int, stage: str) -> None:
        """Set the stage of a version. Other versions keep theirs."""
        body = {"name": name, "version": str(version), "stage": stage, "archive_existing_versions": False}
        await self.client.post("model-versions/transition-stage", body)

    async def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        await self.client.post("registered-models/alias", {"name": name, "alias": alias, "version": str(version)})

    async def delete_alias(self, name: str, alias: str) -> None:
        """Delete an alias."""
        await self._settled("registered-models/alias", {"name": name, "alias": alias}, method="DELETE")

    async def tag_version(self, name: str, version: int, key: str, value: str) -> None:
        """Set a version's tag."""
        body = {"name": name, "version": str(version), "key": key, "value": value}
        await self.client.post("model-versions/set-tag", body)

    async def untag_version(self, name: str, version: int, key: str) -> None:
        """Delete a version's tag."""
        body = {"name": name, "version": str(version), "key": key}
        await self._settled("model-versions/delete-tag", body, method="DELETE")

    async def describe_version(self, name: str, version: int, description: str) -> None:
        """Set a version's description."""
        body = {"name": name, "version": str(version), "description": description}
        await self.client.post("model-versions/update", body, method="PATCH")
