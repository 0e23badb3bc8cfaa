"""Repeats deployments and removals, each time with a fault in another call, or killed before another call.

Whatever happens, the endpoint's configuration, model and archive exist afterwards, and the same command succeeds when
it is run again.
"""

from collections.abc import Callable
from typing import Any

import pytest

from mlflow_platform.endpoints.alarms import alarms_of, rollback_alarms
from mlflow_platform.endpoints.deployment import NO_GUARDS, Deployer, Guards
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.publishing import Hosting, publish
from mlflow_platform.endpoints.resources import Clients, EndpointResources, find_resources
from mlflow_platform.endpoints.scaling import Autoscaling, Scaling, scaled_variants
from mlflow_platform.endpoints.specification import EndpointSpec
from mlflow_platform.environment import Environment
from tests.platform.conftest import BUCKET, FakeClock
from tests.platform.endpoints.fleet import Fleet
from tests.platform.endpoints.test_guards import EXAMPLE, Runtime
from tests.platform.interference import (
    Call,
    Interference,
    attempt,
    failed,
    is_affected,
    killed,
    lost,
    repeated,
    unreachable,
)

NAME = "mlflow-staging-iris"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mlflow-pyfunc:3.17.2"
MOST_CALLS, MOST_GUARDED_CALLS = 60, 200
SCALING = Scaling(1, 4, 100.0)
# Reads of every deployment, of which each fails in the deployments without guards.
SPARED = frozenset(
    {
        *("DescribeEndpointConfig", "DescribeModel", "GetObject", "HeadObject", "ListEndpointConfigs", "ListModels"),
        *("ListObjectsV2", "ListTags"),
    }
)


class Scene:
    """A fresh AWS account with models in S3. `most_calls` is more than a deployment makes."""

    most_calls = MOST_CALLS

    def __init__(self, clients: Clients, environment: Environment, clock: FakeClock) -> None:
        self.clients, self.environment = clients, environment
        self.messages: list[str] = []
        self.deployer = Deployer(clients, environment, progress=self.messages.append, clock=clock)
        for version in "123":
            key = f"models/{version}/MLmodel"
            clients.s3.put_object(Bucket=BUCKET, Key=key, Body=f"run_id: {version}\n".encode())

    def deploy(self, version: str) -> str:
        """Publish and deploy a version, as the script does."""
        return self.deployer.deploy(self.publish(version, "ml.m5.large"))

    def publish(self, version: str, instance_type: str) -> EndpointSpec:
        model = Model(f"models:/iris/{version}", f"s3://{BUCKET}/models/{version}", "iris", version)
        return publish(self.clients.s3, self.environment, NAME, model, Hosting(IMAGE, instance_type, 1)).spec

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

    def check_deployed(self, fleet: Fleet, *, updated: bool) -> None:
        """Check that everything of the last deployment exists."""
        del updated
        self.check_complete(fleet)

    def check_removed(self) -> None:
        """Check that nothing of the endpoint is left."""
        assert find_resources(self.clients, self.environment, NAME) == EndpointResources()


class GuardedScene(Scene):
    """Deployments with alarms, a smoke request and automatic scaling. Version 3 has another instance type."""

    most_calls = MOST_GUARDED_CALLS

    def deploy(self, version: str) -> str:
        spec = self.publish(version, "ml.m5.xlarge" if version == "3" else "ml.m5.large")
        alarms = rollback_alarms(NAME, spec.config_name, spec.variants, 250)
        autoscaling = Autoscaling(self.clients)
        with self.deployer.discarding(spec), autoscaling.during(spec, SCALING, NO_GUARDS.strategy):
            change = self.deployer.deploy(spec, guards=Guards(alarms=alarms, smoke_request=EXAMPLE))
        autoscaling.apply(spec, SCALING)
        return change

    def check_deployed(self, fleet: Fleet, *, updated: bool) -> None:
        """Check also that the alarms watch what serves, that it scales, and that no test endpoint is left."""
        super().check_deployed(fleet, updated=updated)
        found = self.clients.cloudwatch.describe_alarms()["MetricAlarms"]
        watched = {item["Value"] for alarm in found for item in alarm["Dimensions"] if "Config" in item["Name"]}
        assert not updated or watched == {fleet.config}
        (target,) = scaled_variants(self.clients.autoscaling, NAME).values()
        assert (target["MinCapacity"], target["MaxCapacity"]) == (SCALING.least, SCALING.most)
        assert self.clients.sagemaker.list_endpoints()["Endpoints"] == []

    def check_removed(self) -> None:
        """Check also that no alarm, scaling or test endpoint is left."""
        super().check_removed()
        assert not alarms_of(self.clients.cloudwatch, NAME)
        assert not scaled_variants(self.clients.autoscaling, NAME)
        assert self.clients.sagemaker.list_endpoints()["Endpoints"] == []


def deploy_with_each_fault(
    here: Scene, fleet: Fleet, interference: Interference, how: Callable[[Call], Any], before: str
) -> list[str]:
    """Deploy version 3 with a fault in each of its calls in turn. Each time, the same command then succeeds.

    Args:
        before: the versions that are deployed before.

    Returns:
        The calls that had a fault.
    """
    struck = []
    for target in range(here.most_calls):
        for version in before:
            here.deploy(version)
        interference.arm(target, how)
        attempt(lambda: here.deploy("3"), interference, how)
        struck.append(interference.struck)
        interference.arm(None)
        here.check_complete(fleet)
        here.deploy("3")
        assert fleet.tags["model-version"] == "3", struck
        here.check_deployed(fleet, updated=bool(before))
        here.deployer.delete(NAME)
        here.check_removed()
        if not struck[-1]:
            return struck
    pytest.fail("most_calls is too small: the last calls were not tested")


@pytest.mark.parametrize("before", ["", "1"])
@pytest.mark.parametrize("how", [lost, failed, killed])
def test_a_guarded_deployment_survives_a_fault_in_any_call(
    before: str,
    how: Callable[[Call], Any],
    clients: Clients,
    environment: Environment,
    fleet: Fleet,
    interference: Interference,
) -> None:
    here = GuardedScene(clients, environment, FakeClock())
    Runtime(clients.runtime)
    fleet.shows_pending = True
    interference.spared = SPARED
    struck = deploy_with_each_fault(here, fleet, interference, how, before)
    assert {"InvokeEndpoint", "RegisterScalableTarget", "PutScalingPolicy"} <= set(struck)
    assert not before or {"PutMetricAlarm", "DeregisterScalableTarget", "UpdateEndpoint"} <= set(struck)


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
        ("1", True, killed),
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
    struck = deploy_with_each_fault(here, fleet, interference, how, before)
    assert {"CreateModel", "CreateEndpointConfig", "PutObject"} <= set(struck)
    assert is_affected("DescribeEndpoint", how) == ("DescribeEndpoint" in struck)
    assert {"CreateEndpoint", "UpdateEndpoint"} & set(struck)


@pytest.mark.parametrize("how", [repeated, lost, unreachable, failed, killed])
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
        here.check_removed()
        assert not fleet.exists
        if not struck:
            return
    pytest.fail("MOST_CALLS is too small: the last calls were not tested")
