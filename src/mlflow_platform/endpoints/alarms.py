"""The CloudWatch alarms of an endpoint, which roll an update back: failed requests, and latency if it is bounded.

An endpoint's metrics are in the namespace AWS/SageMaker with the dimensions EndpointName and VariantName; ModelLatency
is in microseconds (docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html). AWS checks the alarms with the
permissions of the endpoint's execution role (deployment-guardrails-configuration.html), and takes at most ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_common.errors import InputError, PreconditionError

_NAMESPACE = "AWS/SageMaker"
_PERIOD = 60
_MOST = 10
_BATCH = 100
_ERRORS, _LATENCY = "errors", "latency"


@dataclass(frozen=True)
class RollbackAlarm:
    """An alarm on one variant of an endpoint. The name never changes. `definition` is PutMetricAlarm's input."""

    name: str
    definition: Mapping[str, Any]


def rollback_alarms(endpoint: str, variants: Iterable[str], max_latency_ms: float | None) -> tuple[RollbackAlarm, ...]:
    """The alarms on failed requests (HTTP 5xx) and, with `max_latency_ms`, on the 99th percentile of the latency.

    Raises:
        InputError: the variants need more alarms than AWS watches.
    """
    found: list[RollbackAlarm] = []
    for variant in variants:
        found.append(_alarm(endpoint, variant, _ERRORS, {"MetricName": "Invocation5XXErrors", "Statistic": "Sum"}, 0))
        if max_latency_ms is not None:
            metric = {"MetricName": "ModelLatency", "ExtendedStatistic": "p99"}
            found.append(_alarm(endpoint, variant, _LATENCY, metric, max_latency_ms * 1000))
    if len(found) > _MOST:
        raise InputError(
            f"{len(found)} alarms are needed, but AWS watches at most {_MOST} during an update. Deploy fewer variants, "
            "leave --max-latency out, or add --no-alarms."
        )
    return tuple(found)


def ensure_alarms(cloudwatch: Any, alarms: Iterable[RollbackAlarm], tags: Mapping[str, str]) -> frozenset[str]:
    """Create or correct the alarms. Returns the names of those that did not exist.

    Raises:
        PreconditionError: one of them is in ALARM already, so AWS would roll the update back at once.
    """
    wanted = tuple(alarms)
    existing = {alarm["AlarmName"]: alarm for alarm in _describe(cloudwatch, [alarm.name for alarm in wanted])}
    for alarm in wanted:
        if existing.get(alarm.name, {}).get("StateValue") == "ALARM" and _same(existing[alarm.name], alarm.definition):
            raise PreconditionError(
                f"the alarm {alarm.name} is in ALARM, so AWS would roll the update back. Wait until it is OK, or "
                "deploy with --no-alarms to replace a model that fails."
            )
    for alarm in wanted:
        if alarm.name not in existing or not _same(existing[alarm.name], alarm.definition):
            given: Any = dict(alarm.definition)
            cloudwatch.put_metric_alarm(
                AlarmName=alarm.name,
                **given,
                # Tags are taken for a new alarm only (PutMetricAlarm).
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )
    return frozenset(alarm.name for alarm in wanted if alarm.name not in existing)


def fired(cloudwatch: Any, alarms: Iterable[RollbackAlarm], reason: str) -> str | None:
    """The name of the alarm that has stopped an update: one that the reason names, or else one that is in ALARM."""
    names = [alarm.name for alarm in alarms]
    if named := next((name for name in names if name in reason), None):
        return named
    return next((found["AlarmName"] for found in _describe(cloudwatch, names) if found["StateValue"] == "ALARM"), None)


def alarms_of(cloudwatch: Any, endpoint: str) -> frozenset[str]:
    """The names of an endpoint's rollback alarms. Another endpoint's name may begin with this one's."""
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{endpoint}-")
    return frozenset(
        alarm["AlarmName"]
        for page in pages
        for alarm in page["MetricAlarms"]
        for variant in [_variant(alarm, endpoint)]
        if alarm["AlarmName"] in {_name(endpoint, variant, kind) for kind in (_ERRORS, _LATENCY)}
    )


def remove_alarms(cloudwatch: Any, names: Iterable[str]) -> None:
    """Delete alarms. DeleteAlarms skips those that do not exist."""
    ordered = sorted(names)
    for start in range(0, len(ordered), _BATCH):
        cloudwatch.delete_alarms(AlarmNames=ordered[start : start + _BATCH])


def _name(endpoint: str, variant: str, kind: str) -> str:
    return f"{endpoint}-{variant}-{kind}"


def _alarm(endpoint: str, variant: str, kind: str, metric: Mapping[str, str], threshold: float) -> RollbackAlarm:
    definition = {
        "AlarmDescription": f"Rolls an update of the endpoint {endpoint} back.",
        "Namespace": _NAMESPACE,
        **metric,
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}],
        "Period": _PERIOD,
        "EvaluationPeriods": 1,
        "Threshold": float(threshold),
        "ComparisonOperator": "GreaterThanThreshold",
        # There is no data while there are no requests.
        "TreatMissingData": "notBreaching",
    }
    return RollbackAlarm(_name(endpoint, variant, kind), definition)


def _describe(cloudwatch: Any, names: list[str]) -> list[Any]:
    return list(cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]) if names else []


def _same(alarm: Mapping[str, Any], definition: Mapping[str, Any]) -> bool:
    return all(alarm.get(key) == value for key, value in definition.items())


def _variant(alarm: Mapping[str, Any], endpoint: str) -> str:
    dimensions = {item["Name"]: item["Value"] for item in alarm.get("Dimensions", [])}
    return str(dimensions.get("VariantName", "")) if dimensions.get("EndpointName") == endpoint else ""
