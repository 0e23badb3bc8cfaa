"""The CloudWatch alarms of an endpoint, which roll an update back: failed requests, and latency if it is bounded.

An endpoint's metrics are in the namespace AWS/SageMaker with the dimensions EndpointName and VariantName; ModelLatency
is in microseconds (docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html). AWS checks the alarms with the
permissions of the endpoint's execution role (deployment-guardrails-configuration.html), and takes at most ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_common.errors import InputError

# What alarms were before, by name; None for those that are new.
Before = dict[str, Mapping[str, Any] | None]

NAMESPACE = "AWS/SageMaker"
BACKLOG_METRIC = "HasBacklogWithoutCapacity"
MAX_FAILURES = 0.5
_PERIOD = 60
_MOST = 10
_BATCH = 100
# What defines an alarm here (PutMetricAlarm).
_KEYS = (
    *("AlarmDescription", "Namespace", "MetricName", "Statistic", "ExtendedStatistic", "Dimensions", "Period"),
    *("EvaluationPeriods", "Threshold", "ComparisonOperator", "TreatMissingData"),
)
_ERRORS, _FAILURES, _LATENCY, _BACKLOG = "errors", "failures", "latency", "backlog"


@dataclass(frozen=True)
class RollbackAlarm:
    """An alarm on one variant of an endpoint. The name never changes. `definition` is PutMetricAlarm's input."""

    name: str
    definition: Mapping[str, Any]


def rollback_alarms(
    endpoint: str,
    config: str,
    variants: Iterable[str],
    max_latency_ms: float | None,
    max_failures: float = MAX_FAILURES,
) -> tuple[RollbackAlarm, ...]:
    """The alarms on a variant's requests: on HTTP 5xx, on the share that fails, and on the latency if it is bounded.

    MLflow answers HTTP 400 if `predict` raises, so `max_failures` bounds the share of requests, from 0 to 1, that the
    model does not answer with success: errors 4xx and 5xx, time-outs and broken connections. One client with malformed
    requests does not reach it. `max_latency_ms` bounds the 99th percentile.

    They watch the instances of one configuration only, so requests that the old instances fail stop no update.

    Raises:
        InputError: the variants need more alarms than AWS watches.
    """
    found: list[RollbackAlarm] = []
    for variant in variants:
        watched = (endpoint, variant, config)
        metrics = {
            _ERRORS: ({"MetricName": "Invocation5XXErrors", "Statistic": "Sum"}, 0.0),
            _FAILURES: ({"MetricName": "InvocationModelErrors", "Statistic": "Average"}, max_failures),
        }
        found.extend(_alarm(watched, kind, metric, bound) for kind, (metric, bound) in metrics.items())
        if max_latency_ms is not None:
            metric = {"MetricName": "ModelLatency", "ExtendedStatistic": "p99"}
            found.append(_alarm(watched, _LATENCY, metric, max_latency_ms * 1000))
    if len(found) > _MOST:
        raise InputError(
            f"{len(found)} alarms are needed, but AWS watches at most {_MOST} during an update. Deploy fewer variants, "
            "leave --max-latency out, or add --no-alarms."
        )
    return tuple(found)


def place_alarms(cloudwatch: Any, alarms: Iterable[RollbackAlarm], tags: Mapping[str, str], before: Before) -> None:
    """Make the alarms watch what they are defined for. `before` receives what they were, even if a call fails.

    An alarm keeps its state when it is changed (PutMetricAlarm), and one in ALARM would stop the update at once. So an
    alarm that is in ALARM because of an earlier configuration is created anew.
    """
    wanted = tuple(alarms)
    existing = {alarm["AlarmName"]: alarm for alarm in _describe(cloudwatch, [alarm.name for alarm in wanted])}
    for alarm in wanted:
        found = existing.get(alarm.name)
        before[alarm.name] = {key: found[key] for key in _KEYS if key in found} if found else None
        if found and found["StateValue"] == "ALARM":
            cloudwatch.delete_alarms(AlarmNames=[alarm.name])
        elif found and before[alarm.name] == alarm.definition:
            continue
        _put(cloudwatch, alarm.name, alarm.definition, tags)


def restore_alarms(cloudwatch: Any, before: Before, tags: Mapping[str, str]) -> None:
    """Undo `place_alarms`."""
    remove_alarms(cloudwatch, (name for name, definition in before.items() if definition is None))
    for name, definition in before.items():
        if definition is not None:
            # Its state is that of the failed attempt.
            cloudwatch.delete_alarms(AlarmNames=[name])
            _put(cloudwatch, name, definition, tags)


def fired(cloudwatch: Any, alarms: Iterable[RollbackAlarm], reason: str) -> str | None:
    """The name of the alarm that has stopped an update: one that the reason names, or else one that is in ALARM."""
    names = [alarm.name for alarm in alarms]
    if named := next((name for name in names if name in reason), None):
        return named
    return next((found["AlarmName"] for found in _describe(cloudwatch, names) if found["StateValue"] == "ALARM"), None)


def alarms_of(cloudwatch: Any, endpoint: str) -> frozenset[str]:
    """The names of an endpoint's rollback alarms. Another endpoint's name may begin with this one's."""
    return frozenset(
        alarm["AlarmName"]
        for alarm in _named_after(cloudwatch, endpoint)
        for variant in [_variant(alarm, endpoint)]
        if alarm["AlarmName"] in {_name(endpoint, variant, kind) for kind in (_ERRORS, _FAILURES, _LATENCY)}
    )


def backlog_alarms(cloudwatch: Any, endpoint: str) -> frozenset[str]:
    """The names of the alarms that start the first instance of an endpoint's variants with a scaling policy.

    The variants need not be scalable targets: somebody may have deregistered them, which leaves the alarm.
    """
    return frozenset(
        alarm["AlarmName"]
        for alarm in _named_after(cloudwatch, endpoint)
        if alarm.get("MetricName") == BACKLOG_METRIC
        and alarm.get("Dimensions") == [{"Name": "EndpointName", "Value": endpoint}]
        and alarm["AlarmName"].endswith(f"-{_BACKLOG}")
        and any(":scalingPolicy:" in action for action in alarm.get("AlarmActions", []))
    )


def remove_alarms(cloudwatch: Any, names: Iterable[str]) -> None:
    """Delete alarms. DeleteAlarms skips those that do not exist."""
    ordered = sorted(names)
    for start in range(0, len(ordered), _BATCH):
        cloudwatch.delete_alarms(AlarmNames=ordered[start : start + _BATCH])


def scaling_alarm_name(endpoint: str, variant: str) -> str:
    """The name of the alarm that starts the first instance of an asynchronous endpoint. It rolls nothing back."""
    return _name(endpoint, variant, _BACKLOG)


def _name(endpoint: str, variant: str, kind: str) -> str:
    return f"{endpoint}-{variant}-{kind}"


def _alarm(watched: tuple[str, str, str], kind: str, metric: Mapping[str, str], threshold: float) -> RollbackAlarm:
    endpoint, variant, config = watched
    definition = {
        "AlarmDescription": f"Rolls an update of the endpoint {endpoint} back.",
        "Namespace": NAMESPACE,
        **metric,
        # "Monitor on the new fleet": dg/deployment-guardrails-configuration.html.
        "Dimensions": [
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": variant},
            {"Name": "EndpointConfigName", "Value": config},
        ],
        "Period": _PERIOD,
        "EvaluationPeriods": 1,
        "Threshold": float(threshold),
        "ComparisonOperator": "GreaterThanThreshold",
        # There is no data while there are no requests.
        "TreatMissingData": "notBreaching",
    }
    return RollbackAlarm(_name(endpoint, variant, kind), definition)


def _put(cloudwatch: Any, name: str, definition: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    # Tags are taken for a new alarm only (PutMetricAlarm).
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    cloudwatch.put_metric_alarm(AlarmName=name, **definition, Tags=listed)


def _named_after(cloudwatch: Any, endpoint: str) -> Iterator[Any]:
    """The alarms whose names begin with an endpoint's name. They may be those of another endpoint."""
    for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{endpoint}-"):
        yield from page["MetricAlarms"]


def _describe(cloudwatch: Any, names: list[str]) -> list[Any]:
    return list(cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]) if names else []


def _variant(alarm: Mapping[str, Any], endpoint: str) -> str:
    dimensions = {item["Name"]: item["Value"] for item in alarm.get("Dimensions", [])}
    return str(dimensions.get("VariantName", "")) if dimensions.get("EndpointName") == endpoint else ""
