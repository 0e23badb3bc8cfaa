"""The tracking server: what can be done in each of its states."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_platform import tracking_server as server
from mlflow_platform.environment import Environment
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
def test_a_server_that_runs_is_let_through(
    environment: Environment, sagemaker: Any, stub: Stubber, status: str
) -> None:
    described(stub, status)
    assert server.require_running(sagemaker, environment).status == status


@pytest.mark.parametrize("status", ["UpdateFailed", "StopFailed", "MaintenanceFailed"])
def test_a_server_that_failed_to_change_and_still_runs_is_let_through(
    environment: Environment, sagemaker: Any, stub: Stubber, status: str
) -> None:
    described(stub, status, active=True)
    assert server.require_running(sagemaker, environment).running


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("Stopped", "start it with `python scripts/server.py start --env staging`"),
        ("Starting", "wait for it with `python scripts/server.py start --env staging`"),
        ("Creating", "wait a little; `python scripts/server.py status --env staging`"),
        ("CreateFailed", "see the SageMaker console"),
    ],
)
def test_a_server_that_does_not_run_is_refused_with_what_to_do(
    environment: Environment, sagemaker: Any, stub: Stubber, status: str, advice: str
) -> None:
    described(stub, status)
    with pytest.raises(PreconditionError) as refused:
        server.require_running(sagemaker, environment)
    assert f"is {status}: {advice}" in refused.value.message
    assert refused.value.status == 3


def test_a_server_that_is_gone_is_refused(environment: Environment, sagemaker: Any, stub: Stubber) -> None:
    stub.add_client_error("describe_mlflow_tracking_server", "ResourceNotFound", "no such server", 400)
    with pytest.raises(PreconditionError, match="does not exist any more: run `make apply ENV=staging`"):
        server.require_running(sagemaker, environment)


def test_starting_a_stopped_server_waits_until_it_runs(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock, said: list[str]
) -> None:
    described(stub, "Stopped")
    stub.add_response("start_mlflow_tracking_server", {"TrackingServerArn": environment.tracking_uri}, NAME)
    described(stub, "Stopped", "Starting", "Starting", "Started")
    found, changed = server.start(sagemaker, environment, progress=said.append, clock=clock)
    assert (found.status, changed) == ("Started", True)
    assert [line.rpartition(" ")[2] for line in said] == ["Stopped", "Starting", "Started"]


def test_a_server_that_is_starting_is_waited_for(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock
) -> None:
    described(stub, "Starting", "Starting", "Started")
    assert server.start(sagemaker, environment, progress=str, clock=clock)[0].status == "Started"


def test_stopping_a_running_server_waits_until_it_is_stopped(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock
) -> None:
    described(stub, "Updated")
    stub.add_response("stop_mlflow_tracking_server", {"TrackingServerArn": environment.tracking_uri}, NAME)
    described(stub, "Updated", "Stopping", "Stopped")
    assert server.stop(sagemaker, environment, progress=str, clock=clock)[0].status == "Stopped"


@pytest.mark.parametrize(("verb", "status"), [(server.start, "Created"), (server.stop, "Stopped")])
def test_what_is_so_already_is_not_done_again(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock, verb: Any, status: str
) -> None:
    described(stub, status)
    assert verb(sagemaker, environment, progress=str, clock=clock)[1] is False


@pytest.mark.parametrize(
    ("verb", "status"),
    [(server.start, "Creating"), (server.start, "Stopping"), (server.stop, "Creating"), (server.stop, "Updating")],
)
def test_what_the_state_does_not_allow_is_refused(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock, verb: Any, status: str
) -> None:
    described(stub, status)
    with pytest.raises(PreconditionError, match=f"is {status} and cannot be (started|stopped) now"):
        verb(sagemaker, environment, progress=str, clock=clock)


def test_a_server_that_fails_to_start_is_told(
    environment: Environment, sagemaker: Any, stub: Stubber, clock: FakeClock
) -> None:
    described(stub, "Starting", "Starting", "StartFailed")
    with pytest.raises(PlatformError, match="ended up StartFailed"):
        server.start(sagemaker, environment, progress=str, clock=clock)


def test_a_link_leads_to_a_place_in_the_ui(environment: Environment, sagemaker: Any, stub: Stubber) -> None:
    link = "https://app/auth?authToken=abc"
    for _ in range(2):
        stub.add_response(
            "create_presigned_mlflow_tracking_server_url", {"AuthorizedUrl": link}, NAME | {"ExpiresInSeconds": 300}
        )
    assert server.ui_link(sagemaker, environment, "/experiments/1/runs/2") == f"{link}#/experiments/1/runs/2"
    assert server.ui_link(sagemaker, environment) == link
