"""Repeats deployments and removals, each time with the response of another call lost, refused or repeated.

Whatever happens, the endpoint's configuration, model and archive exist afterwards, and the same command succeeds when
it is run again.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from mlflow_common.errors import explain
from mlflow_platform.endpoints.deployment import Deployer
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.publishing import Hosting, publish
from mlflow_platform.endpoints.resources import Clients, EndpointResources, find_resources
from mlflow_platform.environment import Environment
from tests.platform.conftest import BUCKET, FakeClock
from tests.platform.endpoints.fleet import Fleet

NAME = "mlflow-staging-iris"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mlflow-pyfunc:3.17.2"
MOST_CALLS = 60

Call = Callable[[], Any]


def repeated(call: Call) -> Any:
    """The response is lost, and the SDK repeats the call."""
    with suppress(ClientError):
        call()
    return call()


def lost(call: Call) -> Any:
    """The responses of the call and of all the SDK's retries are lost."""
    with suppress(ClientError):
        call()
    raise ReadTimeoutError(endpoint_url="https://api.sagemaker.us-east-1.amazonaws.com")


def unreachable(_: Call) -> Any:
    """The request never arrives."""
    raise EndpointConnectionError(endpoint_url="https://api.sagemaker.us-east-1.amazonaws.com")


def failed(_: Call) -> Any:
    """AWS returns an internal error and does nothing."""
    answer: Any = {"Error": {"Code": "InternalFailure", "Message": "x"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    raise ClientError(answer, "Operation")


def is_affected(operation: str, how: Callable[[Call], Any]) -> bool:
    """Whether a fault can leave something behind or missing: repeating a read, or losing its response, cannot.

    `lost` and `unreachable` are the same for a read.
    """
    return how not in (repeated, lost) or not operation.startswith(("Describe", "Get", "Head", "List"))


class Interference:
    """Interferes with one of the affected calls of all clients, counted from 0."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        self.target: int | None = None
        self.how: Callable[[Call], Any] = repeated
        self.struck = ""
        original: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

        def call(client: BaseClient, operation: str, params: dict[str, Any]) -> Any:
            if not is_affected(operation, self.how):
                return original(client, operation, params)
            number, self.number = self.number, self.number + 1
            if number != self.target:
                return original(client, operation, params)
            self.struck = operation
            return self.how(lambda: original(client, operation, params))

        monkeypatch.setattr(BaseClient, "_make_api_call", call)

    def arm(self, target: int | None, how: Callable[[Call], Any] = repeated) -> None:
        """Interfere with call number `target` from now on; with none if None."""
        self.number, self.target, self.how, self.struck = 0, target, how, ""


class Scene:
    """A fresh AWS account with models in S3."""

    def __init__(self, clients: Clients, environment: Environment, clock: FakeClock) -> None:
        self.clients, self.environment = clients, environment
        self.messages: list[str] = []
        self.deployer = Deployer(clients, environment, progress=self.messages.append, clock=clock)
        for version in "123":
            key = f"models/{version}/MLmodel"
            clients.s3.put_object(Bucket=BUCKET, Key=key, Body=f"run_id: {version}\n".encode())

    def deploy(self, version: str) -> str:
        """Publish and deploy a version, as the script does."""
        model = Model(f"models:/iris/{version}", f"s3://{BUCKET}/models/{version}", "iris", version)
        spec = publish(self.clients.s3, self.environment, NAME, model, Hosting(IMAGE, "ml.m5.large", 1)).spec
        return self.deployer.deploy(spec)

    def check_complete(self, fleet: Fleet) -> None:
        """Check that everything that the endpoint serves or moves to exists."""
        if not fleet.exists:
            return
        archives = find_resources(self.clients, self.environment, NAME).archives
        for config in {step.config for step in fleet.steps if not step.gone}:
            described = self.clients.sagemaker.describe_endpoint_config(EndpointConfigName=config)
            name = described["ProductionVariants"][0]["ModelName"]
            model = self.clients.sagemaker.describe_model(ModelName=name)
            assert model["PrimaryContainer"]["ModelDataUrl"] in archives


@pytest.fixture
def interference(monkeypatch: pytest.MonkeyPatch) -> Interference:
    return Interference(monkeypatch)


def attempt(work: Callable[[], object], interference: Interference, how: Callable[[Call], Any]) -> None:
    """Do something that may fail in a way that is explained; a repeated call must not fail."""
    failure = None
    try:
        work()
    except Exception as error:
        failure = error
    assert failure is None or explain(failure) is not None, f"{interference.struck}: {failure!r}"
    assert failure is None or how is not repeated, f"{interference.struck}: {failure}"


@pytest.mark.parametrize(
    ("before", "shows_pending", "how"),
    [
        ("", False, repeated),
        ("", False, lost),
        ("", False, unreachable),
        ("1", False, lost),
        ("1", True, repeated),
        ("1", True, lost),
        ("1", True, failed),
    ],
)
def test_a_deployment_survives_a_fault_in_any_call(
    before: str,  # the versions that were deployed before
    shows_pending: bool,
    how: Callable[[Call], Any],
    clients: Clients,
    environment: Environment,
    fleet: Fleet,
    interference: Interference,
) -> None:
    here = Scene(clients, environment, FakeClock())
    fleet.shows_pending = shows_pending
    struck = []
    for target in range(MOST_CALLS):
        for version in before:
            here.deploy(version)
        interference.arm(target, how)
        attempt(lambda: here.deploy("3"), interference, how)
        struck.append(interference.struck)
        interference.arm(None)
        here.check_complete(fleet)
        here.deploy("3")
        here.check_complete(fleet)
        assert fleet.tags["model-version"] == "3", struck
        here.deployer.delete(NAME)
        assert find_resources(clients, environment, NAME) == EndpointResources(), struck
        if not struck[-1]:
            break
    assert {"CreateModel", "CreateEndpointConfig", "PutObject"} <= set(struck)
    assert is_affected("DescribeEndpoint", how) == ("DescribeEndpoint" in struck)
    assert {"CreateEndpoint", "UpdateEndpoint"} & set(struck)
    assert struck[-1] == "", "MOST_CALLS is too small: the last calls were not tested"


@pytest.mark.parametrize("how", [repeated, lost, unreachable, failed])
def test_a_removal_survives_a_fault_in_any_call(
    how: Callable[[Call], Any], clients: Clients, environment: Environment, fleet: Fleet, interference: Interference
) -> None:
    here = Scene(clients, environment, FakeClock())
    for target in range(MOST_CALLS):
        here.deploy("1")
        interference.arm(target, how)
        attempt(lambda: here.deployer.delete(NAME), interference, how)
        struck = interference.struck
        interference.arm(None)
        here.deployer.delete(NAME)
        assert find_resources(clients, environment, NAME) == EndpointResources(), struck
        assert not fleet.exists
        if not struck:
            return
    pytest.fail("MOST_CALLS is too small: the last calls were not tested")
