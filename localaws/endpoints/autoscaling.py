"""Application Auto Scaling of variants: changes the desired instance counts as scaling policies say.

Sources: https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html and
step-scaling-policy-overview.html beside it, https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling.html.
A target tracking policy scales out when its metric is above the target for three minutes, and in when it is below 90 %
of it for 15 minutes, as the alarms that AWS creates for it do. These alarms are not created here. Minutes and cooldowns
are divided by Settings.speed.
"""

import logging
import math
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from localaws.alarms import Alarms
from localaws.endpoints.deployment import Variant
from localaws.endpoints.endpoints import Endpoint, Endpoints
from localaws.endpoints.scaling import Scaling
from localaws.errors import AwsError

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
HIGH_MINUTES, LOW_MINUTES, LOW_SHARE = 3, 15, 0.9
# The default of each cooldown of SageMaker's targets.
COOLDOWN_SECONDS = 300
# AWS keeps the activities of six weeks.
MOST_ACTIVITIES = 1000
INVOCATIONS = "SageMakerVariantInvocationsPerInstance"
log = logging.getLogger(__name__)


class Autoscaler:
    """Evaluates the policies of one account."""

    def __init__(
        self,
        account: str,
        endpoints: Endpoints,
        scaling: Scaling,
        alarms: Alarms,
        speed: float,
        clock: Callable[[], float] = time.monotonic,
        check_quota: Callable[[str, Counter[str]], None] = lambda _region, _more: None,
    ) -> None:
        """`check_quota` refuses more instances, by type, than the account may have in a region."""
        self._account = account
        self._endpoints = endpoints
        self._scaling = scaling
        self._alarms = alarms
        self._speed = speed
        self._clock = clock
        self._check_quota = check_quota
        # The end of the cooldown after scaling out and in, by resource.
        self._cool: dict[tuple[str, str, bool], float] = {}
        self.activities: deque[dict[str, Any]] = deque(maxlen=MOST_ACTIVITIES)

    def variant(self, region: str, resource: str) -> tuple[Endpoint, Variant] | None:
        """The variant of a resource id such as endpoint/NAME/variant/NAME, if it is in service."""
        parts = resource.split("/")
        if len(parts) != 4 or (parts[0], parts[2]) != ("endpoint", "variant"):
            return None
        endpoint = self._endpoints.find(f"arn:aws:sagemaker:{region}:{self._account}:endpoint/{parts[1]}")
        if endpoint is None or endpoint.live is None:
            return None
        found = [one for one in endpoint.live.variants if one.name == parts[3]]
        return (endpoint, found[0]) if found else None

    def evaluate(self) -> None:
        """Evaluate every policy once."""
        for region, backend in list(_backends(self._account).items()):
            for target in list(backend.targets.get(DIMENSION, {}).values()):
                found = self.variant(region, target.resource_id)
                if found and found[0].record.endpoint_status == "InService":
                    policies = [one for one in backend.policies.values() if one.resource_id == target.resource_id]
                    try:
                        self._evaluate(region, target, policies, *found)
                    except (KeyError, TypeError, ValueError):
                        log.exception("The scaling policies of %s", target.resource_id)

    def _evaluate(self, region: str, target: Any, policies: list[Any], endpoint: Endpoint, variant: Variant) -> None:
        current = variant.instances
        wanted, cause = current, ""
        suspended = target.suspended_state or {}
        for policy in policies:
            proposed = self._proposed(region, target, policy, endpoint, variant)
            # With several policies, the largest capacity counts: AWS gives availability priority.
            if proposed is not None and (not cause or proposed > wanted):
                wanted, cause = proposed, f"policy {policy.policy_name}"
        least, most = int(target.min_capacity), int(target.max_capacity)
        if not cause and not least <= current <= most:
            cause = f"minimum capacity was set to {least}" if current < least else f"maximum capacity was set to {most}"
        wanted = min(most, max(least, wanted))
        if wanted == current or not cause:
            return
        direction = "DynamicScalingOutSuspended" if wanted > current else "DynamicScalingInSuspended"
        if suspended.get(direction):
            return
        self._scale(target.resource_id, endpoint, variant, wanted, cause)
        self._cool_down(target.resource_id, policies, out=wanted > current)

    def _proposed(self, region: str, target: Any, policy: Any, endpoint: Endpoint, variant: Variant) -> int | None:
        """The capacity that a policy asks for; None if it asks for nothing or cools down."""
        tracking = policy.target_tracking_scaling_policy_configuration
        if tracking:
            proposed = self._tracked(region, tracking, endpoint, variant)
        else:
            proposed = self._stepped(region, policy, variant.instances)
        if proposed is None or proposed == variant.instances:
            return None
        cool = self._cool.get((target.resource_id, policy.policy_name, proposed > variant.instances), 0.0)
        return None if self._clock() < cool else proposed

    def _tracked(self, region: str, tracking: dict[str, Any], endpoint: Endpoint, variant: Variant) -> int | None:
        values = self._values(region, tracking, endpoint, variant)
        aim, current = float(tracking["TargetValue"]), variant.instances
        recent = [value for value in values[:HIGH_MINUTES] if value is not None]
        if len(recent) == HIGH_MINUTES and min(recent) > aim:
            return math.ceil(round(current * (sum(recent) / len(recent)) / aim, 6))
        known = [value for value in values if value is not None]
        if tracking.get("DisableScaleIn") or len(known) < LOW_MINUTES or max(known) >= aim * LOW_SHARE:
            return None
        return math.ceil(round(current * (sum(known) / len(known)) / aim, 6))

    def _values(
        self, region: str, tracking: dict[str, Any], endpoint: Endpoint, variant: Variant
    ) -> list[float | None]:
        """The metric of the last minutes, the newest first."""
        if tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType") == INVOCATIONS:
            dimensions = {"EndpointName": endpoint.name, "VariantName": variant.name}
            metric = ("AWS/SageMaker", "InvocationsPerInstance", dimensions)
            # "If traffic to a variant becomes zero, … SageMaker AI emits metrics with a value of zero."
            return [value or 0.0 for value in self._alarms.windows(region, metric, "Sum", LOW_MINUTES)]
        given = tracking.get("CustomizedMetricSpecification", {})
        if "MetricName" not in given:
            return [None] * LOW_MINUTES
        dimensions = {one["Name"]: one["Value"] for one in given.get("Dimensions", [])}
        metric = (given["Namespace"], given["MetricName"], dimensions)
        return self._alarms.windows(region, metric, given["Statistic"], LOW_MINUTES)

    def _stepped(self, region: str, policy: Any, current: int) -> int | None:
        """A step scaling policy acts while an alarm with its ARN as action is in the state ALARM."""
        given = policy.step_scaling_policy_configuration or {}
        for alarm in self._alarms.triggering(region, policy.policy_arn):
            dimensions = {one.name: one.value for one in alarm.dimensions}
            metric = (alarm.namespace, alarm.metric_name, dimensions)
            statistic = str(given.get("MetricAggregationType") or "Average")
            (value,) = self._alarms.windows(region, metric, statistic, 1, float(alarm.period))
            breach = (float(alarm.threshold) if value is None else value) - float(alarm.threshold)
            for step in given.get("StepAdjustments", []):
                lower = float(step.get("MetricIntervalLowerBound", -math.inf))
                upper = float(step.get("MetricIntervalUpperBound", math.inf))
                inside = lower <= breach < upper if breach >= 0 else lower < breach <= upper
                if inside:
                    return _adjusted(given, int(step["ScalingAdjustment"]), current)
        return None

    def _scale(self, resource: str, endpoint: Endpoint, variant: Variant, wanted: int, cause: str) -> None:
        now, refused = datetime.now(UTC), ""
        try:
            self._check_quota(endpoint.region, Counter({variant.instance_type: wanted - variant.instances}))
            variant.state["DesiredInstanceCount"] = wanted
        except AwsError as error:
            # API_ScalingActivity has the status; AWS documents no text for this case.
            refused = f"Failed to set desired instance count to {wanted}. Reason: {error.message}"
        self.activities.appendleft(
            {
                "ActivityId": str(uuid.uuid4()),
                "ServiceNamespace": "sagemaker",
                "ResourceId": resource,
                "ScalableDimension": DIMENSION,
                "Description": f"Setting desired instance count to {wanted}.",
                "Cause": cause if cause.startswith("m") else f"monitor alarm in state ALARM triggered {cause}",
                "StartTime": now,
                "EndTime": now,
                "StatusCode": "Failed" if refused else "Successful",
                "StatusMessage": refused
                or f"Successfully set desired instance count to {wanted}. Change successfully fulfilled by sagemaker.",
            }
        )
        if not refused:
            self._scaling.apply(endpoint)

    def _cool_down(self, resource: str, policies: list[Any], *, out: bool) -> None:
        for policy in policies:
            tracking = policy.target_tracking_scaling_policy_configuration
            if tracking:
                name = "ScaleOutCooldown" if out else "ScaleInCooldown"
                seconds = tracking.get(name, COOLDOWN_SECONDS)
            else:
                seconds = (policy.step_scaling_policy_configuration or {}).get("Cooldown", COOLDOWN_SECONDS)
            end = self._clock() + float(seconds) / self._speed
            # After scaling out, the policy does not scale in before the cooldown is over, either.
            self._cool[resource, policy.policy_name, out] = end
            if out:
                self._cool[resource, policy.policy_name, False] = max(
                    end, self._cool.get((resource, policy.policy_name, False), 0.0)
                )


def _backends(account: str) -> Mapping[str, Any]:
    """moto's backends by region. Until a call or a saved state has loaded moto's module, there are none."""
    # Another thread may be loading the module just now.
    backends = getattr(sys.modules.get("moto.applicationautoscaling.models"), "applicationautoscaling_backends", None)
    return cast(Mapping[str, Any], backends[account]) if backends else {}


def is_target(account: str, region: str, endpoint: str, variant: str) -> bool:
    """Whether a variant is registered as a scalable target."""
    backend = _backends(account).get(region)
    return backend is not None and f"endpoint/{endpoint}/variant/{variant}" in backend.targets.get(DIMENSION, {})


def deregister(account: str, region: str, endpoint: str) -> None:
    """Remove the targets and policies of a deleted endpoint, as AWS does.

    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-delete-with-scaling.html
    """
    backend = _backends(account).get(region)
    if backend is None:
        return
    for resource in [one for one in backend.targets.get(DIMENSION, {}) if one.startswith(f"endpoint/{endpoint}/")]:
        del backend.targets[DIMENSION][resource]
        for key in [key for key, policy in backend.policies.items() if policy.resource_id == resource]:
            del backend.policies[key]


def _adjusted(given: dict[str, Any], adjustment: int, current: int) -> int:
    kind = given["AdjustmentType"]
    if kind == "ExactCapacity":
        return adjustment
    if kind == "PercentChangeInCapacity":
        change = current * adjustment / 100
        whole = math.ceil(change) if change < 0 else math.floor(change)
        least = int(given.get("MinAdjustmentMagnitude", 1))
        adjustment = int(math.copysign(max(abs(whole), least), adjustment))
    return max(0, current + adjustment)
