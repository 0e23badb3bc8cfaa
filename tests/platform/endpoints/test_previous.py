"""What a rollback would change: it is shown, and nothing is changed."""

from dataclasses import replace

import pytest

from mlflow_common.errors import PreconditionError
from mlflow_platform.endpoints.creation import create_single, ensure_resources
from mlflow_platform.endpoints.hosting import Serverless
from mlflow_platform.endpoints.previous import preview_rollback
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.endpoints.specification import smoke_name
from mlflow_platform.environment import Environment
from tests.platform.endpoints.deployed import NAME, spec_of
from tests.platform.endpoints.fleet import Fleet, Step


def test_a_preview_of_a_rollback_names_both_models_and_changes_nothing(
    clients: Clients, environment: Environment, fleet: Fleet
) -> None:
    first, second = spec_of(environment, "1"), spec_of(environment, "2")
    for spec in (first, second):
        ensure_resources(clients.sagemaker, spec)
    fleet.serve(NAME, Step("InService", second.config_name), tags=dict(second.tags))
    preview = preview_rollback(clients.sagemaker, environment, NAME)
    assert (preview.served.uri, preview.config) == ("models:/iris/2", second.config_name)
    assert (preview.target.name, preview.target.tags) == (first.config_name, first.tags)
    assert [one["VariantName"] for one in preview.target.variants] == ["AllTraffic"]
    assert set(fleet.calls) <= {"DescribeEndpoint", "ListTags"}


def test_a_rollback_never_moves_to_what_a_killed_deployment_was_testing(
    clients: Clients, environment: Environment, fleet: Fleet
) -> None:
    first, second, third = (spec_of(environment, version) for version in "123")
    for spec in (second, third):
        ensure_resources(clients.sagemaker, spec)
    create_single(clients.sagemaker, third, smoke_name(third), third.tags)
    fleet.serve(NAME, Step("InService", second.config_name), tags=dict(second.tags))
    with pytest.raises(PreconditionError, match="has no previous configuration"):
        preview_rollback(clients.sagemaker, environment, NAME)
    ensure_resources(clients.sagemaker, first)
    assert preview_rollback(clients.sagemaker, environment, NAME).target.name == first.config_name


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        ("Updating", "is Updating. Run the same command again when that has ended"),
        ("Failed", "there is nothing to roll back"),
        ("InService", "has no previous configuration to roll back to"),
    ],
)
def test_a_preview_of_a_rollback_needs_an_endpoint_that_can_be_rolled_back(
    clients: Clients, environment: Environment, fleet: Fleet, status: str, complaint: str
) -> None:
    spec = spec_of(environment, "1")
    ensure_resources(clients.sagemaker, spec)
    fleet.serve(NAME, Step(status, spec.config_name), tags=dict(spec.tags))
    with pytest.raises(PreconditionError, match=complaint):
        preview_rollback(clients.sagemaker, environment, NAME)


def test_an_endpoint_with_instances_is_not_rolled_back_to_serverless_capacity(
    clients: Clients, environment: Environment, fleet: Fleet
) -> None:
    first = replace(spec_of(environment, "1"), serverless=Serverless(1024))
    second = spec_of(environment, "2")
    for spec in (first, second):
        ensure_resources(clients.sagemaker, spec)
    fleet.serve(NAME, Step("InService", second.config_name), tags=dict(second.tags))
    with pytest.raises(PreconditionError, match=r"AWS cannot update one with instances to that\. Deploy the previous"):
        preview_rollback(clients.sagemaker, environment, NAME)
    fleet.serve(NAME, Step("InService", first.config_name), tags=dict(first.tags))
    # The opposite is possible.
    assert preview_rollback(clients.sagemaker, environment, NAME).target.name == second.config_name
