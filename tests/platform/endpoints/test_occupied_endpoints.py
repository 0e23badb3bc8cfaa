"""Deploying to an endpoint that serves another registered model, or that another deployment changes."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from mlflow_common.errors import PreconditionError
from mlflow_platform.endpoints.creation import ensure_resources
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.environment import Environment
from tests.platform.endpoints.deployed import CHANGES, NAME, OLD, everything_of, named, spec_of
from tests.platform.endpoints.fleet import Fleet, Step


@pytest.mark.parametrize("other", ["a-b", "a b", None])
def test_refuses_to_replace_another_registered_model(
    deploy: Any, environment: Environment, fleet: Fleet, left: Any, other: str | None
) -> None:
    first = named(environment, "a_b")
    deploy(first)
    fleet.calls.clear()
    with pytest.raises(PreconditionError, match=r"serves the registered model a_b.*--replace-model") as refused:
        deploy(named(environment, other, "2"))
    assert refused.value.status == 3
    assert not CHANGES & set(fleet.calls)
    assert left().configs == {first.config_name}


def test_replaces_another_registered_model_on_request(deploy: Any, environment: Environment, fleet: Fleet) -> None:
    deploy(named(environment, "a_b"))
    assert deploy(named(environment, "a-b", "2"), replace_model=True) == "updated"
    assert fleet.tags["model-name"] == "a-b"


@pytest.mark.parametrize("name", ["a(b) & c;d", "模型", "x" * 300, "a=b", "=41", "tab\there"])
def test_another_version_of_the_same_model_is_always_accepted(deploy: Any, environment: Environment, name: str) -> None:
    deploy(named(environment, name))
    assert deploy(named(environment, name, "2")) == "updated"


def test_an_endpoint_without_a_registered_model_accepts_one(deploy: Any, environment: Environment) -> None:
    deploy(named(environment, None))
    assert deploy(named(environment, "iris", "2")) == "updated"


def test_a_failed_endpoint_accepts_any_model(deploy: Any, environment: Environment, fleet: Fleet) -> None:
    fleet.serve(NAME, Step("Failed", OLD, "earlier"), tags=environment.tags | {"model-name": "other"})
    assert deploy(named(environment, "iris")) == "created"


@pytest.mark.parametrize("pending", ["theirs", ""])
def test_refuses_while_another_deployment_is_in_progress(
    deploy: Any, environment: Environment, fleet: Fleet, clients: Clients, left: Any, pending: str
) -> None:
    first, second = spec_of(environment, "1"), spec_of(environment, "2")
    deploy(first)

    def another_deployment(**_: Any) -> None:
        fleet.steps = [Step("Updating", fleet.config, pending=pending), Step("InService", fleet.config)]

    clients.sagemaker.meta.events.register_first("before-call.sagemaker.UpdateEndpoint", another_deployment)
    with pytest.raises(PreconditionError, match=r"another deployment .* is in progress"):
        deploy(second)
    assert left().configs >= {first.config_name}
    assert not pending or left() == everything_of(first)


@pytest.mark.parametrize("status", ["Creating", "InService"])
def test_refuses_if_another_deployment_has_created_the_endpoint_meanwhile(
    deploy: Any, environment: Environment, fleet: Fleet, clients: Clients, left: Any, status: str
) -> None:
    theirs = spec_of(environment, "1")
    bucket, key = theirs.archive_uri.removeprefix("s3://").split("/", 1)

    def another_deployment(**_: Any) -> None:
        clients.s3.put_object(Bucket=bucket, Key=key, Body=b"archive")
        ensure_resources(clients.sagemaker, theirs)
        steps = [Step(one, theirs.config_name) for one in (status, status, "InService")]
        fleet.serve(NAME, *steps, tags=theirs.tags)

    clients.sagemaker.meta.events.register_first("before-call.sagemaker.CreateEndpoint", another_deployment)
    with pytest.raises(PreconditionError, match=r"another deployment .* is in progress"):
        deploy(spec_of(environment, "2"))
    assert fleet.exists
    assert fleet.tags == theirs.tags
    assert left() == everything_of(theirs)


def test_an_update_of_somebody_else_is_not_taken_for_a_model_that_does_not_start(
    deploy: Any, environment: Environment, fleet: Fleet, clients: Clients, left: Any
) -> None:
    first, theirs = spec_of(environment, "1"), spec_of(environment, "2")
    deploy(first)

    def another_deployment(**_: Any) -> None:
        ensure_resources(clients.sagemaker, theirs)
        fleet.steps = [Step("Updating", first.config_name), Step("InService", theirs.config_name)]
        # The request did not arrive, and AWS does not say what the endpoint is moving to.
        raise EndpointConnectionError(endpoint_url="https://api.sagemaker.us-east-1.amazonaws.com")

    clients.sagemaker.meta.events.register_first("before-call.sagemaker.UpdateEndpoint", another_deployment)
    with pytest.raises(PreconditionError, match=rf"another deployment has moved .* to {theirs.config_name}"):
        deploy(spec_of(environment, "3"))
    assert left().configs == {first.config_name, theirs.config_name}
