"""Real MLflow servers on loopback ports, without AWS around them, which tests fill, empty, stop and start."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import httpx

from localaws.settings import Settings
from localaws.tracking.releases import RELEASES, Releases
from localaws.venvs import Venvs
from tests.running import free_port


class Server:
    """A server of one MLflow version with a SQLite database and a local artifact root."""

    def __init__(self, version: str, folder: Path, *, serves_artifacts: bool = False) -> None:
        cache = Settings.from_environment(os.environ).cache
        releases = Releases(Venvs(cache / "venvs"), cache / "servers")
        self.version = version
        self.folder = folder
        self.database = folder / "mlflow.db"
        folder.mkdir(parents=True)
        release = RELEASES[version]
        shutil.copyfile(releases.database(release), self.database)
        self._python = releases.python(release)
        self._serves = serves_artifacts
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        """Starts it without waiting."""
        store = f"sqlite:///{self.database}"
        artifacts = str(self.folder / "artifacts")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "_MLFLOW_SERVER_FILE_STORE": store,
            "_MLFLOW_SERVER_REGISTRY_STORE": store,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/" if self._serves else artifacts,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            # MLflow 3.0 asks its own API for a logged model when a version of it is registered.
            "MLFLOW_TRACKING_URI": store,
        }
        if self._serves:
            environment |= {"_MLFLOW_SERVER_SERVE_ARTIFACTS": "true", "_MLFLOW_SERVER_ARTIFACT_DESTINATION": artifacts}
        command = [self._python, "-m", "gunicorn", "mlflow.server:app", "--bind", f"127.0.0.1:{self.port}"]
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [*command, "--workers", "1", "--threads", "8", "--keep-alive", "75"],
            env=environment,
            cwd=self.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        return self

    def ready(self) -> "Server":
        """Waits until it answers."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            try:
                query = {"experiment_id": "0"}
                if httpx.get(f"{self.url}/api/2.0/mlflow/experiments/get", params=query, trust_env=False).is_success:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        """Ends it; the database stays."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def empty(self) -> "Server":
        """Takes everything out but the default experiment."""
        with sqlite3.connect(self.database, timeout=60) as database:
            names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in names:
                if name == "experiments":
                    database.execute("DELETE FROM experiments WHERE experiment_id != 0")
                elif name not in {"alembic_version", "sqlite_sequence"}:
                    database.execute(f"DELETE FROM {name}")  # noqa: S608 the schema's own names
        database.close()
        shutil.rmtree(self.folder / "artifacts", ignore_errors=True)
        return self
