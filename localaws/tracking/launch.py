"""Starts and stops the process of a tracking server or an App."""

import http.client
import os
import shutil
import socket
import time
from pathlib import Path

from localaws.iam.trust import sagemaker_source
from localaws.principals import Principals
from localaws.processes import Child, Processes
from localaws.settings import Settings
from localaws.tracking.hosted import HostedMlflow
from localaws.tracking.releases import Releases
from localaws.tracking.role import SAGEMAKER

START_SECONDS = 120
THREADS = 8
GUNICORN = Path(__file__).resolve().parent.parent / "servers" / "gunicorn.conf.py"


class StartError(Exception):
    """A process did not start. The message says why and where its log is."""


class Launcher:
    """Runs MLflow's server program for a tracking server or an App."""

    def __init__(
        self, settings: Settings, principals: Principals, processes: Processes, releases: Releases, token: str
    ) -> None:
        """`token` authenticates every request to the processes."""
        self._token = token
        self._settings = settings
        self._principals = principals
        self._processes = processes
        self._releases = releases

    def start(self, server: HostedMlflow) -> Child:
        """Start the process and wait until MLflow responds from its database.

        Raises:
            AwsError: SageMaker can no longer assume the server's role.
            StartError: the process exited or did not respond.
            BuildError: the environment cannot be built.
            OSError: the process cannot be started, for example because localaws is stopping.
        """
        template = self._releases.database(server.release)
        database = server.folder / "mlflow.db"
        if not database.exists():
            server.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(template, database)
        server.credentials = self._principals.assume(
            server.role_arn, f"SageMaker-{server.name}"[:64], SAGEMAKER, sagemaker_source(server.region, server.account)
        )
        server.port = _free_port()
        # The same command and variables that `mlflow server` uses. That program first loads all of MLflow. Without it,
        # a server starts in a third of the time. One worker with threads needs a quarter of the memory of four workers.
        command: list[str | Path] = [
            *(self._releases.python(server.release), "-m", "gunicorn", "mlflow.server:app"),
            *("--bind", f"127.0.0.1:{server.port}", "--workers", "1", "--threads", str(THREADS)),
            *("--keep-alive", "75", "--name", server.name, "--config", GUNICORN),
        ]
        server.child = child = self._processes.start(
            f"mlflow-{server.name[:100]}-{server.host}", command, self._env(server, database), server.folder
        )
        self._wait(server, child)
        return child

    def stop(self, server: HostedMlflow) -> None:
        """Stop the process and keep its database."""
        if server.child:
            self._processes.stop(server.child)
            server.child = None

    def _env(self, server: HostedMlflow, database: Path) -> dict[str, str]:
        # SQLite allows one writer at a time. With its default timeout of 5 s, calls fail on a busy machine.
        store = f"sqlite:///{database}?timeout=60"
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "LOCALAWS_TOKEN": self._token,
            # The variables in which MLflow's command line passes its options to the server.
            "_MLFLOW_SERVER_FILE_STORE": store,
            "_MLFLOW_SERVER_REGISTRY_STORE": store,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": server.artifact_store,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_S3_ENDPOINT_URL": self._settings.url,
            "AWS_ENDPOINT_URL": self._settings.url,
            "AWS_REGION": server.region,
            "AWS_DEFAULT_REGION": server.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            # Ignore the AWS configuration of the user who runs localaws.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **server.credentials.env(),
            **({"MLFLOW_ENABLE_WORKSPACES": "true", "MLFLOW_WORKSPACE_STORE_URI": store} if server.workspaces else {}),
        }

    def _wait(self, server: HostedMlflow, child: Child) -> None:
        # This call reads the database, so that the first client does not wait for MLflow to open it.
        path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        deadline = time.monotonic() + START_SECONDS
        while child.running and time.monotonic() < deadline:
            if _answers(server.port, path, self._token):
                return
            time.sleep(0.05)
        why = "did not respond" if child.running else "exited"
        self.stop(server)
        raise StartError(f"MLflow {server.release.mlflow} {why} during startup; see {child.log}")


def _answers(port: int, path: str, token: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"x-localaws-token": token})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
