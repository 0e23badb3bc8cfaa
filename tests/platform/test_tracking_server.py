"""The tracking server: what is possible in each of its states."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform import tracking, tracking_server
from mlflow_platform.environment import Environment, TrackingServer
from scripts import server
from tests.platform.conftest import FakeClock

NAME = {"TrackingServerName": "mlflow-staging-3-0"}


@pytest.fixture
def sagemaker(aws: Callable[[str], Any]) -> Any:
    return aws("sagemaker")


@pytest.fixture
def stub(sagemaker: Any) -> Iterator[Stubber]:
    with Stubber(sagemaker) as stub:
        yield stub
        stub.assert_no_pending_responses()


class Page(list[Any]):
    """The only page of a search."""

    token = None


def described(stub: Stubber, *statuses: str, active: bool = False) -> None:
    for status in statuses:
        answer = {
            "TrackingServerStatus": status,
            "IsActive": "Active" if active else "Inactive",
            "MlflowVersion": "3.0",
        }
        stub.add_response(
            "describe_mlflow_tracking_server", answer | {"CreationTime": datetime(2026, 1, 1, tzinfo=UTC)}, NAME
        )


@pytest.mark.parametrize("status", ["Created", "Started", "Updated", "MaintenanceComplete"])
def test_accepts_a_running_server(environment: Environment, sagemaker: Any, stub: Stubber, status: str) -> None:
    described(stub, status)
    assert tracking_server.require_running(sagemaker, environment.server).status == status


@pytest.mark.parametrize("status", ["UpdateFailed", "StopFailed", "MaintenanceFailed"])
def test_accepts_a_server_that_still_runs_after_a_failed_change(
    environment: Environment, sagemaker: Any, stub: Stubber, status: str
) -> None:
    described(stub, status, active=True)
    assert tracking_server.require_running(sagemaker, environment.server).running


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("Stopped", "Start it with `.venv/bin/python scripts/server.py start --env staging`"),
        ("Starting", "Wait for it with `.venv/bin/python scripts/server.py start --env staging`"),
        ("Creating", "Try again later; `.venv/bin/python scripts/server.py status --env staging`"),
        ("CreateFailed", "See the SageMaker console"),
    ],
)
def test_refuses_a_server_that_does_not_run_and_says_what_to_do(
    environment: Environment, sagemaker: Any, stub: Stubber, status: str, advice: str
) -> None:
    described(stub, status)
    with pytest.raises(PreconditionError) as refused:
        tracking_server.require_running(sagemaker, environment.server)
    assert f"is {status}. {advice}" in refused.value.message
    assert refused.value.status == 3


def test_refuses_a_server_that_does_not_exist(environment: Environment, sagemaker: Any, stub: Stubber) -> None:
    stub.add_client_error("describe_mlflow_tracking_server", "ResourceNotFound", "no such server", 400)
    with pytest.raises(PreconditionError, match=r"no longer exists. Run `make apply ENV=staging`"):
        tracking_server.require_running(sagemaker, environment.server)


@pytest.fixture
def app(environment: Environment) -> TrackingServer:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-1"
    return TrackingServer(arn, "mlflow-staging", "3.10", environment.ref)


def described_app(stub: Stubber, app: TrackingServer, status: str) -> None:
    answer = {"Arn": app.arn, "Name": app.name, "Status": status, "MlflowVersion": "3.10.1"}
    stub.add_response("describe_mlflow_app", answer, {"Arn": app.arn})


@pytest.mark.parametrize("status", ["Created", "Updated", "UpdateFailed"])
def test_an_app_is_described_by_its_arn(app: TrackingServer, sagemaker: Any, stub: Stubber, status: str) -> None:
    described_app(stub, app, status)
    found = tracking_server.require_running(sagemaker, app)
    assert (found.kind, found.version, found.size) == ("MLflow App", "3.10.1", "")


@pytest.mark.parametrize("status", ["Creating", "CreateFailed", "Deleting"])
def test_refuses_an_app_that_does_not_run(app: TrackingServer, sagemaker: Any, stub: Stubber, status: str) -> None:
    described_app(stub, app, status)
    with pytest.raises(PreconditionError, match=f"the MLflow App mlflow-staging is {status}"):
        tracking_server.require_running(sagemaker, app)


def test_refuses_an_app_that_does_not_exist(app: TrackingServer, sagemaker: Any, stub: Stubber) -> None:
    stub.add_client_error("describe_mlflow_app", "ResourceNotFound", "no such App", 400)
    with pytest.raises(PreconditionError, match="the MLflow App mlflow-staging no longer exists"):
        tracking_server.require_running(sagemaker, app)


@pytest.mark.parametrize("verb", [tracking_server.start, tracking_server.stop])
def test_an_app_is_neither_started_nor_stopped(
    app: TrackingServer, sagemaker: Any, stub: Stubber, clock: FakeClock, verb: Any
) -> None:
    del stub
    with pytest.raises(PreconditionError, match="is an MLflow App, which cannot be"):
        verb(sagemaker, app, progress=str, clock=clock)


def test_the_link_to_an_app_is_made_by_its_own_operation(app: TrackingServer, sagemaker: Any, stub: Stubber) -> None:
    stub.add_response(
        "create_presigned_mlflow_app_url",
        {"AuthorizedUrl": "https://a/auth"},
        {"Arn": app.arn, "ExpiresInSeconds": 300},
    )
    assert tracking_server.ui_link(sagemaker, app, "/experiments/1") == "https://a/auth#/experiments/1"


def test_starting_a_stopped_server_waits_until_it_runs(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock, messages: list[str]
) -> None:
    described(stub, "Stopped")
    stub.add_response("start_mlflow_tracking_server", {"TrackingServerArn": environment.server.arn}, NAME)
    described(stub, "Stopped", "Starting", "Starting", "Started")
    found, changed = tracking_server.start(sagemaker, environment.server, progress=messages.append, clock=clock)
    assert (found.status, changed) == ("Started", True)
    assert [line.rpartition(" ")[2] for line in messages] == ["Stopped", "Starting", "Started"]


def test_waits_for_a_server_that_is_starting(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock
) -> None:
    described(stub, "Starting", "Starting", "Started")
    assert tracking_server.start(sagemaker, environment.server, progress=str, clock=clock)[0].status == "Started"


def test_stopping_a_running_server_waits_until_it_is_stopped(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock
) -> None:
    described(stub, "Updated")
    stub.add_response("stop_mlflow_tracking_server", {"TrackingServerArn": environment.server.arn}, NAME)
    described(stub, "Updated", "Stopping", "Stopped")
    assert tracking_server.stop(sagemaker, environment.server, progress=str, clock=clock)[0].status == "Stopped"


@pytest.mark.parametrize(("verb", "status"), [(tracking_server.start, "Created"), (tracking_server.stop, "Stopped")])
def test_start_and_stop_are_idempotent(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock, verb: Any, status: str
) -> None:
    described(stub, status)
    assert verb(sagemaker, environment.server, progress=str, clock=clock)[1] is False


@pytest.mark.parametrize(
    ("verb", "status"),
    [
        (tracking_server.start, "Creating"),
        (tracking_server.start, "Stopping"),
        (tracking_server.stop, "Creating"),
        (tracking_server.stop, "Updating"),
    ],
)
def test_refuses_what_the_state_does_not_allow(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock, verb: Any, status: str
) -> None:
    described(stub, status)
    with pytest.raises(PreconditionError, match=f"is {status} and cannot be (started|stopped) in this state"):
        verb(sagemaker, environment.server, progress=str, clock=clock)


def test_reports_a_server_that_fails_to_start(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock
) -> None:
    described(stub, "Starting", "Starting", "StartFailed")
    with pytest.raises(PlatformError, match="is now StartFailed"):
        tracking_server.start(sagemaker, environment.server, progress=str, clock=clock)


def test_a_link_opens_a_page_of_the_ui(environment: Environment, sagemaker: Any, stub: Stubber) -> None:
    link = "https://app/auth?authToken=abc"
    for _ in range(2):
        stub.add_response(
            "create_presigned_mlflow_tracking_server_url", {"AuthorizedUrl": link}, NAME | {"ExpiresInSeconds": 300}
        )
    assert (
        tracking_server.ui_link(sagemaker, environment.server, "/experiments/1/runs/2")
        == f"{link}#/experiments/1/runs/2"
    )
    assert tracking_server.ui_link(sagemaker, environment.server) == link


def test_the_ui_command_opens_an_experiment(
    environment: Environment,
    sagemaker: Any,
    stub: Stubber,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = SimpleNamespace(client=lambda _: sagemaker)
    monkeypatch.setattr(server, "open_environment", lambda *_, **__: (environment, session))
    known = SimpleNamespace(experiment_id="7", name="churn", lifecycle_stage="active")
    client = SimpleNamespace(get_experiment_by_name={"churn": known}.get, search_experiments=lambda **_: Page([known]))
    monkeypatch.setattr(tracking, "connect", lambda *_: client)
    link = "https://app/auth?authToken=abc"
    described(stub, "Created")
    stub.add_response(
        "create_presigned_mlflow_tracking_server_url", {"AuthorizedUrl": link}, NAME | {"ExpiresInSeconds": 300}
    )
    server.ui(experiment="churn", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"ui_link": f"{link}#/experiments/7"}
    described(stub, "Created")
    with pytest.raises(InputError, match=r"there is no experiment 'none'. There are churn"):
        server.ui(experiment="none")


def test_every_state_is_in_one_group_of_the_table(sagemaker: Any) -> None:
    shape = sagemaker.meta.service_model.shape_for("TrackingServerStatus")
    groups = [tracking_server.RUNNING, tracking_server.STOPPED, tracking_server.CHANGING, tracking_server.FAILED]
    assert sorted(status for group in groups for status in group) == sorted(shape.enum)


@pytest.mark.parametrize("status", sorted(tracking_server.CHANGING | tracking_server.STOPPED))
def test_a_server_that_is_changing_or_stopped_does_not_count_as_running(
    environment: Environment, sagemaker: Any, stub: Stubber, status: str
) -> None:
    described(stub, status, active=True)
    assert not tracking_server.describe(sagemaker, environment.server).running
