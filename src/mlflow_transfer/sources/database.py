"""Reads the database of a tracking server in bulk, read-only and without calls to the server.

Supports the schemas of MLflow 2.13 to 3.x. Tables of later versions may be absent; another missing table is a loss, as
are rows that cannot be read, and rows whose owner does not exist.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from itertools import chain

from mlflow_common.errors import InputError
from mlflow_transfer.location import shown
from mlflow_transfer.losses import Loss
from mlflow_transfer.records import (
    Experiment,
    History,
    LoggedModel,
    ModelPoint,
    Point,
    RegisteredModel,
    Run,
    Trace,
)
from mlflow_transfer.sources.base import (
    GROUP_POINTS,
    PAGE,
    Features,
    Kind,
    grouped,
    in_memory,
    with_all_keys,
)
from mlflow_transfer.sources.database_checks import (
    FILE_SIZE,
    damage,
    damage_check,
    dangling_rows,
    missing_tables,
    not_transferred,
)
from mlflow_transfer.sources.database_connection import Database
from mlflow_transfer.sources.database_registry import RegistryRows
from mlflow_transfer.sources.database_rows import (
    DEFAULT_WORKSPACE,
    NO_WORKSPACES,
    experiment_from_row,
    is_of_other_workspace,
    logged_model_from_row,
    model_point_from_row,
    point_from_row,
    trace_from_row,
    workspace_of,
)
from mlflow_transfer.sources.database_runs import RunRows
from mlflow_transfer.sources.parsing import MALFORMED
from mlflow_transfer.stores import Store

# Smaller than every start time, which SQLite, PostgreSQL and MySQL store in 64 bits.
_EARLIEST = -(1 << 63)
_CHECK = "a check of"
_RUNS = """
SELECT run_uuid, experiment_id, name, user_id, status, COALESCE(start_time, 0) AS started, end_time,
    lifecycle_stage, artifact_uri FROM runs
"""


class DatabaseSource:
    """A database by its SQLAlchemy URL.

    Args:
        stores: opens artifact URIs.
    """

    kind: Kind = "database"

    def __init__(self, url: str, stores: Callable[[str], Store]) -> None:
        self.name = self.identity = shown(url)
        self.version = ""
        self.store = stores
        self._checked = False
        # Experiments that are losses, with their runs: no server has two of one name.
        self._left_out: set[str] = set()
        self._db = Database(url)
        self._runs = RunRows(self._db)
        self._registry = RegistryRows(self._db)
        for table in ("runs", "experiments"):
            if table not in self._db.tables:
                raise InputError(f"{self.name} is not an MLflow database: it has no table of {table}")

    async def artifact_roots(self) -> list[str]:
        """The server's artifact root: the folder of its first experiment, which the server itself created.

        Later experiments are not trusted, because their creators can choose any location.
        """
        rows = await self._db.rows("SELECT artifact_location FROM experiments WHERE experiment_id = 0")
        location = str(rows[0]["artifact_location"] or "").rstrip("/") if rows else ""
        root = location.removesuffix("/0")
        return [root] if root and root != location else []

    async def features(self) -> Features:
        """The features, derived from the tables that exist."""
        models = "logged_models" in self._db.tables
        return Features(models, "trace_info" in self._db.tables, prompts=models)

    async def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, including deleted ones."""
        await self._check()
        tags = await self._db.texts("experiment_tags", "experiment_id", None)
        owners: dict[str, tuple[str, int]] = {}
        rows = await self._db.rows("SELECT * FROM experiments ORDER BY experiment_id")
        for row in sorted(rows, key=is_of_other_workspace):
            with self._db.losing(f"experiment {row['experiment_id']!r}", "experiments"):
                experiment, workspace = experiment_from_row(row, tags), workspace_of(row)
                if workspace != DEFAULT_WORKSPACE:
                    self._db.losses.add(f"workspace {workspace!r}", NO_WORKSPACES)
                owner = owners.setdefault(experiment.name, (workspace, row["experiment_id"]))
                if owner != (workspace, row["experiment_id"]):
                    place = f"experiment {experiment.id} {experiment.name!r} of the workspace {workspace!r}"
                    reason = f"the workspace {owner[0]!r} has an experiment of the same name: rename one of them"
                    self._db.losses.add(place, reason)
                    self._left_out.add(experiment.id)
                    continue
                yield experiment

    async def _check(self) -> None:
        """Record damage to the file, rows whose owner does not exist, and rows of tables that no copy contains.

        They are losses that no listing shows.
        """
        if self._checked:
            return
        self._checked = True
        if self._db.dialect == "sqlite":
            size = sum(row["bytes"] for row in await self._db.rows(FILE_SIZE))
            for row in await self._db.rows(damage_check(size), reads=_CHECK):
                self._db.losses.add("the database file", damage(str(row["found"])))
        for table in missing_tables(self._db.tables):
            self._db.losses.add(f"table {table}", "it is missing in the database")
        for statement, place, reason in chain(dangling_rows(self._db.tables), not_transferred(self._db.tables)):
            for row in await self._db.rows(statement, reads=_CHECK):
                if (count := row.get("number_of_rows")) != 0:
                    found = place.format(**{key: ascii(value) for key, value in row.items()})
                    self._db.losses.add(found.replace("1 rows", "1 row", 1) if count == 1 else found, reason)

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, including deleted ones."""
        after = "(COALESCE(start_time, 0) > :start OR (COALESCE(start_time, 0) = :start AND run_uuid > :last))"
        pages = self._db.pages(
            _RUNS,
            "run_uuid",
            after,
            "started, run_uuid",
            lambda row: {"start": row["started"], "last": row["run_uuid"]},
            experiment=int(experiment_id),
            start=_EARLIEST,
            last="",
        )
        async for rows in pages:
            yield await self._runs.filled(rows)

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, as far as they exist."""
        found: list[Run] = []
        for start in range(0, len(ids), PAGE):
            found += await self._runs.filled(
                await self._db.rows(_RUNS + " WHERE run_uuid IN :ids", ids=ids[start : start + PAGE])
            )
        return [run for run in found if run.experiment_id not in self._left_out]

    async def link(self, runs: Sequence[Run]) -> None:
        """Do nothing: the runs already have their links."""

    async def histories(self, runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, History], None]:
        """Each run with its points: one query for many runs."""
        for group in grouped((run, int(run.state)) for run in runs):
            if len(group) == 1 and int(group[0].state) > GROUP_POINTS:
                yield group[0], self._with_all_keys(group[0], self._streamed(group[0].id))
                continue
            found: defaultdict[str, list[Point]] = defaultdict(list)
            statement = "SELECT run_uuid, key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid IN :ids"
            for row in await self._db.rows(self._db.quoted(statement), ids=[run.id for run in group]):
                try:
                    found[row["run_uuid"]].append(point_from_row(row))
                except MALFORMED as error:
                    self._db.lose(f"run {row['run_uuid']!r} metric {row['key']!r}", "metrics", error)
            for run in group:
                yield run, self._with_all_keys(run, in_memory(found.pop(run.id, [])))

    def _with_all_keys(self, run: Run, history: History) -> History:
        def lose(key: str) -> None:
            place = f"run {run.id!r} metric {key!r} (table metrics)"
            if not self._db.losses.holds(place):
                self._db.losses.add(place, "the table latest_metrics has it, and no point of it is there")

        return with_all_keys(run, history, lose)

    async def _streamed(self, run_id: str) -> History:
        statement = self._db.quoted("SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = :id")
        place = f"points of run {run_id!r} in the table metrics"
        async with aclosing(self._db.streamed(statement, place, id=run_id)) as chunks:
            async for rows in chunks:
                points = []
                for row in rows:
                    try:
                        points.append(point_from_row(row))
                    except MALFORMED as error:
                        self._db.lose(f"run {run_id!r} metric {row['key']!r}", "metrics", error)
                yield points

    async def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in pages."""
        if "logged_models" not in self._db.tables:
            return
        not_deleted = "COALESCE(lifecycle_stage, '') != 'deleted'"
        async for rows in self._db.pages_by_key("logged_models", "model_id", experiment_id, not_deleted):
            ids = [row["model_id"] for row in rows]
            params = await self._db.texts("logged_model_params", "model_id", ids, ("param_key", "param_value"))
            tags = await self._db.texts("logged_model_tags", "model_id", ids, ("tag_key", "tag_value"))
            points: defaultdict[str, list[ModelPoint]] = defaultdict(list)
            for row in await self._db.rows("SELECT * FROM logged_model_metrics WHERE model_id IN :ids", ids=ids):
                with self._db.losing(
                    f"logged model {row['model_id']!r} metric {row['metric_name']!r}", "logged_model_metrics"
                ):
                    points[row["model_id"]].append(model_point_from_row(row))
            found = []
            for row in rows:
                with self._db.losing(f"logged model {row['model_id']!r}", "logged_models"):
                    found.append(logged_model_from_row(row, params, tags, points))
            yield found

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""
        return await self._registry.models()

    async def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in pages."""
        if "trace_info" not in self._db.tables:
            return
        async for rows in self._db.pages_by_key("trace_info", "request_id", experiment_id):
            ids = [row["request_id"] for row in rows]
            tags = await self._db.texts("trace_tags", "request_id", ids)
            metadata = await self._db.texts("trace_request_metadata", "request_id", ids)
            found = []
            for row in rows:
                with self._db.losing(f"trace {row['request_id']!r}", "trace_info"):
                    found.append(trace_from_row(row, tags, metadata))
            yield found

    def losses(self) -> Sequence[Loss]:
        """What could not be read so far."""
        return self._db.losses.list()

    async def close(self) -> None:
        """Close the connection."""
        await self._db.close()
