"""Reads the database of a tracking server in bulk, read-only and without calls to the server.

Supports the schemas of MLflow 2.13 to 3.x; a missing table counts as empty. Rows that cannot be read, and rows whose
owner does not exist, are losses.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa

from mlflow_common.errors import InputError, PreconditionError, first_line
from mlflow_transfer.location import shown
from mlflow_transfer.losses import Loss, LossLog
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
from mlflow_transfer.rest_json import sorted_inputs
from mlflow_transfer.sources.base import (
    CHUNK_POINTS,
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
    decoded,
    not_transferred,
)
from mlflow_transfer.sources.database_rows import (
    Row,
    logged_model_from_row,
    model_point_from_row,
    plain,
    point_from_row,
    trace_from_row,
    version_from_row,
)
from mlflow_transfer.sources.parsing import MALFORMED, described, integer, optional_integer
from mlflow_transfer.stores import Store

_DELETED_VERSION = "Deleted_Internal"
_READ = frozenset({"sqlite", "postgresql", "mysql"})
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
# The packages of drivers whose name differs from the module's name.
_PACKAGES = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
# SQLite repeats parts of a damaged schema in its messages, and Python's driver decodes them.
_UNREADABLE = (sa.exc.SQLAlchemyError, UnicodeError)
# Smaller than every start time, which SQLite, PostgreSQL and MySQL store in 64 bits.
_EARLIEST = -(1 << 63)
_RUNS = """
SELECT run_uuid, experiment_id, name, user_id, status, COALESCE(start_time, 0) AS started, end_time,
    lifecycle_stage, artifact_uri FROM runs
"""

T = TypeVar("T")


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
        self._url = url
        self._losses = LossLog()
        self._checked = False
        # Use one thread, because a SQLite connection belongs to the thread that opened it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._db, self._tables = self._thread.submit(_open, url).result()
        if "runs" not in self._tables:
            raise InputError(f"{self.name} is not an MLflow database: it has no table of runs")

    async def artifact_roots(self) -> list[str]:
        """The server's artifact root: the folder of its first experiment, which the server itself created.

        Later experiments are not trusted, because their creators can choose any location.
        """
        rows = await self._all("SELECT artifact_location FROM experiments WHERE experiment_id = 0")
        location = str(rows[0]["artifact_location"] or "").rstrip("/") if rows else ""
        root = location.removesuffix("/0")
        return [root] if root and root != location else []

    async def features(self) -> Features:
        """The features, derived from the tables that exist."""
        return Features("logged_models" in self._tables, "trace_info" in self._tables, "logged_models" in self._tables)

    async def experiments(self) -> AsyncIterator[Experiment]:
        """All experiments, including deleted ones."""
        await self._check()
        tags = await self._texts("experiment_tags", "experiment_id", None)
        columns = "experiment_id, name, artifact_location, lifecycle_stage, creation_time"
        for row in await self._all(f"SELECT {columns} FROM experiments ORDER BY experiment_id"):  # noqa: S608 fixed
            with self._losing(f"experiment {row['experiment_id']!r}", "experiments"):
                yield Experiment(
                    id=str(integer(row["experiment_id"])),
                    name=plain(row["name"]),
                    artifact_location=plain(row["artifact_location"] or ""),
                    lifecycle_stage=plain(row["lifecycle_stage"] or "active"),
                    tags=tags[str(row["experiment_id"])],
                    creation_time=optional_integer(row["creation_time"]),
                )

    async def _check(self) -> None:
        """Record damage to the file, rows whose owner does not exist, and rows of tables that no copy contains.

        They are losses that no listing shows.
        """
        if self._checked:
            return
        self._checked = True
        if self._db.dialect.name == "sqlite":
            for row in await self._all(damage_check((await self._all(FILE_SIZE))[0]["bytes"])):
                self._losses.add("the database file", damage(str(row["found"])))
        for statement, place, reason in chain(dangling_rows(self._tables), not_transferred(self._tables)):
            for row in await self._all(statement):
                if row.get("number_of_rows") != 0:
                    self._losses.add(place.format(**{key: ascii(value) for key, value in row.items()}), reason)

    async def runs(self, experiment_id: str) -> AsyncIterator[list[Run]]:
        """An experiment's runs in pages, including deleted ones."""
        statement = (
            _RUNS + " WHERE experiment_id = :experiment AND (COALESCE(start_time, 0) > :start OR "
            "(COALESCE(start_time, 0) = :start AND run_uuid > :last)) ORDER BY started, run_uuid LIMIT :page"
        )
        start: Any = _EARLIEST
        last = ""
        while True:
            rows = await self._all(statement, experiment=int(experiment_id), start=start, last=last, page=PAGE)
            if not rows:
                return
            yield await self._filled(rows)
            start, last = rows[-1]["started"], rows[-1]["run_uuid"]

    async def runs_by_id(self, ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, as far as they exist."""
        found: list[Run] = []
        for start in range(0, len(ids), PAGE):
            found += await self._filled(
                await self._all(_RUNS + " WHERE run_uuid IN :ids", ids=ids[start : start + PAGE])
            )
        return found

    async def _filled(self, rows: Sequence[Row]) -> list[Run]:
        ids = [row["run_uuid"] for row in rows]
        params = await self._texts("params", "run_uuid", ids)
        tags = await self._texts("tags", "run_uuid", ids)
        latest: defaultdict[str, dict[str, Point]] = defaultdict(dict)
        for row in await self._all("SELECT * FROM latest_metrics WHERE run_uuid IN :ids", ids=ids):
            with self._losing(f"run {row['run_uuid']!r} metric {row['key']!r}", "latest_metrics"):
                latest[row["run_uuid"]][plain(row["key"])] = point_from_row(row)
        counts = await self._counts(ids)
        inputs = await self._inputs(ids)
        model_inputs, model_outputs = await self._links(ids)
        found = []
        for row in rows:
            run_id = row["run_uuid"]
            with self._losing(f"run {run_id!r}", "runs"):
                found.append(
                    Run(
                        id=plain(run_id),
                        experiment_id=str(integer(row["experiment_id"])),
                        name=plain(row["name"] or tags[run_id].get("mlflow.runName", "")),
                        user_id=plain(row["user_id"] or ""),
                        status=plain(row["status"]),
                        start_time=integer(row["started"]),
                        end_time=optional_integer(row["end_time"]) or None,
                        lifecycle_stage=plain(row["lifecycle_stage"]),
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
        return {row["run_uuid"]: row["points"] for row in await self._all(statement, ids=ids)}

    async def _inputs(self, ids: Sequence[str]) -> defaultdict[str, list[dict[str, Any]]]:
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        if "inputs" not in self._tables:
            return found
        statement = (
            "SELECT i.input_uuid, i.destination_id, d.* FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
            "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id IN :ids"
        )
        rows = await self._all(statement, ids=ids)
        tags: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        for start in range(0, len(rows), PAGE):
            uuids = [row["input_uuid"] for row in rows[start : start + PAGE]]
            for tag in await self._all("SELECT * FROM input_tags WHERE input_uuid IN :ids", ids=uuids):
                with self._losing(f"input tag {tag['name']!r}", "input_tags"):
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
            with self._losing(f"run {row['destination_id']!r} input {row['name']!r}", "datasets"):
                present = {key: plain(value) for key, value in dataset.items() if value is not None}
                _ = present["name"], present["digest"]
                found[row["destination_id"]].append({"tags": tags[row["input_uuid"]], "dataset": present})
        return found

    async def _links(
        self, ids: Sequence[str]
    ) -> tuple[defaultdict[str, list[str]], defaultdict[str, list[tuple[str, int]]]]:
        inputs: defaultdict[str, list[str]] = defaultdict(list)
        outputs: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        if "logged_models" in self._tables:
            statement = "SELECT * FROM inputs WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND source_id IN :ids"
            for row in await self._all(statement, ids=ids):
                with self._losing(f"link of run {row['source_id']!r} to {row['destination_id']!r}", "inputs"):
                    model_id = plain(row["destination_id"])
                    if row["source_type"] == "RUN_INPUT":
                        inputs[row["source_id"]].append(model_id)
                    else:
                        outputs[row["source_id"]].append((model_id, integer(row["step"] or 0)))
        return inputs, outputs

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
            for row in await self._all(self._quoted(statement), ids=[run.id for run in group]):
                try:
                    found[row["run_uuid"]].append(point_from_row(row))
                except MALFORMED as error:
                    self._lose(f"run {row['run_uuid']!r} metric {row['key']!r}", "metrics", error)
            for run in group:
                yield run, self._with_all_keys(run, in_memory(found.pop(run.id, [])))

    def _with_all_keys(self, run: Run, history: History) -> History:
        def lose(key: str) -> None:
            place = f"run {run.id!r} metric {key!r} (table metrics)"
            if not self._losses.holds(place):
                self._losses.add(place, "the table latest_metrics has it, and no point of it is there")

        return with_all_keys(run, history, lose)

    async def _streamed(self, run_id: str) -> History:
        statement = self._quoted("SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = :id")
        # Use a separate connection: on MySQL, the next query discards the unread rows of a cursor.
        connection = await self._do(lambda: _connect(self._url))
        try:
            streaming = connection.execution_options(stream_results=True, max_row_buffer=CHUNK_POINTS)
            result = await self._do(lambda: streaming.execute(sa.text(statement), {"id": run_id}))
            while rows := await self._do(lambda: result.fetchmany(CHUNK_POINTS)):
                points = []
                for row in rows:
                    try:
                        points.append(point_from_row(row._mapping))
                    except MALFORMED as error:
                        self._lose(f"run {run_id!r} metric {row._mapping['key']!r}", "metrics", error)
                yield points
        finally:
            await self._do(connection.close)

    async def logged_models(self, experiment_id: str) -> AsyncIterator[list[LoggedModel]]:
        """An experiment's logged models in pages."""
        if "logged_models" not in self._tables:
            return
        statement = (
            "SELECT * FROM logged_models WHERE experiment_id = :experiment "
            "AND COALESCE(lifecycle_stage, '') != 'deleted' AND model_id > :last ORDER BY model_id LIMIT :page"
        )
        last = ""
        while rows := await self._all(statement, experiment=int(experiment_id), last=last, page=PAGE):
            ids = [row["model_id"] for row in rows]
            params = await self._texts("logged_model_params", "model_id", ids, ("param_key", "param_value"))
            tags = await self._texts("logged_model_tags", "model_id", ids, ("tag_key", "tag_value"))
            points: defaultdict[str, list[ModelPoint]] = defaultdict(list)
            for row in await self._all("SELECT * FROM logged_model_metrics WHERE model_id IN :ids", ids=ids):
                with self._losing(
                    f"logged model {row['model_id']!r} metric {row['metric_name']!r}", "logged_model_metrics"
                ):
                    points[row["model_id"]].append(model_point_from_row(row))
            found = []
            for row in rows:
                with self._losing(f"logged model {row['model_id']!r}", "logged_models"):
                    found.append(logged_model_from_row(row, params, tags, points))
            yield found
            last = ids[-1]

    async def registered_models(self) -> list[RegisteredModel]:
        """All registered models and prompts with their versions."""
        tags = await self._texts("registered_model_tags", "name", None)
        models: dict[str, RegisteredModel] = {}
        for row in await self._all("SELECT * FROM registered_models ORDER BY creation_time, name"):
            with self._losing(f"registered model {row['name']!r}", "registered_models"):
                models[row["name"]] = RegisteredModel(
                    name=plain(row["name"]),
                    description=plain(row["description"] or ""),
                    tags=tags[row["name"]],
                    creation_time=integer(row["creation_time"] or 0),
                )
        if "registered_model_aliases" in self._tables:
            for row in await self._all("SELECT * FROM registered_model_aliases"):
                with self._losing(
                    f"registered model {row['name']!r} alias {row['alias']!r}", "registered_model_aliases"
                ):
                    if row["name"] in models:
                        models[row["name"]].aliases[plain(row["alias"])] = integer(row["version"])
        version_tags: defaultdict[tuple[str, int], dict[str, str]] = defaultdict(dict)
        for row in await self._all("SELECT * FROM model_version_tags"):
            place = f"registered model {row['name']!r} version {row['version']!r} tag {row['key']!r}"
            with self._losing(place, "model_version_tags"):
                version_tags[row["name"], integer(row["version"])][plain(row["key"])] = plain(row["value"] or "")
        rows = await self._all("SELECT * FROM model_versions ORDER BY name, version")
        known = {(row["name"], row["version"]) for row in rows}
        for name, number in [one for one in version_tags if one not in known and one[0] in models]:
            place = f"tags of registered model {name!r} version {number} (table model_version_tags)"
            self._losses.add(place, "there is no such version in the database")
        for row in rows:
            if row["current_stage"] == _DELETED_VERSION or row["name"] not in models:
                continue
            with self._losing(f"registered model {row['name']!r} version {row['version']!r}", "model_versions"):
                models[row["name"]].versions.append(version_from_row(row, version_tags))
        for model in models.values():
            model.remove_dangling_aliases()
        return list(models.values())

    async def traces(self, experiment_id: str) -> AsyncIterator[list[Trace]]:
        """An experiment's traces in pages."""
        if "trace_info" not in self._tables:
            return
        statement = (
            "SELECT * FROM trace_info WHERE experiment_id = :experiment AND request_id > :last "
            "ORDER BY request_id LIMIT :page"
        )
        last = ""
        while rows := await self._all(statement, experiment=int(experiment_id), last=last, page=PAGE):
            ids = [row["request_id"] for row in rows]
            tags = await self._texts("trace_tags", "request_id", ids)
            metadata = await self._texts("trace_request_metadata", "request_id", ids)
            found = []
            for row in rows:
                with self._losing(f"trace {row['request_id']!r}", "trace_info"):
                    found.append(trace_from_row(row, tags, metadata))
            yield found
            last = ids[-1]

    def losses(self) -> Sequence[Loss]:
        """What could not be read so far."""
        return self._losses.list()

    @contextmanager
    def _losing(self, place: str, table: str) -> Iterator[None]:
        """Record a row that cannot be read as a loss."""
        try:
            yield
        except MALFORMED as error:
            self._lose(place, table, error)

    def _lose(self, place: str, table: str, error: Exception) -> None:
        plain = place if place.isprintable() else ascii(place)
        self._losses.add(f"{plain} (table {table})", described(error))

    async def close(self) -> None:
        """Close the connection."""
        await self._do(self._db.close)
        self._thread.shutdown()

    async def _texts(
        self, table: str, owner: str, ids: Iterable[str] | None, names: tuple[str, str] = ("key", "value")
    ) -> defaultdict[str, dict[str, str]]:
        """The keys and values of a table, per owner."""
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        chosen = "" if ids is None else f" WHERE {owner} IN :ids"
        given = {} if ids is None else {"ids": list(ids)}
        for row in await self._all(f"SELECT * FROM {table}{chosen}", **given):  # noqa: S608 fixed names
            try:
                found[str(row[owner])][plain(row[names[0]])] = plain(row[names[1]] or "")
            except MALFORMED as error:
                self._lose(f"{owner} {row[owner]!r} {row[names[0]]!r}", table, error)
        return found

    async def _all(self, statement: str, **given: Any) -> Sequence[Row]:
        text = sa.text(statement)
        if "ids" in given:
            text = text.bindparams(sa.bindparam("ids", expanding=True))
        return await self._do(lambda: self._db.execute(text, given).mappings().all())

    def _quoted(self, statement: str) -> str:
        """`key` is a reserved word of MySQL."""
        return statement.replace(" key,", " `key`,") if self._db.dialect.name == "mysql" else statement

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except _UNREADABLE as error:
            raise PreconditionError(f"{self.name} cannot be read: {first_line(error)}") from error


def _open(url: str) -> tuple[sa.Connection, set[str]]:
    """A connection, and the names of the tables."""
    connection = _connect(url)
    try:
        return connection, set(sa.inspect(connection).get_table_names())
    except _UNREADABLE as error:
        connection.close()
        raise PreconditionError(f"{shown(url)} cannot be read: {first_line(error)}") from None


def _connect(url: str) -> sa.Connection:
    try:
        parsed = sa.make_url(url.replace("postgres://", "postgresql://", 1))
        # The default driver differs between versions of SQLAlchemy.
        parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        if parsed.get_backend_name() not in _READ:
            raise InputError(f"{shown(url)} cannot be read: only SQLite, PostgreSQL and MySQL are known")
        if parsed.get_backend_name() == "sqlite":
            # Each statement is its own transaction, so that no lock blocks the server.
            if not parsed.database:
                raise InputError(f"{shown(url)} names no file: write sqlite:///PATH")
            # In this form, SQLite reads `%`, `?` and `#` in a name as parts of a URL.
            parsed = parsed.set(database=f"file:{quote(parsed.database)}", query={"mode": "ro", "uri": "true"})
            connection = sa.create_engine(parsed, poolclass=sa.NullPool).connect()
            # SQLite stores any bytes as text, and Python's driver fails the whole query at one invalid byte.
            driver: Any = connection.connection.driver_connection
            driver.text_factory = decoded
            return connection
        # Use one read-only transaction with one snapshot for all queries.
        connection = sa.create_engine(parsed, poolclass=sa.NullPool, isolation_level="REPEATABLE READ").connect()
        if parsed.get_backend_name() == "postgresql":
            return connection.execution_options(postgresql_readonly=True)
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.commit()
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(str(error.name), error.name)
        raise PreconditionError(
            f"{shown(url)} is read with {error.name}, which is not installed: `pip install {package}`"
        ) from None
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise PreconditionError(f"{shown(url)} cannot be opened: {first_line(error)}") from None
    return connection
