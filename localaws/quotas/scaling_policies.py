"""Scaling policies that Application Auto Scaling refuses.

Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html (configurations),
API_StepAdjustment (the rules of steps), API_StepScalingPolicyConfiguration and
API_TargetTrackingScalingPolicyConfiguration ("either a predefined metric or a customized metric"). The message about
predefined metrics: https://github.com/aws/aws-cdk/issues/29065.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import inf
from typing import Any

from localaws.errors import AwsError

CONFIGURATIONS: Mapping[str, str] = {
    "StepScaling": "StepScalingPolicyConfiguration",
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
}
# The predefined metrics of SageMaker, by scalable dimension.
METRICS: Mapping[str, tuple[str, ...]] = {
    "sagemaker:variant:DesiredInstanceCount": (
        "SageMakerVariantInvocationsPerInstance",
        "SageMakerVariantConcurrentRequestsPerModelHighResolution",
    ),
    "sagemaker:variant:DesiredProvisionedConcurrency": ("SageMakerVariantProvisionedConcurrencyUtilization",),
}


def check(_response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a scaling policy.

    Raises:
        AwsError: ValidationException.
    """
    if operation == "PutScalingPolicy":
        for problem in _problems(given):
            raise AwsError("ValidationException", problem)


def _problems(given: dict[str, Any]) -> Iterator[str]:
    kind = given.get("PolicyType")
    for name, member in CONFIGURATIONS.items():
        if kind == name and not given.get(member):
            yield f"A policy of the type {kind} needs {member}."
        if kind and kind != name and given.get(member):
            yield f"A policy of the type {kind} cannot have {member}."
    tracking = given.get("TargetTrackingScalingPolicyConfiguration")
    if tracking:
        yield from _of_tracking(tracking, given["ScalableDimension"])
    steps = given.get("StepScalingPolicyConfiguration")
    if steps:
        if not steps.get("AdjustmentType") or not steps.get("StepAdjustments"):
            yield "A step scaling policy needs AdjustmentType and at least one of StepAdjustments."
        yield from _of_steps(steps.get("StepAdjustments") or [])


def _of_tracking(tracking: dict[str, Any], dimension: str) -> Iterator[str]:
    predefined = tracking.get("PredefinedMetricSpecification")
    if bool(predefined) == bool(tracking.get("CustomizedMetricSpecification")):
        yield "Specify either PredefinedMetricSpecification or CustomizedMetricSpecification."
    known = METRICS.get(dimension)
    if predefined and known and predefined["PredefinedMetricType"] not in known:
        types = ", ".join(known)
        yield f"Scalable dimension {dimension} only supports the following predefined metric types: {types}"


def _of_steps(steps: list[dict[str, Any]]) -> Iterator[str]:
    ranges = sorted(
        (step.get("MetricIntervalLowerBound", -inf), step.get("MetricIntervalUpperBound", inf)) for step in steps
    )
    if any(one == (-inf, inf) for one in ranges):
        yield "The upper and lower bound can't be null in the same step adjustment."
    if any(upper <= lower for lower, upper in ranges):
        yield "The upper bound of a step adjustment must be greater than its lower bound."
    if any(upper != lower for (_, upper), (lower, _) in pairwise(ranges)):
        yield "The ranges of step adjustments can't overlap or have a gap."
    if ranges and -inf < ranges[0][0] < 0:
        yield "There must be a step adjustment with a null lower bound, because another has a negative one."
    if ranges and 0 < ranges[-1][1] < inf:
        yield "There must be a step adjustment with a null upper bound, because another has a positive one."
