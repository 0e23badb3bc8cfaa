"""PostgreSQL and MySQL databases as sources: everything is read, in bulk and read-only."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from mlflow_common.errors import PlatformError
from mlflow_transfer.sources import base, database_connection
from mlflow_transfer.sources import database as database_module
from mlflow_transfer.sources.database import DatabaseSource
from tests.transfer.conftest import Servers
from tests.transfer.databases import mirror, mysql, postgresql
from tests.transfer.moving import copy, held_alike, places, same

KINDS = {"postgresql": postgresql, "mysql": mysql}
Database = Callable[[str], str]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """Returns the URL of an empty database of a kind. Each database server is started once."""
    started: dict[str, str] = {}
    with ExitStack() as servers:

        def url(kind: str) -> str:
            if kind not in started:
                started[kind] = servers.enter_context(KINDS[kind]())
            return started[kind]

        yield url


@contextmanager
def reading(url: str) -> Iterator[DatabaseSource]:
    opened = DatabaseSource(url, places().store)
    try:
        yield opened
    finally:
        asyncio.run(opened.close())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["old", "new"])
def test_a_database_contains_the_same_as_its_server(
    servers: Servers, database: Database, kind: str, version: str
) -> None:
    server = getattr(servers, version)
    url = database(kind)
    mirror(server.database, url)
    with reading(url) as behind:
        report = same(server.url, behind)
    assert report.compared["metric points"] > 2500


@pytest.mark.parametrize("kind", KINDS)
def test_long_histories_are_streamed_while_other_runs_are_read(
    servers: Servers, database: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (base, database_module):
        monkeypatch.setattr(module, "GROUP_POINTS", 3)
    monkeypatch.setattr(database_connection, "CHUNK_POINTS", 100)
    for module in (database_module, database_connection):
        monkeypatch.setattr(module, "PAGE", 2)
    url = database(kind)
    mirror(servers.old.database, url)
    with reading(url) as behind:
        copy(behind, servers.target.url)
    held_alike(servers.old, servers.target)


@pytest.mark.parametrize("kind", KINDS)
def test_the_connection_is_read_only(servers: Servers, database: Database, kind: str) -> None:
    url = database(kind)
    mirror(servers.old.database, url)
    with reading(url) as behind, pytest.raises(PlatformError, match=r"(?i)read.only transaction"):
        asyncio.run(behind._db.do(lambda: behind._db._connection.exec_driver_sql("DELETE FROM runs")))


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("postgresql://ana:secret@127.0.0.1/mlflow", "psycopg", r"'psycopg\[binary\]'"),
        ("postgresql+psycopg2://ana:secret@127.0.0.1/mlflow", "psycopg2", "psycopg2-binary"),
        ("mysql://ana:secret@127.0.0.1/mlflow", "pymysql", "pymysql"),
    ],
)
def test_names_the_package_of_a_missing_driver(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PlatformError, match=f"is read with {module}, which is not installed: `pip install {package}`"):
        DatabaseSource(url, places().store)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://ana:secret@127.0.0.1:1/mlflow", "cannot be opened: .*Connection refused"),
        ("mysql://ana:secret@127.0.0.1:1/mlflow", "cannot be opened: .*Connection refused"),
        ("postgresql://ana:secret@127.0.0.1:port/mlflow", "cannot be opened: invalid literal"),
        ("mssql://ana:secret@127.0.0.1/mlflow", "only SQLite, PostgreSQL and MySQL are known"),
    ],
)
def test_errors_name_the_database_without_its_password(url: str, complaint: str) -> None:
    with pytest.raises(PlatformError, match=complaint) as caught:
        DatabaseSource(url, places().store)
    assert "secret" not in caught.value.message
