"""CloudWatch alarms: evaluates them on the metrics that localaws records, and sends their notifications.

moto stores alarms and metrics but never evaluates an alarm. Here, an alarm on one metric changes its state as on AWS:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
Alarms on metric math, and alarms on metrics without any data, keep the state that they have.
"""

import json
import logging
import math
import operator
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, MetricDatum, MetricDatumBase, cloudwatch_backends
from moto.core.utils import utcnow
from moto.sns.models import sns_backends

from localaws.metric_series import Metric, MetricSeries, pairs, time_of
from localaws.moto_methods import original

# Memory: about 20 MB. An invocation of an endpoint records 14 values. AWS keeps one-minute data for 15 days.
MOST_DATA = 100_000
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
log = logging.getLogger(__name__)


class Alarms:
    """The alarms and metrics of an account."""

    def __init__(self, account: str, speed: float) -> None:
        """`speed` divides the periods of alarms, so that tests of an alarm take seconds."""
        self._account = account
        self._speed = speed
        self._series: defaultdict[str, MetricSeries] = defaultdict(MetricSeries)

    def record(self, region: str, namespace: str, dimensions: dict[str, str], values: dict[str, float]) -> None:
        """Add a value of each metric."""
        data = self._backend(region).metric_data
        shown = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        now = utcnow()
        added = [MetricDatum(namespace, name, value, [], now) for name, value in values.items()]
        same = MetricDatum(namespace, "", 0.0, shown, now).dimensions
        for datum in added:
            datum.dimensions = same
        data.extend(added)
        if len(data) > MOST_DATA:
            del data[: MOST_DATA // 2]
            log.warning("deleted the %d oldest metric values: sums of their time are too low now", MOST_DATA // 2)

    def exists(self, region: str, name: str) -> bool:
        """Whether there is an alarm of that name."""
        return name in self._backend(region).alarms

    def in_alarm(self, region: str, names: tuple[str, ...], since: datetime | None = None) -> list[str]:
        """The alarms that are in the state ALARM, or have been since a time (naive UTC)."""
        return [name for name in names if _was_in_alarm(self._backend(region).alarms.get(name), since)]

    def windows(
        self, region: str, metric: tuple[str, str, dict[str, str]], statistic: str, count: int, period: float = 60.0
    ) -> list[float | None]:
        """Statistics of the last periods, the newest first; None for a period without data.

        Args:
            metric: namespace, name and dimensions.
            period: in seconds, divided by `speed`.
        """
        namespace, name, dimensions = metric
        found = self._values(region, (namespace, name, frozenset(dimensions.items())), period, count)
        return [_statistic(statistic, values) if values else None for values in found]

    def triggering(self, region: str, action: str) -> list[Any]:
        """The alarms in the state ALARM that have an action."""
        alarms = self._backend(region).alarms.values()
        return [one for one in alarms if one.state_value == "ALARM" and action in (one.alarm_actions or [])]

    def keep_evaluating(self, stopping: threading.Event, seconds: float) -> None:
        """Evaluate every alarm, again and again, until localaws stops."""
        while not stopping.wait(seconds):
            self.evaluate()

    def evaluate(self) -> None:
        """Evaluate every alarm once."""
        for region, backend in list(cloudwatch_backends[self._account].items()):
            for alarm in list(backend.alarms.values()):
                try:
                    state = self._state(alarm, region)
                except (ValueError, KeyError, TypeError):
                    log.exception("alarm %s", alarm.name)
                    continue
                if state and state != alarm.state_value:
                    reason = f"{alarm.metric_name} was evaluated: {alarm.comparison_operator} {alarm.threshold}."
                    alarm.update_state(reason, "{}", state)
                    notify(self._account, alarm)

    def _state(self, alarm: Any, region: str) -> str | None:
        """The new state of an alarm; None if it has no data and keeps its state."""
        compare = _COMPARE.get(alarm.comparison_operator)
        if not alarm.metric_name or compare is None:
            return None
        count = int(alarm.evaluation_periods)
        metric = (alarm.namespace, alarm.metric_name, pairs(alarm.dimensions))
        windows = self._values(region, metric, float(alarm.period), count)
        missing = alarm.treat_missing_data or "missing"
        results = [_breaches(alarm, window, compare) for window in windows]
        if all(result is None for result in results):
            return {"breaching": "ALARM", "notBreaching": "OK"}.get(missing)
        breaching = sum(result is True or (result is None and missing == "breaching") for result in results)
        return "ALARM" if breaching >= int(alarm.datapoints_to_alarm or count) else "OK"

    def _values(self, region: str, metric: Metric, period: float, count: int) -> list[list[float]]:
        """The values of the last periods, the newest period first. Values of the future belong to none yet."""
        width, now = timedelta(seconds=period / self._speed), utcnow()
        windows: list[list[float]] = [[] for _ in range(count)]
        for datum in self._series[region].of(self._backend(region).metric_data, metric, now - count * width):
            age = now - time_of(datum)
            if timedelta() <= age < count * width and isinstance(datum, MetricDatum):
                windows[int(age / width)].append(datum.value)
        return windows

    def _backend(self, region: str) -> Any:
        return cloudwatch_backends[self._account][region]


def notify(account: str, alarm: Any) -> None:
    """Publish a change of an alarm's state to the topics of its actions."""
    actions = {"ALARM": alarm.alarm_actions, "OK": alarm.ok_actions}.get(
        alarm.state_value, alarm.insufficient_data_actions
    )
    if not alarm.actions_enabled:
        return
    message = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": account,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "Region": alarm.region_name,
        "AlarmArn": alarm.alarm_arn,
    }
    for arn in actions or []:
        topic = sns_backends[account][alarm.region_name].topics.get(arn)
        if topic is not None:
            topic.publish(json.dumps(message), subject=f'{alarm.state_value}: "{alarm.name}"'[:100])


def install(account: str) -> None:
    """Let SetAlarmState send notifications, and GetMetricStatistics read only the metric with exactly the dimensions.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Dimension: "CloudWatch
    treats each unique combination of dimensions as a separate metric".
    """
    set_state = original(CloudWatchBackend.set_alarm_state)
    accepts = original(MetricDatumBase.filter)

    @wraps(set_state)
    def set_alarm_state(self: Any, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        before = self.alarms[alarm_name].state_value if alarm_name in self.alarms else None
        set_state(self, alarm_name, reason, reason_data, state_value)
        if before != state_value and alarm_name in self.alarms:
            notify(account, self.alarms[alarm_name])

    @wraps(accepts)
    def accept(self: Any, namespace: Any, name: Any, dimensions: Any, already_present_metrics: Any = None) -> bool:
        # Only ListMetrics, which also finds metrics with more dimensions, passes a list.
        if already_present_metrics is None and len(self.dimensions) != len(dimensions):
            return False
        return bool(accepts(self, namespace, name, dimensions, already_present_metrics))

    CloudWatchBackend.set_alarm_state = set_alarm_state
    MetricDatumBase.filter = accept


def _breaches(alarm: Any, values: list[float], compare: Callable[[float, float], bool]) -> bool | None:
    if not values:
        return None
    return compare(_statistic(alarm.statistic or alarm.extended_statistic, values), float(alarm.threshold))


def _was_in_alarm(alarm: Any, since: datetime | None) -> bool:
    if alarm is None:
        return False
    if alarm.state_value == "ALARM":
        return True
    # moto's history holds the states that have ended, each with the time when it began.
    return since is not None and any(
        state == "ALARM" and began.replace(tzinfo=None) >= since for _, _, _, state, began in alarm.history
    )


def _statistic(name: str, values: list[float]) -> float:
    """A statistic of an alarm: Sum, Average, Minimum, Maximum, SampleCount, or a percentile such as p99."""
    if name.startswith("p"):
        ordered = sorted(values)
        return ordered[max(0, math.ceil(float(name[1:]) / 100 * len(ordered)) - 1)]
    simple: dict[str, Callable[[list[float]], float]] = {
        "Sum": sum,
        "Average": lambda given: sum(given) / len(given),
        "Minimum": min,
        "Maximum": max,
        "SampleCount": lambda given: float(len(given)),
    }
    return simple[name](values)
