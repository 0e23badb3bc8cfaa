"""Real MLflow servers on loopback ports, without AWS, which tests fill, empty, stop and start."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import httpx
from filelock import FileLock

from localaws.settings import Settings
from localaws.tracking.releases import RELEASES, Releases
from localaws.venvs import Venvs
from tests.support.http import HTTP
from tests.support.running import free_port

FORKING = Path(__file__).with_name("forking.py")
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "MLFLOW_DISABLE_TELEMETRY": "true"}

# The columns that contain artifact locations.
PLACES = (
    "experiments.artifact_location",
    "runs.artifact_uri",
    "model_versions.source",
    "model_versions.storage_location",
    "logged_models.artifact_location",
    "trace_tags.value",
)


class Forks:
    """One process of each MLflow version, which all workers share and from which they fork their servers.

    Importing MLflow takes longer than most tests need the server.
    """

    def __init__(self, home: Path) -> None:
        cache = Settings.from_environment(os.environ).cache
        self._releases = Releases(Venvs(cache / "venvs"), cache / "servers")
        self._home = home
        self._connections: dict[str, socket.socket] = {}

    def database(self, version: str) -> Path:
        """An empty database of this version."""
        return self._releases.database(RELEASES[version])

    def start(self, version: str, folder: Path, environment: dict[str, str], arguments: list[str]) -> int:
        """Fork a server in its own process group. It ends with this object's connection. Return its process id."""
        if version not in self._connections:
            self._connections[version] = self._connected(version)
        connection = self._connections[version]
        request = {"folder": str(folder), "environment": environment, "arguments": arguments}
        connection.sendall(json.dumps(request).encode() + b"\n")
        return int(connection.makefile().readline())

    def close(self) -> None:
        """End the servers that this object started."""
        for connection in self._connections.values():
            connection.close()

    def _connected(self, version: str) -> socket.socket:
        path = self._home / f"forks-{version}"
        connection = socket.socket(socket.AF_UNIX)
        with FileLock(f"{path}.lock"):
            try:
                connection.connect(str(path))
            except OSError:
                path.unlink(missing_ok=True)
                with socket.socket(socket.AF_UNIX) as listener, Path(f"{path}.log").open("ab") as log:
                    listener.bind(str(path))
                    listener.listen()
                    subprocess.Popen(
                        [self._releases.python(RELEASES[version]), FORKING, str(listener.fileno())],
                        env={**ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)},
                        pass_fds=[listener.fileno()],
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                connection.connect(str(path))
        return connection


class Server:
    """A server of one MLflow version with a SQLite database and a local artifact root."""

    def __init__(
        self,
        version: str,
        folder: Path,
        forks: Forks | None = None,
        *,
        serves_artifacts: bool = False,
        workers: int = 1,
    ) -> None:
        self.version = version
        self.folder = folder
        self.database = folder / "mlflow.db"
        folder.mkdir(parents=True)
        self._forks = forks or Forks(folder)
        shutil.copyfile(self._forks.database(version), self.database)
        self._serves = serves_artifacts
        self._workers = workers
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._pid = 0

    def start(self) -> "Server":
        """Start the server without waiting for it."""
        store = f"sqlite:///{self.database}"
        artifacts = str(self.folder / "artifacts")
        environment = {
            **ENVIRONMENT,
            "PATH": os.environ.get("PATH", os.defpath),
            "_MLFLOW_SERVER_FILE_STORE": store,
            "_MLFLOW_SERVER_REGISTRY_STORE": store,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/" if self._serves else artifacts,
            # MLflow 3.0 calls its own API for the logged model when a version of it is registered.
            "MLFLOW_TRACKING_URI": store,
        }
        if self._serves:
            environment |= {"_MLFLOW_SERVER_SERVE_ARTIFACTS": "true", "_MLFLOW_SERVER_ARTIFACT_DESTINATION": artifacts}
        arguments = ["mlflow.server:app", "--bind", f"127.0.0.1:{self.port}"]
        arguments += ["--workers", str(self._workers), "--threads", "8", "--keep-alive", "75"]
        self._pid = self._forks.start(self.version, self.folder, environment, arguments)
        return self

    def ready(self) -> "Server":
        """Wait until the server answers."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            assert self._runs(), (self.folder / "log").read_text()[-2000:]
            try:
                query = {"experiment_id": "0"}
                if HTTP.get(f"{self.url}/api/2.0/mlflow/experiments/get", params=query).is_success:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        """Stop the server. Its database remains."""
        if self._runs():
            os.killpg(self._pid, signal.SIGKILL)
        while self._runs():
            time.sleep(0.01)
        self._pid = 0

    def _runs(self) -> bool:
        with suppress(ProcessLookupError):
            os.kill(self._pid, 0)
            return self._pid != 0
        return False

    def empty(self) -> "Server":
        """Delete everything except the default experiment."""
        with closing(sqlite3.connect(self.database, timeout=60)) as database, database:
            self._clear(database)
            shutil.rmtree(self.folder / "artifacts", ignore_errors=True)
            (self.folder / "artifacts").mkdir()
        return self

    def keep(self, folder: Path) -> None:
        """Save the whole content in a folder."""
        folder.mkdir()
        (folder / "from").write_text(str(self.folder))
        with (
            closing(sqlite3.connect(self.database, timeout=60)) as database,
            closing(sqlite3.connect(folder / "kept.db")) as kept,
        ):
            database.backup(kept)
        shutil.copytree(self.folder / "artifacts", folder / "artifacts")

    def put_back(self, folder: Path) -> None:
        """Replace the content by a saved content of this or another server of the same version."""
        places = (folder / "from").read_text(), str(self.folder)
        with closing(sqlite3.connect(self.database, timeout=60)) as database:
            database.execute("ATTACH ? AS kept", (str(folder / "kept.db"),))
            with database:
                self._clear(database)
                database.execute("DELETE FROM experiments")
                for name in _tables(database):
                    database.execute(f"INSERT INTO main.{name} SELECT * FROM kept.{name}")  # noqa: S608 as below
                for column in PLACES if places[0] != places[1] else ():
                    table, _, name = column.partition(".")
                    with suppress(sqlite3.OperationalError):  # Not every version has it.
                        database.execute(f"UPDATE {table} SET {name} = replace({name}, ?, ?)", places)  # noqa: S608
        shutil.rmtree(self.folder / "artifacts", ignore_errors=True)
        shutil.copytree(folder / "artifacts", self.folder / "artifacts")

    def _clear(self, database: sqlite3.Connection) -> None:
        for name in _tables(database):
            default = " WHERE experiment_id != 0" if name == "experiments" else ""
            database.execute(f"DELETE FROM {name}{default}")  # noqa: S608 the schema's own names


def _tables(database: sqlite3.Connection) -> list[str]:
    names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [name for name in names if name not in {"alembic_version", "sqlite_sequence"}]
