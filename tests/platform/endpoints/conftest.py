"""Fixtures for the tests of deployments."""

from typing import Any

import pytest

from mlflow_platform.endpoints.deployment import Deployer
from mlflow_platform.endpoints.resources import Clients, find_resources
from mlflow_platform.endpoints.specification import EndpointSpec
from mlflow_platform.environment import Environment
from tests.platform.conftest import FakeClock
from tests.platform.endpoints.deployed import NAME, spec_of
from tests.platform.endpoints.fleet import Fleet


@pytest.fixture
def spec(environment: Environment) -> EndpointSpec:
    return spec_of(environment, "1")


@pytest.fixture
def deployer(
    clients: Clients, environment: Environment, clock: FakeClock, messages: list[str], fleet: Fleet
) -> Deployer:
    return Deployer(clients, environment, progress=messages.append, clock=clock)


@pytest.fixture
def deploy(clients: Clients, deployer: Deployer) -> Any:
    """Upload the specification's archive, as the script does, and deploy it."""

    def do(spec: EndpointSpec, *, replace_model: bool = False) -> str:
        bucket, key = spec.archive_uri.removeprefix("s3://").split("/", 1)
        clients.s3.put_object(Bucket=bucket, Key=key, Body=b"archive")
        return deployer.deploy(spec, replace_model=replace_model)

    return do


@pytest.fixture
def left(clients: Clients, environment: Environment) -> Any:
    """The resources that currently belong to the endpoint."""
    return lambda: find_resources(clients, environment, NAME)
