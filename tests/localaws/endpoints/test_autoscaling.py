"""Scaling policies change the desired instance count. The endpoint and the clock are not real here."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends

from localaws.alarms import Alarms
from localaws.endpoints.autoscaling import DIMENSION, Autoscaler
from localaws.endpoints.deployment import Deployment, Variant
from localaws.endpoints.endpoints import Endpoint
from localaws.errors import AwsError

ACCOUNT = "210987654321"
REGION = "eu-west-1"
RESOURCE = "endpoint/scaled/variant/one"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/scaled"
TRACKING = {
    "TargetValue": 10.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
}


def at_most_four_more(region: str, more: Counter[str]) -> None:
    if region == REGION and more["ml.m5.large"] > 4:
        raise AwsError("ResourceLimitExceeded", "too many")


class World:
    """One endpoint, its recorded metrics and a clock."""

    def __init__(self, *, instances: int, least: int = 1, most: int = 4) -> None:
        self.now = 0.0
        state = {"CurrentInstanceCount": instances, "DesiredInstanceCount": instances}
        self.variant = Variant("one", "image", {}, {}, "role", 60, state, "ml.m5.large")
        record: Any = SimpleNamespace(endpoint_name="scaled", arn=ARN, endpoint_status="InService")
        endpoint = Endpoint(record, live=Deployment("config", [self.variant]))
        endpoints: Any = SimpleNamespace(find={ARN: endpoint}.get)
        scaling: Any = SimpleNamespace(apply=lambda _endpoint: None)
        # A minute takes 50 ms.
        self.alarms = Alarms(ACCOUNT, 1200)
        self.autoscaler = Autoscaler(ACCOUNT, endpoints, scaling, self.alarms, 1, lambda: self.now, at_most_four_more)
        self.backend = applicationautoscaling_backends[ACCOUNT][REGION]
        self.backend.targets.clear()
        self.backend.policies.clear()
        cloudwatch_backends[ACCOUNT][REGION].metric_data.clear()
        self.backend.register_scalable_target("sagemaker", RESOURCE, DIMENSION, least, most, "", "")

    def policy(self, body: dict[str, Any], kind: str = "TargetTrackingScaling") -> Any:
        return self.backend.put_scaling_policy("policy", "sagemaker", RESOURCE, DIMENSION, body, kind)

    def traffic(self, per_minute: float) -> None:
        """Let the metric have one value in each of the last 15 minutes."""
        self.windows = [per_minute] * 15
        self.alarms.windows = lambda _region, _metric, _statistic, count, *_: self.windows[:count]  # type: ignore[method-assign]

    def desired(self) -> int:
        self.autoscaler.evaluate()
        return self.variant.instances


def test_target_tracking_scales_out_in_proportion_and_not_beyond_the_maximum() -> None:
    world = World(instances=1)
    world.policy(TRACKING)
    world.traffic(25)
    assert world.desired() == 3
    (activity,) = world.autoscaler.activities
    assert activity["Description"] == "Setting desired instance count to 3."
    assert activity["StatusCode"] == "Successful"
    assert "policy policy" in activity["Cause"]
    world.now = 1000
    world.traffic(500)
    assert world.desired() == 4


def test_scales_no_further_than_the_accounts_quota() -> None:
    world = World(instances=1, most=9)
    world.policy(TRACKING)
    world.traffic(85)
    assert world.desired() == 1
    (activity,) = world.autoscaler.activities
    assert activity["StatusCode"] == "Failed"
    assert activity["StatusMessage"] == "Failed to set desired instance count to 9. Reason: too many"
    assert world.desired() == 1
    assert len(world.autoscaler.activities) == 1


def test_two_minutes_above_the_target_are_not_enough() -> None:
    world = World(instances=1)
    world.policy(TRACKING)
    world.traffic(50)
    world.windows = [50, 50, 5, *[5.0] * 12]
    assert world.desired() == 1


def test_target_tracking_scales_in_after_its_cooldown_and_not_below_the_minimum() -> None:
    world = World(instances=1, least=1)
    world.policy(TRACKING | {"ScaleOutCooldown": 60, "ScaleInCooldown": 60})
    world.traffic(25)
    assert world.desired() == 3
    world.traffic(0)
    assert world.desired() == 3
    world.now = 61
    assert world.desired() == 1


def test_scale_in_can_be_disabled() -> None:
    world = World(instances=3)
    world.policy(TRACKING | {"DisableScaleIn": True})
    world.traffic(0)
    assert world.desired() == 3


def test_a_capacity_outside_the_limits_is_brought_inside() -> None:
    world = World(instances=1, least=2)
    assert world.desired() == 2
    assert world.autoscaler.activities[0]["Cause"] == "minimum capacity was set to 2"


def test_a_suspended_target_does_not_scale() -> None:
    world = World(instances=1)
    world.policy(TRACKING)
    world.traffic(25)
    target: Any = world.backend.targets[DIMENSION][RESOURCE]
    target.suspended_state = {"DynamicScalingOutSuspended": True}
    assert world.desired() == 1


@pytest.mark.parametrize(
    ("kind", "adjustment", "expected"),
    [("ChangeInCapacity", 1, 3), ("ExactCapacity", 4, 4), ("PercentChangeInCapacity", 50, 3)],
)
def test_a_step_policy_acts_on_its_alarm(kind: str, adjustment: int, expected: int) -> None:
    world = World(instances=2)
    steps = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": adjustment}]
    policy = world.policy({"AdjustmentType": kind, "StepAdjustments": steps, "Cooldown": 60}, "StepScaling")
    alarm = SimpleNamespace(
        namespace="AWS/SageMaker", metric_name="HasBacklogWithoutCapacity", dimensions=[], threshold=1, period=60
    )
    state: dict[str, list[Any]] = {}
    world.alarms.triggering = lambda _region, action: state.get(action, [])  # type: ignore[method-assign]
    world.traffic(1)
    assert world.desired() == 2
    state[policy.policy_arn] = [alarm]
    assert world.desired() == expected
    # The alarm is still there, but the policy cools down.
    assert world.desired() == expected


def test_metrics_of_the_last_minutes_are_read_by_their_dimensions() -> None:
    alarms = Alarms(ACCOUNT, 60)
    cloudwatch_backends[ACCOUNT][REGION].metric_data.clear()
    metric = ("AWS/SageMaker", "InvocationsPerInstance", {"VariantName": "one"})
    for value in (1.0, 2.0):
        alarms.record(REGION, metric[0], metric[2], {metric[1]: value})
    alarms.record(REGION, metric[0], {"VariantName": "two"}, {metric[1]: 7.0})
    assert alarms.windows(REGION, metric, "Sum", 2) == [3.0, None]
