"""Scaling policies that Application Auto Scaling refuses, each beside one that it accepts."""

from typing import Any

import pytest

from localaws.errors import AwsError
from localaws.quotas.scaling_policies import check

INSTANCES = "sagemaker:variant:DesiredInstanceCount"
CUSTOM = {"MetricName": "m", "Namespace": "n", "Statistic": "Sum"}


def policy(**more: Any) -> dict[str, Any]:
    return {"PolicyName": "p", "ScalableDimension": INSTANCES, **more}


def tracking(metric: str = "SageMakerVariantInvocationsPerInstance", **more: Any) -> dict[str, Any]:
    configuration = {"TargetValue": 1, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}, **more}
    return policy(PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=configuration)


def steps(*bounds: tuple[float | None, float | None], kind: str = "ChangeInCapacity") -> dict[str, Any]:
    """A step scaling policy; None is a bound that is null."""
    names = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
    adjustments = [
        {name: bound for name, bound in zip(names, pair, strict=True) if bound is not None} | {"ScalingAdjustment": 1}
        for pair in bounds
    ]
    configuration = {"AdjustmentType": kind, "StepAdjustments": adjustments}
    return policy(PolicyType="StepScaling", StepScalingPolicyConfiguration=configuration)


@pytest.mark.parametrize(
    "given",
    [
        tracking(),
        tracking(PredefinedMetricSpecification=None, CustomizedMetricSpecification=CUSTOM),
        tracking("ECSServiceAverageCPUUtilization") | {"ScalableDimension": "ecs:service:DesiredCount"},
        steps((0, None)),
        steps((None, -10), (-10, 0)),
        steps((10, None), (0, 10), (None, 0)),
    ],
)
def test_accepts(given: dict[str, Any]) -> None:
    check(None, "PutScalingPolicy", given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (policy(PolicyType="StepScaling"), "needs StepScalingPolicyConfiguration"),
        (tracking() | {"PolicyType": "StepScaling"}, "needs StepScaling"),
        (tracking() | steps((0, None)), "cannot have TargetTracking"),
        (tracking("ECSServiceAverageCPUUtilization"), "only supports the following predefined metric types: SageMaker"),
        (tracking(CustomizedMetricSpecification=CUSTOM), "either PredefinedMetricSpecification or"),
        (tracking(PredefinedMetricSpecification=None), "either PredefinedMetricSpecification or"),
        (steps(), "at least one of StepAdjustments"),
        (steps((0, None), kind=""), "needs AdjustmentType"),
        (steps((None, None)), "can't be null in the same step"),
        (steps((10, 5)), "must be greater than its lower bound"),
        (steps((0, 10), (5, None)), "overlap or have a gap"),
        (steps((0, 10), (20, None)), "overlap or have a gap"),
        (steps((0, None), (5, None)), "overlap or have a gap"),
        (steps((-10, 0)), "null lower bound"),
        (steps((0, 10)), "null upper bound"),
    ],
)
def test_refuses(given: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        check(None, "PutScalingPolicy", given)
