"""Reads runs from a tracking server's database, with everything that belongs to them except their points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mlflow_transfer.records import Point, Run
from mlflow_transfer.rest_json import sorted_inputs
from mlflow_transfer.sources.database_connection import Database
from mlflow_transfer.sources.database_rows import Row, plain, point_from_row
from mlflow_transfer.sources.parsing import integer, lifecycle_stage, optional_integer, run_status


class RunRows:
    """Rows of the table `runs`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def filled(self, rows: Sequence[Row]) -> list[Run]:
        """The runs of these rows. A row that cannot be read is a loss."""
        ids = [row["run_uuid"] for row in rows]
        params = await self._db.texts("params", "run_uuid", ids)
        tags = await self._db.texts("tags", "run_uuid", ids)
        latest: defaultdict[str, dict[str, Point]] = defaultdict(dict)
        for row in await self._db.rows("SELECT * FROM latest_metrics WHERE run_uuid IN :ids", ids=ids):
            with self._db.losing(f"run {row['run_uuid']!r} metric {row['key']!r}", "latest_metrics"):
                latest[row["run_uuid"]][plain(row["key"])] = point_from_row(row)
        counts = await self._counts(ids)
        inputs = await self._inputs(ids)
        model_inputs, model_outputs = await self._links(ids)
        found = []
        for row in rows:
            run_id = row["run_uuid"]
            with self._db.losing(f"run {run_id!r}", "runs"):
                found.append(
                    Run(
                        id=plain(run_id),
                        experiment_id=str(integer(row["experiment_id"])),
                        name=plain(row["name"] or tags[run_id].get("mlflow.runName", "")),
                        user_id=plain(row["user_id"] or ""),
                        status=run_status(row["status"]),
                        start_time=integer(row["started"]),
                        end_time=optional_integer(row["end_time"]) or None,
                        lifecycle_stage=lifecycle_stage(row["lifecycle_stage"]),
                        artifact_uri=plain(row["artifact_uri"] or ""),
                        params=params[run_id],
                        tags=tags[run_id],
                        latest=latest[run_id],
                        inputs=sorted_inputs(inputs[run_id]),
                        model_inputs=model_inputs[run_id],
                        model_outputs=model_outputs[run_id],
                        linked=True,
                        # A point that is logged later for an earlier step changes only the count, not the latest value.
                        state=str(counts.get(run_id, 0)),
                    )
                )
        return found

    async def _counts(self, ids: Sequence[str]) -> dict[str, int]:
        statement = "SELECT run_uuid, COUNT(*) AS points FROM metrics WHERE run_uuid IN :ids GROUP BY run_uuid"
        return {row["run_uuid"]: row["points"] for row in await self._db.rows(statement, ids=ids)}

    async def _inputs(self, ids: Sequence[str]) -> defaultdict[str, list[dict[str, Any]]]:
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        if "inputs" not in self._db.tables:
            return found
        statement = (
            "SELECT i.input_uuid, i.destination_id, d.* FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
            "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id IN :ids"
        )
        rows = await self._db.rows(statement, ids=ids)
        tags: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        # By the run, so that damage names the run.
        statement = (
            "SELECT t.input_uuid, t.name, t.value FROM input_tags t JOIN inputs i ON i.input_uuid = t.input_uuid "
            "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id IN :ids"
        )
        for tag in await self._db.rows(statement, ids=ids):
            with self._db.losing(f"input tag {tag['name']!r}", "input_tags"):
                tags[tag["input_uuid"]].append({"key": plain(tag["name"]), "value": plain(tag["value"] or "")})
        for row in rows:
            dataset = {
                "name": row["name"],
                "digest": row["digest"],
                "source_type": row["dataset_source_type"],
                "source": row["dataset_source"],
                "schema": row["dataset_schema"],
                "profile": row["dataset_profile"],
            }
            with self._db.losing(f"run {row['destination_id']!r} input {row['name']!r}", "datasets"):
                present = {key: plain(value) for key, value in dataset.items() if value is not None}
                _ = present["name"], present["digest"]
                found[row["destination_id"]].append({"tags": tags[row["input_uuid"]], "dataset": present})
        return found

    async def _links(
        self, ids: Sequence[str]
    ) -> tuple[defaultdict[str, list[str]], defaultdict[str, list[tuple[str, int]]]]:
        inputs: defaultdict[str, list[str]] = defaultdict(list)
        outputs: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        if "logged_models" in self._db.tables:
            statement = "SELECT * FROM inputs WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND source_id IN :ids"
            for row in await self._db.rows(statement, ids=ids):
                with self._db.losing(f"link of run {row['source_id']!r} to {row['destination_id']!r}", "inputs"):
                    model_id = plain(row["destination_id"])
                    if row["source_type"] == "RUN_INPUT":
                        inputs[row["source_id"]].append(model_id)
                    else:
                        outputs[row["source_id"]].append((model_id, integer(row["step"] or 0)))
        return inputs, outputs
