"""The connection to a tracking server's database: one thread, read-only, and losses for rows that cannot be read."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa

from mlflow_common.errors import InputError, PreconditionError, first_line
from mlflow_transfer.location import shown
from mlflow_transfer.losses import LossLog
from mlflow_transfer.sources.base import CHUNK_POINTS, PAGE
from mlflow_transfer.sources.database_checks import decoded
from mlflow_transfer.sources.database_rows import Row, plain
from mlflow_transfer.sources.parsing import MALFORMED, described

# The tables of a statement. SQLite's functions of this prefix are none.
_TABLES = re.compile(r"\b(?:FROM|JOIN) (?!pragma_)(\w+)")
# SQLite needs a file beside a database with a write-ahead log, also to read it: https://sqlite.org/wal.html#readonly
_HINTS = {
    "column": ": it may be of a version before MLflow 2.13. Then run `mlflow db upgrade` on a copy of it",
    "unable to open database file": ": check the path. If it is right, copy the database (with its -wal file, if there "
    "is one) to a folder that you can write, and read it there",
}
_READ = frozenset({"sqlite", "postgresql", "mysql"})
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
# The packages of drivers whose name differs from the module's name.
_PACKAGES = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
# SQLite repeats parts of a damaged schema in its messages, and Python's driver decodes them.
_UNREADABLE = (sa.exc.SQLAlchemyError, UnicodeError)

_DAMAGED = "SQLite cannot read it, because the file is damaged"

T = TypeVar("T")


class Database:
    """A database by its SQLAlchemy URL.

    Attributes:
        name: the URL without its password.
        tables: the names of the tables and views.
        dialect: SQLAlchemy's name of the system, such as `sqlite`.
        losses: what could not be read so far.
    """

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        self.losses = LossLog()
        self._url = url
        # Use one thread, because a SQLite connection belongs to the thread that opened it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._connection, self.tables = self._thread.submit(_open, url).result()
        self.dialect = self._connection.dialect.name

    async def rows(self, statement: str, *, reads: str = "all rows of", **given: Any) -> Sequence[Row]:
        """All rows of a query. `ids` is a list of values.

        A table that is missing has no rows. If SQLite meets a damaged page, the query is repeated for fewer ids, until
        those are known whose rows it cannot read. They are losses that name the id; without ids, the whole query is
        one. Only without the experiments there is nothing to read.

        Args:
            reads: what the query does with the tables, for the loss.
        """
        tables = list(dict.fromkeys(_TABLES.findall(statement)))
        if not self.tables.issuperset(tables):
            return []
        try:
            return await self._all(statement, given)
        except PreconditionError as error:
            if tables == ["experiments"] or not _is_damage(error.__cause__):
                raise
        ids = given.get("ids", [])
        if len(ids) > 1:
            halves = (ids[: len(ids) // 2], ids[len(ids) // 2 :])
            return [row for half in halves for row in await self.rows(statement, reads=reads, **{**given, "ids": half})]
        place = " and ".join(f"the table {table}" for table in tables) or "the database file"
        self.losses.add(f"{reads} {ids[0]!r} in {place}" if ids else f"{reads} {place}", _DAMAGED)
        return []

    async def _all(self, statement: str, given: Mapping[str, Any]) -> Sequence[Row]:
        text = sa.text(statement)
        if "ids" in given:
            text = text.bindparams(sa.bindparam("ids", expanding=True))
        return await self.do(lambda: self._connection.execute(text, given).mappings().all())

    async def pages(
        self, select: str, key: str, after: str, order: str, next_page: Callable[[Row], dict[str, Any]], **given: Any
    ) -> AsyncIterator[Sequence[Row]]:
        """An experiment's rows of a table in pages. In a damaged table, the rows are read by their keys.

        Args:
            key: the primary key, which SQLite keeps in an index of its own.
            after: the condition of the rows of the next page, with the names that `next_page` returns for the last row.
            given: these values for the first page, and the id of the experiment.
        """
        statement = f"{select} WHERE experiment_id = :experiment AND {after} ORDER BY {order} LIMIT :page"
        while True:
            try:
                rows = await self._all(statement, {**given, "page": PAGE})
            except PreconditionError as error:
                if not _is_damage(error.__cause__):
                    raise
                break
            if not rows:
                return
            yield rows
            given |= next_page(rows[-1])
        keys = [row[key] for row in await self.rows(f"SELECT {key} FROM {_TABLES.findall(select)[0]}")]  # noqa: S608 fixed
        # With a sign, SQLite does not use the index of the experiments: https://sqlite.org/optoverview.html#uplus
        statement = f"{select} WHERE {key} IN :ids AND +experiment_id = :experiment AND {after}"
        for start in range(0, len(keys), PAGE):
            if rows := await self.rows(statement, ids=keys[start : start + PAGE], **given):
                yield rows

    def pages_by_key(
        self, table: str, key: str, experiment_id: str, condition: str = "1 = 1"
    ) -> AsyncIterator[Sequence[Row]]:
        """An experiment's rows of a table in pages, in the order of their keys. See `pages`."""
        return self.pages(
            f"SELECT * FROM {table}",  # noqa: S608 fixed names
            key,
            f"{condition} AND {key} > :last",
            key,
            lambda row: {"last": row[key]},
            experiment=int(experiment_id),
            last="",
        )

    def quoted(self, statement: str) -> str:
        """The statement with the column `key` quoted where that is a reserved word (MySQL)."""
        return statement.replace(" key,", " `key`,") if self.dialect == "mysql" else statement

    async def do(self, work: Callable[[], T]) -> T:
        """Run blocking work in the database's thread.

        Raises:
            PreconditionError: the database cannot be read.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except _UNREADABLE as error:
            raise PreconditionError(f"{self.name} cannot be read: {first_line(error)}{_hint(error)}") from error

    async def streamed(self, statement: str, place: str, **given: Any) -> AsyncGenerator[Sequence[Any], None]:
        """The rows of a query in chunks. A damaged page ends them, which is a loss at this place."""
        # Use a separate connection: on MySQL, the next query discards the unread rows of a cursor.
        connection = await self.do(lambda: _connect(self._url))
        try:
            streaming = connection.execution_options(stream_results=True, max_row_buffer=CHUNK_POINTS)
            result = await self.do(lambda: streaming.execute(sa.text(statement), given))
            while rows := await self.do(lambda: result.fetchmany(CHUNK_POINTS)):
                yield [row._mapping for row in rows]
        except PreconditionError as error:
            if not _is_damage(error.__cause__):
                raise
            self.losses.add(place, _DAMAGED)
        finally:
            await self.do(connection.close)

    async def texts(
        self, table: str, owner: str, ids: Iterable[str] | None, names: tuple[str, str] = ("key", "value")
    ) -> defaultdict[str, dict[str, str]]:
        """The keys and values of a table, per owner."""
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        chosen = "" if ids is None else f" WHERE {owner} IN :ids"
        given: dict[str, Any] = {} if ids is None else {"ids": list(ids)}
        for row in await self.rows(f"SELECT * FROM {table}{chosen}", **given):  # noqa: S608 fixed names
            try:
                found[str(row[owner])][plain(row[names[0]])] = plain(row[names[1]] or "")
            except MALFORMED as error:
                self.lose(f"{owner} {row[owner]!r} {row[names[0]]!r}", table, error)
        return found

    @contextmanager
    def losing(self, place: str, table: str) -> Iterator[None]:
        """Record a row that cannot be read as a loss."""
        try:
            yield
        except MALFORMED as error:
            self.lose(place, table, error)

    def lose(self, place: str, table: str, error: Exception) -> None:
        """Record a row as a loss."""
        plain = place if place.isprintable() else ascii(place)
        self.losses.add(f"{plain} (table {table})", described(error))

    async def close(self) -> None:
        """Close the connection."""
        await self.do(self._connection.close)
        self._thread.shutdown()


def _is_damage(error: BaseException | None) -> bool:
    """Whether SQLite has met a damaged page (https://sqlite.org/rescode.html#corrupt)."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF == sqlite3.SQLITE_CORRUPT


def _hint(error: Exception) -> str:
    """What helps, for errors that do not say it."""
    return next((hint for words, hint in _HINTS.items() if words in str(error.args)), "")


def _open(url: str) -> tuple[sa.Connection, set[str]]:
    """A connection, and the names of the tables."""
    connection = _connect(url)
    try:
        found = sa.inspect(connection)
        return connection, {*found.get_table_names(), *found.get_view_names()}
    except _UNREADABLE as error:
        connection.close()
        raise PreconditionError(f"{shown(url)} cannot be read: {first_line(error)}{_hint(error)}") from None


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
        if parsed.password is not None and "@" in f"{parsed.host}{parsed.database}":
            # The rest of the password would be looked up as a host's name, and be in the driver's message.
            raise InputError(f"the password of {shown(url)} has a `@`: write it as %40 (and a `%` as %25)")
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
        raise PreconditionError(f"{shown(url)} cannot be opened: {first_line(error)}{_hint(error)}") from None
    return connection
