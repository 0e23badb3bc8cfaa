"""Automatic scaling of an endpoint's variants: scalable targets and policies of Application Auto Scaling.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling.html, async-inference-autoscale.html and
endpoint-scaling-update.html beside it.
- A real-time variant follows its requests per minute and instance; an asynchronous one its backlog per instance.
- "If the update would change the instance type for any model that is a target for auto scaling, the update fails."
- Target tracking starts no first instance before the backlog exceeds the target. A step policy on
  HasBacklogWithoutCapacity does; it needs an alarm of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PreconditionError, error_code
from mlflow_platform.endpoints.alarms import (
    BACKLOG_METRIC,
    NAMESPACE,
    backlog_alarms,
    remove_alarms,
    scaling_alarm_name,
)
from mlflow_platform.endpoints.specification import VARIANT
from mlflow_platform.endpoints.state import find, is_missing, tags_of
from mlflow_platform.endpoints.strategy import ALL_AT_ONCE, Strategy

if TYPE_CHECKING:
    from mlflow_common.waiting import Progress
    from mlflow_platform.endpoints.previous import Configuration
    from mlflow_platform.endpoints.resources import Clients
    from mlflow_platform.endpoints.specification import EndpointSpec

_SAGEMAKER = "sagemaker"
_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_OFF = "off"
# The names of the policies on every target.
TRACKING, FROM_ZERO = "mlflow-platform-target-tracking", "mlflow-platform-from-zero"
_MISSING = "ObjectNotFoundException"
# What PutScalingPolicy takes of what DescribeScalingPolicies returns.
_POLICY_KEYS = (
    *("PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension", "PolicyType"),
    *("StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration"),
)


@dataclass(frozen=True)
class Scaling:
    """Bounds of the number of instances, and the metric's target value for each instance.

    The target is requests per minute, or requests in the queue of an asynchronous endpoint.
    """

    least: int
    most: int
    target: float

    def __str__(self) -> str:
        return "off" if self.off else f"{self.least} to {self.most} instances, target {self.target:g}"

    @property
    def off(self) -> bool:
        """Whether the endpoint should not scale."""
        return self.most == 0


@dataclass(frozen=True)
class Saved:
    """A scalable target and its policies, as AWS describes them, and its tags."""

    target: Mapping[str, Any]
    policies: tuple[Mapping[str, Any], ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class RollbackEffect:
    """What a rollback does to scalable targets: which variants are `found`, deregistered meanwhile, and for good."""

    found: Mapping[str, Mapping[str, Any]]
    suspended: tuple[str, ...]
    ended: tuple[str, ...]

    def __str__(self) -> str:
        kept = sorted(set(self.found) - set(self.ended))
        parts = ((self.ended, "ends"), (kept, "is kept"))
        return "; ".join(f"of {', '.join(names)} {what}" for names, what in parts if names)


def parse_scaling(bounds: str | None, target: float | None, *, asynchronous: bool) -> Scaling | None:
    """Read MIN:MAX, or "off"; None if nothing is given.

    Raises:
        InputError: it is not of this form, the target is missing, or AWS has no such bounds.
    """
    if bounds is None:
        if target is not None:
            raise InputError("--target is for --autoscale. Give --autoscale MIN:MAX, too.")
        return None
    if bounds == _OFF:
        if target is not None:
            raise InputError("--autoscale off has no target. Leave --target out.")
        return Scaling(0, 0, 0.0)
    least, _, most = bounds.partition(":")
    if not (least.isdecimal() and most.isdecimal()) or int(most) < 1 or int(least) > int(most):
        raise InputError(f"--autoscale takes MIN:MAX with 1 <= MAX and MIN <= MAX, or off, not {bounds!r}.")
    if int(least) == 0 and not asynchronous:
        raise InputError("--autoscale 0:…: only asynchronous endpoints scale to zero. Use a minimum of 1, or --async.")
    if target is None:
        meaning = "requests in the queue" if asynchronous else "requests per minute"
        raise InputError(f"--autoscale needs --target N: the {meaning} for each instance.")
    if target <= 0:
        raise InputError("--target must be above 0.")
    return Scaling(int(least), int(most), target)


def scaled_variants(client: Any, endpoint: str) -> dict[str, Mapping[str, Any]]:
    """The scalable targets of an endpoint's variants, as AWS describes them, by the variant's name."""
    prefix = f"endpoint/{endpoint}/variant/"
    pages = client.get_paginator("describe_scalable_targets").paginate(
        ServiceNamespace=_SAGEMAKER, ScalableDimension=_DIMENSION
    )
    targets = [target for page in pages for target in page["ScalableTargets"]]
    return {
        target["ResourceId"].removeprefix(prefix): target
        for target in targets
        if target["ResourceId"].startswith(prefix)
    }


def retained(client: Any, endpoint: str) -> dict[str, Any]:
    """What UpdateEndpoint needs so that an endpoint that scales keeps its number of instances. Weights are not kept."""
    if not scaled_variants(client, endpoint):
        return {}
    excluded = [{"VariantPropertyType": "DesiredWeight"}]
    return {"RetainAllVariantProperties": True, "ExcludeRetainedVariantProperties": excluded}


def stop_scaling(client: Any, cloudwatch: Any, endpoint: str, variants: Iterable[str]) -> None:
    """Deregister variants, which deletes their policies, and delete the alarms of the policies. Idempotent."""
    names = sorted(variants)
    for name in names:
        try:
            client.deregister_scalable_target(**_target(endpoint, name))
        except client.exceptions.ClientError as error:
            if error_code(error) != _MISSING:
                raise
    if names:
        cloudwatch.delete_alarms(AlarmNames=[scaling_alarm_name(endpoint, name) for name in names])


class Autoscaling:
    """Makes the variants of endpoints scale."""

    def __init__(self, clients: Clients) -> None:
        self._sagemaker: Any = clients.sagemaker
        self._client, self._cloudwatch = clients.autoscaling, clients.cloudwatch

    @contextmanager
    def during(self, spec: EndpointSpec, wanted: Scaling | None, strategy: Strategy) -> Iterator[None]:
        """Do what an update needs: AWS refuses another instance type while a variant is a scalable target.

        So the targets are deregistered for that update. If it fails, they are registered again.

        Raises:
            PreconditionError: see `check`.
        """
        saved = self._suspend(spec.endpoint, *self.check(spec, wanted, strategy))
        try:
            yield
        except BaseException:
            for one in saved:
                self._restore(spec.endpoint, one)
            raise

    def check(
        self, spec: EndpointSpec, wanted: Scaling | None, strategy: Strategy
    ) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
        """Check that an update is possible. Returns the scalable targets, and the variants that must not be during it.

        Raises:
            PreconditionError: the instance type changes, or a queue comes or goes, and nothing says how the endpoint
                should scale then; or the endpoint has too few instances now for the strategy.
        """
        found = scaled_variants(self._client, spec.endpoint)
        types, counts = self._serving(spec.endpoint) if found else ({}, {})
        queued = spec.asynchronous is not None
        other_kind = sorted(name for name in found if self._follows_other_metric(spec.endpoint, name, queued=queued))
        if other_kind and wanted is None:
            was, advice = (
                ("a real-time", "Leave --async out") if spec.asynchronous else ("an asynchronous", "Add --async")
            )
            raise PreconditionError(
                f"the endpoint {spec.endpoint} scales as {was} endpoint, which it would no longer be. {advice}, or say "
                "how it should scale with --autoscale MIN:MAX --target N, or add --autoscale off."
            )
        other_type = {name for name in found if types.get(name) not in (None, spec.instance_type)}
        changed = sorted(other_type | set(other_kind))
        few = sorted(name for name in found if name not in changed and counts.get(name, 2) < 2)
        if few and strategy.kind != ALL_AT_ONCE:
            raise PreconditionError(
                f"the endpoint {spec.endpoint} has scaled to {counts[few[0]]} instances, which an update keeps, and "
                f"--strategy {strategy.kind} needs 2. Raise the minimum with --autoscale first, or use --strategy "
                "all-at-once."
            )
        if other_type and wanted is None:
            raise PreconditionError(
                f"the endpoint {spec.endpoint} scales automatically, and AWS refuses to change its instance type from "
                f"{types[changed[0]]} meanwhile. Say how the new instances should scale with --autoscale MIN:MAX "
                "--target N, or add --autoscale off."
            )
        return found, changed

    def upon_rollback(self, endpoint: str, to: Configuration) -> RollbackEffect:
        """What a rollback to a configuration does to the scaling.

        An endpoint that gets or loses a queue would follow a metric that it has not, and could stay at zero instances.
        """
        found = scaled_variants(self._client, endpoint)
        types, _ = self._serving(endpoint) if found else ({}, {})
        gone = {name for name in found if name not in to.instance_types}
        ended = gone | {name for name in found if self._follows_other_metric(endpoint, name, queued=to.asynchronous)}
        suspended = {name for name in found if name not in ended and to.instance_types[name] != types.get(name)}
        return RollbackEffect(found, tuple(sorted(suspended)), tuple(sorted(ended)))

    @contextmanager
    def across(self, endpoint: str, to: Configuration, progress: Progress) -> Iterator[None]:
        """Do what a rollback to a configuration does to the scaling. If the rollback fails, everything is restored."""
        effect = self.upon_rollback(endpoint, to)
        saved = self._suspend(endpoint, effect.found, [*effect.suspended, *effect.ended])
        try:
            yield
        except BaseException:
            for one in saved:
                self._restore(endpoint, one)
            raise
        for one in saved[: len(effect.suspended)]:
            self._restore(endpoint, one)
        if effect.ended:
            progress(f"the automatic scaling {effect}. Deploy with --autoscale MIN:MAX --target N to scale again")

    def apply(self, spec: EndpointSpec, wanted: Scaling | None) -> bool:
        """Make the variants that answer requests scale as wanted. Returns whether anything was changed.

        Variants that do not exist any more are deregistered. With None, the others keep what they have.
        """
        found = scaled_variants(self._client, spec.endpoint)
        unwanted = set(found) - set(spec.variants) if wanted is None or not wanted.off else set(found)
        stop_scaling(self._client, self._cloudwatch, spec.endpoint, unwanted)
        if wanted is None:
            return bool(unwanted)
        scaled = () if wanted.off else spec.variants
        changed = [self._scale(spec, name, wanted, found.get(name)) for name in scaled]
        # If somebody deregistered a target, its alarm is still there, and the alarm's policy no longer exists.
        from_zero = {scaling_alarm_name(spec.endpoint, name) for name in scaled} if wanted.least == 0 else set()
        outdated = backlog_alarms(self._cloudwatch, spec.endpoint) - from_zero
        remove_alarms(self._cloudwatch, outdated)
        return any(changed) or bool(unwanted or outdated)

    def bounds(self, endpoint: str) -> str | None:
        """The bounds of an endpoint's main variant; None if it does not scale."""
        found = scaled_variants(self._client, endpoint).get(VARIANT)
        return f"{found['MinCapacity']} to {found['MaxCapacity']} instances" if found else None

    def _scale(self, spec: EndpointSpec, variant: str, wanted: Scaling, found: Mapping[str, Any] | None) -> bool:
        target = _target(spec.endpoint, variant)
        policies = {policy["PolicyName"]: policy for policy in self._policies(spec.endpoint, variant)} if found else {}
        tracking = _tracking(spec, wanted)
        bounds = {"MinCapacity": wanted.least, "MaxCapacity": wanted.most}
        known = policies.get(TRACKING, {}).get("TargetTrackingScalingPolicyConfiguration", {})
        same = found is not None and all(found[key] == value for key, value in bounds.items())
        same = same and all(known.get(key) == value for key, value in tracking.items())
        if same and (FROM_ZERO in policies) == (wanted.least == 0):
            return False
        # Tags are taken for a new target only (RegisterScalableTarget).
        tags = {} if found else {"Tags": dict(spec.tags)}
        self._client.register_scalable_target(**target, **bounds, **tags)
        self._client.put_scaling_policy(
            **target,
            PolicyName=TRACKING,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=tracking,
        )
        if wanted.least == 0:
            policy = self._client.put_scaling_policy(
                **target, PolicyName=FROM_ZERO, PolicyType="StepScaling", StepScalingPolicyConfiguration=_STEP
            )
            self._put_alarm(spec.endpoint, variant, policy["PolicyARN"], spec.tags)
        elif FROM_ZERO in policies:
            self._client.delete_scaling_policy(**target, PolicyName=FROM_ZERO)
            self._cloudwatch.delete_alarms(AlarmNames=[scaling_alarm_name(spec.endpoint, variant)])
        return True

    def _follows_other_metric(self, endpoint: str, variant: str, *, queued: bool) -> bool:
        """Whether a variant scales with its queue although it will have none, or the other way round."""
        tracking = [
            policy["TargetTrackingScalingPolicyConfiguration"]
            for policy in self._policies(endpoint, variant)
            if policy["PolicyName"] == TRACKING
        ]
        return any(("CustomizedMetricSpecification" in one) != queued for one in tracking)

    def _serving(self, endpoint: str) -> tuple[dict[str, str], dict[str, int]]:
        """The instance types and the numbers of instances of the variants that serve now; none without an endpoint."""
        try:
            described = self._sagemaker.describe_endpoint(EndpointName=endpoint)
            config = self._sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
        except self._sagemaker.exceptions.ClientError as error:
            if is_missing(error):
                return {}, {}
            raise
        types = {one["VariantName"]: one.get("InstanceType", "") for one in config["ProductionVariants"]}
        running = described.get("ProductionVariants", [])
        return types, {one["VariantName"]: one["DesiredInstanceCount"] for one in running}

    def _policies(self, endpoint: str, variant: str) -> Iterator[Mapping[str, Any]]:
        pages = self._client.get_paginator("describe_scaling_policies").paginate(**_target(endpoint, variant))
        for page in pages:
            yield from page["ScalingPolicies"]

    def _tags(self, endpoint: str) -> Mapping[str, str]:
        """The tags of the endpoint, which its targets and their alarms have, too. Deployers may list only these."""
        state = find(self._sagemaker, endpoint)
        return tags_of(self._sagemaker, state) if state else {}

    def _suspend(self, endpoint: str, found: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> list[Saved]:
        """Deregister variants, and return what is needed to restore their scaling."""
        changed = list(names)
        tags = self._tags(endpoint) if changed else {}
        saved = [Saved(found[name], tuple(self._policies(endpoint, name)), tags) for name in changed]
        stop_scaling(self._client, self._cloudwatch, endpoint, changed)
        return saved

    def _restore(self, endpoint: str, saved: Saved) -> None:
        keys = ("ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity")
        self._client.register_scalable_target(**{key: saved.target[key] for key in keys}, Tags=dict(saved.tags))
        for policy in saved.policies:
            given = {key: policy[key] for key in _POLICY_KEYS if policy.get(key)}
            arn = self._client.put_scaling_policy(**given)["PolicyARN"]
            if policy["PolicyName"] == FROM_ZERO:
                self._put_alarm(endpoint, saved.target["ResourceId"].rpartition("/")[2], arn, saved.tags)

    def _put_alarm(self, endpoint: str, variant: str, policy: str, tags: Mapping[str, str]) -> None:
        self._cloudwatch.put_metric_alarm(
            AlarmName=scaling_alarm_name(endpoint, variant),
            AlarmDescription=f"Starts an instance of the endpoint {endpoint} when requests wait and none is there.",
            AlarmActions=[policy],
            Namespace=NAMESPACE,
            MetricName=BACKLOG_METRIC,
            Dimensions=[{"Name": "EndpointName", "Value": endpoint}],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=2,
            DatapointsToAlarm=2,
            Threshold=1.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="missing",
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )


# The policy and the alarm of async-inference-autoscale.html, "scales up from zero for new requests".
_STEP: Mapping[str, Any] = {
    "AdjustmentType": "ChangeInCapacity",
    "MetricAggregationType": "Average",
    "Cooldown": 300,
    "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
}


def _target(endpoint: str, variant: str) -> dict[str, Any]:
    resource = f"endpoint/{endpoint}/variant/{variant}"
    return {"ServiceNamespace": _SAGEMAKER, "ResourceId": resource, "ScalableDimension": _DIMENSION}


def _tracking(spec: EndpointSpec, wanted: Scaling) -> dict[str, Any]:
    if not spec.asynchronous:
        metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
        return {"TargetValue": wanted.target, "PredefinedMetricSpecification": metric}
    backlog = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": NAMESPACE,
        "Dimensions": [{"Name": "EndpointName", "Value": spec.endpoint}],
        "Statistic": "Average",
    }
    return {"TargetValue": wanted.target, "CustomizedMetricSpecification": backlog}
