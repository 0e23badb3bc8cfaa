"""The shared fixtures of the unit tests: an environment, AWS in this process (moto), a fake clock, MLflow."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import boto3
import pytest
import typer
from filelock import FileLock
from moto import mock_aws

from mlflow_common import console
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.environment import Environment, EnvironmentRef, TrackingServer
from tests.conftest import HOME
from tests.platform.endpoints.fleet import Fleet
from tests.platform.interference import Interference
from training.params import BoostParams, Dataset, ForestParams
from training.result import Training
from training.train import train

ACCOUNT = "123456789012"
REGION = "us-east-1"
BUCKET = "mlflow-staging-mlflow-artifacts-unit"
SMALL = {"iris": ForestParams(n_estimators=6, trees_per_step=2), "diabetes": BoostParams(n_estimators=5)}


# Runs a script: exit status, standard output, standard error.
Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Main:
    """Run a script in this process, without localaws."""
    monkeypatch.setenv("LOCALAWS_HOME", str(tmp_path / "none"))

    def call(app: typer.Typer, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["script.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            console.run(app)
        output = capsys.readouterr()
        return int(str(ended.value.code)), output.out, output.err

    return call


class FakeClock:
    """A clock on which sleeping takes no time. `slept` records the durations."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def localaws_home(tmp_path: Path) -> Iterator[Path]:
    """The folder of a localaws that answers its health check."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/_localaws/health" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Healthy)
    Thread(target=server.serve_forever).start()
    home = tmp_path / "home"
    (home / "terraform" / "mlflow" / "terraform" / "staging").mkdir(parents=True)
    url = f"http://127.0.0.1:{server.server_port}"
    lines = (f"AWS_ENDPOINT_URL={url}", "AWS_PROFILE=", "AWS_ACCESS_KEY_ID=AKIALOCAL", "NO_PROXY=127.0.0.1,localhost")
    (home / "env").write_text("".join(f"{line}\n" for line in lines))
    yield home
    server.shutdown()
    server.server_close()


@pytest.fixture
def messages() -> list[str]:
    """The reported progress messages: pass `messages.append`."""
    return []


@pytest.fixture
def environment() -> Environment:
    ref = EnvironmentRef("staging")
    return Environment(
        ref=ref,
        project="mlflow",
        account=ACCOUNT,
        region=REGION,
        server=TrackingServer(
            arn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/mlflow-staging-3-0",
            name="mlflow-staging-3-0",
            mlflow_version="3.0",
            environment=ref,
        ),
        artifact_store=f"s3://{BUCKET}",
        bucket=BUCKET,
        endpoint_role=f"arn:aws:iam::{ACCOUNT}:role/mlflow-staging-endpoint-role",
    )


@pytest.fixture(scope="session")
def boto_session() -> boto3.session.Session:
    """One session for all tests, because each session takes half a second to read SageMaker's service model."""
    return boto3.session.Session("testing", "testing", region_name=REGION)


@pytest.fixture(scope="session")
def client_of(boto_session: boto3.session.Session) -> Callable[[str], Any]:
    """Clients by service name, each created once, because that takes 20 ms."""
    return cache(boto_session.client)


@pytest.fixture
def aws(client_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """AWS in this process: clients by service name, without the event handlers of other tests."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    handlers: list[tuple[Any, str, Any]] = []

    def client(service: str) -> Any:
        made = client_of(service)
        remember_handlers(made.meta.events, handlers, monkeypatch)
        return made

    with mock_aws():
        client("s3").create_bucket(Bucket=BUCKET)
        yield client
    for events, name, handler in handlers:
        events.unregister(name, handler)


def remember_handlers(events: Any, handlers: list[tuple[Any, str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Note each event handler that a test registers."""
    for method in ("register", "register_first", "register_last"):
        register = getattr(type(events), method)

        def note(name: str, handler: Any, unique_id: str | None = None, *, register: Any = register) -> None:
            register(events, name, handler, unique_id)
            # boto3 registers its own with an ID, and only once.
            if unique_id is None:
                handlers.append((events, name, handler))

        monkeypatch.setattr(events, method, note)


@pytest.fixture
def clients(aws: Callable[[str], Any]) -> Clients:
    return Clients(
        aws("sagemaker"),
        aws("s3"),
        aws("logs"),
        aws("sagemaker-runtime"),
        aws("cloudwatch"),
        aws("application-autoscaling"),
    )


@pytest.fixture
def fleet(clients: Clients) -> Fleet:
    """The endpoints of `clients`, whose states a test controls."""
    return Fleet(clients.sagemaker)


@pytest.fixture(scope="session")
def trained() -> Callable[[Dataset], Training]:
    """A small training of each data set, which runs once."""
    made: dict[str, Training] = {}

    def of(dataset: Dataset) -> Training:
        if dataset not in made:
            made[dataset] = train(dataset, SMALL[dataset])
        return made[dataset]

    return of


@pytest.fixture
def mlflow_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_database: Path) -> Iterator[Any]:
    """MLflow with a database and artifacts in the test's folder. The global URI is restored afterwards."""
    import mlflow

    database = tmp_path / "mlflow.db"
    shutil.copyfile(mlflow_database, database)
    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.chdir(tmp_path)
    # MLflow sets variables, and programs that later tests start would use a database that no longer exists.
    with patch.dict(os.environ):
        mlflow.set_tracking_uri(f"sqlite:///{database}")
        mlflow.set_registry_uri(f"sqlite:///{database}")
        yield mlflow
        while mlflow.active_run():
            mlflow.end_run()
        mlflow.set_registry_uri(None)
        mlflow.set_tracking_uri(before)


@pytest.fixture(scope="session")
def mlflow_database(pytestconfig: pytest.Config) -> Path:
    """An empty MLflow database. Creating one takes two seconds, so all workers copy the same."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = pytestconfig.stash[HOME]
    database = folder / "empty.db"
    with FileLock(folder / "empty.lock"):
        if not database.exists():
            part = folder / "empty.part"
            SqlAlchemyStore(f"sqlite:///{part}", str(folder / "artifacts"))
            part.rename(database)
    return database


@pytest.fixture
def interference(monkeypatch: pytest.MonkeyPatch) -> Interference:
    return Interference(monkeypatch)
