"""Writes to a tracking server: each thing in as few calls as the REST API allows, none of them twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mlflow_common.errors import PlatformError
from mlflow_transfer.batches import Batch
from mlflow_transfer.client import API, ApiError, UnsureError
from mlflow_transfer.records import (
    ACTIVE,
    DELETED,
    RUN_NAME,
    SOURCE_ID,
    SOURCE_TIME,
    Experiment,
    LoggedModel,
    ModelVersion,
    Run,
    Trace,
    pairs,
    point_key,
)
from mlflow_transfer.rest_json import experiment_from, logged_model_from, run_from, trace_from
from mlflow_transfer.sources.rest import RestSource

_EXISTS = "RESOURCE_ALREADY_EXISTS"
STATUS_NUMBERS = {"LOGGED_MODEL_PENDING": 1, "LOGGED_MODEL_READY": 2, "LOGGED_MODEL_UPLOAD_FAILED": 3}


class Destination:
    """A server to write to; `reader` reads the same server."""

    def __init__(self, reader: RestSource) -> None:
        self.reader = reader
        self.client = reader.client
        self.unsure = False

    async def create_experiment(self, experiment: Experiment, artifact_location: str) -> Experiment:
        """Create an experiment with its tags; one of that name that is there already is taken as it is."""
        body = {"name": experiment.name, "tags": pairs(experiment.tags)}
        if artifact_location:
            body["artifact_location"] = artifact_location

        async def find() -> str | None:
            query = {"experiment_name": experiment.name}
            try:
                return str((await self.client.get("experiments/get-by-name", query))["experiment"]["experiment_id"])
            except ApiError as error:
                if error.missing:
                    return None
                raise

        def take(answer: Mapping[str, Any]) -> str:
            return str(answer["experiment_id"])

        try:
            found = await self.client.create("experiments/create", body, find, take)
        except ApiError as error:
            existing = await find() if error.code == _EXISTS else None
            if existing is None:
                raise
            found = existing
        return await self.experiment(found)

    async def experiment(self, experiment_id: str) -> Experiment:
        """An experiment of the destination."""
        answer = await self.client.get("experiments/get", {"experiment_id": experiment_id})
        return experiment_from(answer["experiment"])

    async def tag_experiment(self, experiment_id: str, key: str, value: str) -> None:
        """Set an experiment's tag."""
        await self.client.post(
            "experiments/set-experiment-tag", {"experiment_id": experiment_id, "key": key, "value": value}
        )

    async def rename_experiment(self, experiment_id: str, name: str) -> None:
        """Give an experiment another name."""
        await self.client.post("experiments/update", {"experiment_id": experiment_id, "new_name": name})

    async def set_experiment_stage(self, experiment_id: str, stage: str) -> None:
        """Delete or restore an experiment, and with it all its runs."""
        verb = "delete" if stage == DELETED else "restore"
        await self._settled(f"experiments/{verb}", {"experiment_id": experiment_id})

    async def create_run(self, run: Run, experiment_id: str, tags: Mapping[str, str]) -> Run:
        """Create a run that carries its source's id; `tags` are the mapped ones."""
        body = {
            "experiment_id": experiment_id,
            "user_id": run.user_id,
            "start_time": run.start_time,
            "run_name": run.name,
            "tags": pairs({**{key: value for key, value in tags.items() if key != RUN_NAME}, SOURCE_ID: run.id}),
        }

        async def find() -> Run | None:
            self.unsure = True
            return await self.find_run(experiment_id, run.id)

        return await self.client.create("runs/create", body, find, lambda answer: run_from(answer["run"], linked=True))

    async def find_run(self, experiment_id: str, source_id: str) -> Run | None:
        """The run that was made of a source's run."""
        body = {
            "experiment_ids": [experiment_id],
            "filter": f"tags.`{SOURCE_ID}` = '{source_id}'",
            "run_view_type": "ALL",
            "max_results": 2,
        }
        found = (await self.client.post("runs/search", body, writes=False)).get("runs", [])
        return run_from(found[0], linked=False) if found else None

    async def log(self, run_id: str, batch: Batch) -> None:
        """Log a batch. After a lost answer only what is missing is sent again: no store has to take a point twice."""
        attempt = 0
        while len(batch):
            attempt += 1
            try:
                await self.client.once("POST", API + "runs/log-batch", None, batch.body(run_id), attempt, writes=True)
            except UnsureError as unsure:
                if unsure.final:
                    raise PlatformError(f"{self.client.name} does not take a batch of run {run_id}: {unsure}") from None
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
        linked = await self.linked_points({link.model_id for link in batch.links})
        for link in list(batch.links):
            if (link.model_id, run_id, point_key(link.point)) in linked:
                batch.links.remove(link)

    async def linked_points(self, model_ids: set[str]) -> set[tuple[str, str, tuple[str, str, int, int]]]:
        """Which points these logged models have: model, run and point."""
        found = set()
        for model_id in sorted(model_ids):
            model = await self.logged_model(model_id)
            found |= {(model.id, point.run_id, point_key(point.point)) for point in model.points}
        return found

    async def delete_tag(self, run_id: str, key: str) -> None:
        """Take a run's tag away."""
        await self._settled("runs/delete-tag", {"run_id": run_id, "key": key})

    async def update_run(self, run_id: str, status: str, end_time: int | None, name: str | None = None) -> None:
        """Set a run's status and end, and its name if it changed."""
        body: dict[str, Any] = {"run_id": run_id, "status": status}
        if end_time is not None:
            body["end_time"] = end_time
        if name is not None:
            body["run_name"] = name
        await self.client.post("runs/update", body)

    async def disown_run(self, run_id: str, *, deleted: bool) -> None:
        """Delete a run that turned out to be a second copy, and take its source's id from it."""
        if deleted:
            await self.set_run_stage(run_id, ACTIVE)
        await self.delete_tag(run_id, SOURCE_ID)
        await self.set_run_stage(run_id, DELETED)

    async def set_run_stage(self, run_id: str, stage: str) -> None:
        """Delete or restore a run."""
        await self.client.post("runs/delete" if stage == DELETED else "runs/restore", {"run_id": run_id})

    async def log_inputs(self, run_id: str, datasets: Sequence[Mapping[str, Any]], models: Sequence[str]) -> None:
        """Log the data sets and the models that a run read; twice is as once."""
        body: dict[str, Any] = {"run_id": run_id, "datasets": list(datasets)}
        if models:
            body["models"] = [{"model_id": model_id} for model_id in models]
        await self.client.post("runs/log-inputs", body)

    async def log_outputs(self, run_id: str, models: Sequence[tuple[str, int]]) -> None:
        """Log the models that a run made. The server refuses a link that it has: after a lost answer look first."""

        async def find() -> bool | None:
            present = {model_id for model_id, _ in await self.outputs(run_id)}
            return True if present >= {model_id for model_id, _ in models} else None

        body = {"run_id": run_id, "models": [{"model_id": model_id, "step": step} for model_id, step in models]}
        await self.client.create("runs/outputs", body, find, lambda _: True)

    async def outputs(self, run_id: str) -> list[tuple[str, int]]:
        """The models that a run is known to have made."""
        answer = await self.client.get("runs/get", {"run_id": run_id})
        return run_from(answer["run"], linked=True).model_outputs

    async def create_logged_model(
        self, model: LoggedModel, experiment_id: str, source_run_id: str, tags: Mapping[str, str]
    ) -> LoggedModel:
        """Create a logged model with its parameters and tags; it stays pending."""
        body = {
            "experiment_id": experiment_id,
            "name": model.name,
            "model_type": model.model_type,
            "source_run_id": source_run_id,
            "params": pairs(model.params),
            "tags": pairs({**tags, SOURCE_ID: model.id}),
        }

        async def find() -> LoggedModel | None:
            self.unsure = True
            async for page in self.reader.logged_models(experiment_id):
                for found in page:
                    if found.tags.get(SOURCE_ID) == model.id:
                        return found
            return None

        def take(answer: Mapping[str, Any]) -> LoggedModel:
            return logged_model_from(answer["model"])

        return await self.client.create("logged-models", body, find, take)

    async def logged_model(self, model_id: str) -> LoggedModel:
        """A logged model of the destination."""
        return logged_model_from((await self.client.get(f"logged-models/{model_id}"))["model"])

    async def delete_logged_model(self, model_id: str) -> None:
        """Delete a logged model that turned out to be a second copy."""
        await self._settled(f"logged-models/{model_id}", {}, method="DELETE")

    async def untag_logged_model(self, model_id: str, key: str) -> None:
        """Take a logged model's tag away."""
        await self._settled(f"logged-models/{model_id}/tags/{quote(key, safe='')}", {}, method="DELETE")

    async def finalize_logged_model(self, model_id: str, status: str) -> None:
        """Set a logged model's status."""
        body = {"model_id": model_id, "status": STATUS_NUMBERS[status]}
        await self.client.post(f"logged-models/{model_id}", body, method="PATCH")

    async def tag_logged_model(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a logged model."""
        await self.client.post(f"logged-models/{model_id}/tags", {"tags": pairs(tags)}, method="PATCH")

    async def create_registered_model(self, name: str, description: str, tags: Mapping[str, str]) -> None:
        """Create a registered model or prompt; one that is there stays."""
        body = {"name": name, "description": description, "tags": pairs(tags)}
        try:
            await self.client.post("registered-models/create", body)
        except ApiError as error:
            if error.code != _EXISTS:
                raise

    async def tag_registered_model(self, name: str, key: str, value: str) -> None:
        """Set a registered model's tag."""
        await self.client.post("registered-models/set-tag", {"name": name, "key": key, "value": value})

    async def untag_registered_model(self, name: str, key: str) -> None:
        """Take a registered model's tag away."""
        await self._settled("registered-models/delete-tag", {"name": name, "key": key}, method="DELETE")

    async def describe_registered_model(self, name: str, description: str) -> None:
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
            # Not by a search for the name, which leaves out prompts.
            models = await self.reader.registered_models()
            versions = [one for model in models if model.name == version.name for one in model.versions]
            return max((one.version for one in versions if marked(one)), default=None)

        def marked(one: ModelVersion) -> bool:
            return all(one.tags.get(key) == tags.get(key) for key in (SOURCE_ID, SOURCE_TIME))

        def take(answer: Mapping[str, Any]) -> int:
            return int(answer["model_version"]["version"])

        return await self.client.create("model-versions/create", body, find, take)

    async def delete_version(self, name: str, version: int) -> None:
        """Delete a version; its number is not given again."""
        body = {"name": name, "version": str(version)}
        await self._settled("model-versions/delete", body, method="DELETE")

    async def set_stage(self, name: str, version: int, stage: str) -> None:
        """Put a version into a stage; the others stay where they are."""
        body = {"name": name, "version": str(version), "stage": stage, "archive_existing_versions": False}
        await self.client.post("model-versions/transition-stage", body)

    async def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        await self.client.post("registered-models/alias", {"name": name, "alias": alias, "version": str(version)})

    async def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""
        await self._settled("registered-models/alias", {"name": name, "alias": alias}, method="DELETE")

    async def tag_version(self, name: str, version: int, key: str, value: str) -> None:
        """Set a version's tag."""
        body = {"name": name, "version": str(version), "key": key, "value": value}
        await self.client.post("model-versions/set-tag", body)

    async def untag_version(self, name: str, version: int, key: str) -> None:
        """Take a version's tag away."""
        body = {"name": name, "version": str(version), "key": key}
        await self._settled("model-versions/delete-tag", body, method="DELETE")

    async def describe_version(self, name: str, version: int, description: str) -> None:
        """Set a version's description."""
        body = {"name": name, "version": str(version), "description": description}
        await self.client.post("model-versions/update", body, method="PATCH")

    async def create_trace(self, trace: Trace, experiment_id: str, metadata: Mapping[str, str]) -> Trace:
        """Create a trace, still in progress."""
        body = {
            "experiment_id": experiment_id,
            "timestamp_ms": trace.timestamp,
            "request_metadata": pairs(metadata),
            "tags": pairs({**trace.tags, SOURCE_ID: trace.id}),
        }

        async def find() -> Trace | None:
            self.unsure = True
            query = {"experiment_ids": [experiment_id], "filter": f"tags.`{SOURCE_ID}` = '{trace.id}'"}
            found = (await self.client.get("traces", query)).get("traces", [])
            return trace_from(found[0]) if found else None

        return await self.client.create("traces", body, find, lambda answer: trace_from(answer["trace_info"]))

    async def trace(self, trace_id: str) -> Trace:
        """A trace of the destination."""
        return trace_from((await self.client.get(f"traces/{trace_id}/info"))["trace_info"])

    async def delete_trace(self, experiment_id: str, trace_id: str) -> None:
        """Delete a trace that turned out to be a second copy."""
        await self.client.post("traces/delete-traces", {"experiment_id": experiment_id, "request_ids": [trace_id]})

    async def tag_trace(self, trace_id: str, key: str, value: str) -> None:
        """Set a trace's tag."""
        await self.client.post(f"traces/{trace_id}/tags", {"key": key, "value": value}, method="PATCH")

    async def untag_trace(self, trace_id: str, key: str) -> None:
        """Take a trace's tag away."""
        await self._settled(f"traces/{trace_id}/tags", {"key": key}, method="DELETE")

    async def end_trace(self, trace_id: str, trace: Trace) -> None:
        """Set a trace's end and status."""
        body = {
            "request_id": trace_id,
            "timestamp_ms": trace.timestamp + (trace.duration or 0),
            "status": trace.status,
            "request_metadata": [],
            "tags": [],
        }
        await self.client.post(f"traces/{trace_id}", body, method="PATCH")

    async def _settled(self, path: str, body: Mapping[str, Any], method: str = "POST") -> None:
        """A call whose effect may be there already, which the server then calls an error."""
        try:
            await self.client.post(path, body, method=method)
        except ApiError as error:
            if not error.missing:
                raise
