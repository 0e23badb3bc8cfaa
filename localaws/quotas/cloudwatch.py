"""What CloudWatch refuses in an alarm, in a query and in the values of metrics.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html (Period,
EvaluationPeriods, TreatMissingData), API_PutMetricData and API_MetricStat. The messages: hashicorp/terraform#24070
(DatapointsToAlarm), cds-snc/notification-terraform#128 (regions of actions) and
aws-samples/amazon-cloudwatch-auto-alarms#61 (partitions).
"""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from localaws import metric_math
from localaws.errors import AwsError

# Below a minute: of alarms (API_PutMetricAlarm, Period), and of queries (API_MetricStat, Period).
ALARM_PERIODS = (10, 20, 30)
QUERY_PERIODS = (1, 5, 10, 20, 30)
MINUTE, HOUR, DAY = 60, 3600, 86400
WEEK = 7 * DAY
MISSING_DATA = ("breaching", "notBreaching", "ignore", "missing")
ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
# The services of actions: API_PutMetricAlarm (AlarmActions).
TARGETS = frozenset({"automate", "autoscaling", "lambda", "sns", "ssm", "ssm-incidents", "swf", "aiops"})
WATCHED = ("MetricName", "Metrics", "EvaluationCriteria")
# "If you use the Metrics parameter, you cannot include" these (API_PutMetricAlarm, Metrics).
OF_ONE_METRIC = ("Dimensions", "ExtendedStatistic", "Namespace", "Period", "Statistic", "Unit")
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html (Id)
_IDENTIFIER = re.compile(r"[a-z]\w*", re.ASCII)
METRICS = 1000
POINTS = 1440
RESOLUTIONS = (1, 60)  # API_MetricDatum (StorageResolution)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
_SIMPLE = ("Average", "IQM", "Maximum", "Minimum", "SampleCount", "Sum")
_PERCENT = r"(100(\.0+)?|\d{1,2}(\.\d{1,10})?)%?"
_STATISTIC = re.compile(
    rf"{'|'.join(_SIMPLE)}|(p|tm|wm|tc|ts){_PERCENT}|(TM|WM|TC|TS|PR)\([\d.]*%?:[\d.]*%?\)", re.ASCII
)
# "The time stamp can be up to two weeks before the current date, and up to 2 hours after" (API_MetricDatum).
PAST, FUTURE = 14 * DAY, 2 * HOUR


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse an alarm that CloudWatch refuses.

    Raises:
        AwsError: ValidationError; NotImplemented, the alarm watches a PromQL query.
    """
    if operation == "PutMetricAlarm":
        for problem in _problems(response.region, given):
            raise AwsError("ValidationError", problem)
        if given.get("EvaluationCriteria"):
            raise AwsError("NotImplemented", "localaws does not have alarms with EvaluationCriteria.", 501)
    elif operation == "GetMetricData":
        for problem in _of_queries(given["MetricDataQueries"], QUERY_PERIODS):
            raise AwsError("ValidationError", problem)
    elif operation == "PutMetricData":
        _check_data(given)
    elif operation == "GetMetricStatistics":
        # "If you request more than 1,440 data points, CloudWatch returns an error": API_GetMetricStatistics
        points = (given["EndTime"] - given["StartTime"]).total_seconds() / given["Period"]
        if points > POINTS:
            message = f"You have requested up to {points:.0f} datapoints, which exceeds the limit of {POINTS}."
            raise AwsError("InvalidParameterCombination", message)


def _check_data(given: dict[str, Any]) -> None:
    """API_PutMetricData: the namespaces of AWS are reserved, "no more than 1000 different metrics"."""
    if given["Namespace"].startswith("AWS/"):
        raise AwsError("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
    if len(given.get("MetricData") or []) > METRICS:
        message = f"The collection MetricData must not have a size greater than {METRICS}."
        raise AwsError("InvalidParameterValue", message)
    now = time.time()
    for number, datum in enumerate(given.get("MetricData") or [], 1):
        if datum.get("StorageResolution", RESOLUTIONS[0]) not in RESOLUTIONS:
            name = f"MetricData.member.{number}.StorageResolution"
            raise AwsError("InvalidParameterValue", f"The parameter {name} must be 1 or 60.")
        stamp = datum.get("Timestamp")
        if isinstance(stamp, datetime) and not now - PAST <= stamp.replace(tzinfo=UTC).timestamp() <= now + FUTURE:
            name = f"MetricData.member.{number}.Timestamp"
            message = f"The parameter {name} must specify a time within the past two weeks and the next two hours."
            raise AwsError("InvalidParameterValue", message)


def _problems(region: str, given: dict[str, Any]) -> Iterator[str]:
    if sum(bool(given.get(name)) for name in WATCHED) != 1:
        yield "Specify exactly one of MetricName, Metrics and EvaluationCriteria."
    count = given.get("EvaluationPeriods") or 0
    if not count and not given.get("EvaluationCriteria"):
        yield "An alarm on metrics needs EvaluationPeriods."
    if (given.get("DatapointsToAlarm") or 0) > count:
        yield "DatapointsToAlarm must be less than or equal to EvaluationPeriods"
    missing = given.get("TreatMissingData")
    if missing and missing not in MISSING_DATA:
        yield f"Option {missing} is not supported. Supported options for parameter TreatMissingData are {MISSING_DATA}."
    if given.get("MetricName"):
        yield from _of_one_metric(given)
    if given.get("Metrics"):
        yield from _of_metrics(given, given["Metrics"])
    period = given.get("Period")
    if period and period not in ALARM_PERIODS and period % MINUTE:
        yield _period(ALARM_PERIODS)
    if period and period * count > (WEEK if period >= HOUR else DAY):
        yield "Metrics cannot be checked across more than a day, or seven days with a period of an hour or more."
    for arn in [arn for name in ACTIONS for arn in given.get(name) or []]:
        # arn:PARTITION:SERVICE:REGION:…
        parts = [*str(arn).split(":"), *3 * [""]]
        if parts[2] not in TARGETS:
            yield f"Invalid or unsupported target: {arn}"
        if parts[1] != "aws":
            yield f"Invalid partition {parts[1]} specified. Only aws is supported."
        if parts[3] and parts[3] != region:
            yield f"Invalid region {parts[3]} specified. Only {region} is supported."


def _of_metrics(given: dict[str, Any], queries: list[dict[str, Any]]) -> Iterator[str]:
    for name in OF_ONE_METRIC:
        if given.get(name):
            yield f"Specify {name} in Metrics, not beside it."
    yield from _of_queries(queries, ALARM_PERIODS)
    for query in queries:
        if "SEARCH" in metric_math.functions(query.get("Expression") or ""):
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-search-expressions.html
            yield "SEARCH is not supported on Metric Alarms."
    # The band of an anomaly detection alarm returns data too (API_PutMetricAlarm, ThresholdMetricId).
    band = given.get("ThresholdMetricId")
    watched = [query for query in queries if not band or query.get("Id") != band]
    if sum(query.get("ReturnData") is not False for query in watched) != 1:
        yield "Exactly one of Metrics, besides ThresholdMetricId, has ReturnData true."


def _of_queries(queries: list[dict[str, Any]], short: tuple[int, ...]) -> Iterator[str]:
    identifiers = [str(query.get("Id") or "") for query in queries]
    if len(set(identifiers)) < len(identifiers) or not all(map(_IDENTIFIER.fullmatch, identifiers)):
        yield "The Ids of Metrics begin with a lowercase letter, have letters, digits and _, and are unique."
    if any(bool(query.get("Expression")) == bool(query.get("MetricStat")) for query in queries):
        yield "Each of Metrics has either Expression or MetricStat."
    for query in queries:
        problem = metric_math.problem(query["Expression"], set(identifiers)) if query.get("Expression") else ""
        if problem:
            yield f"Error in expression '{query['Id']}': {problem}"
        stat = query.get("MetricStat")
        if stat and not _STATISTIC.fullmatch(stat["Stat"]):
            yield f"The value {stat['Stat']} for parameter MetricStat.Stat is not supported."
        if stat and stat["Period"] not in short and stat["Period"] % MINUTE:
            yield _period(short)


def _period(short: tuple[int, ...]) -> str:
    return f"Period must be {', '.join(map(str, short))} or a multiple of 60."


def _of_one_metric(given: dict[str, Any]) -> Iterator[str]:
    if not given.get("Namespace") or not given.get("Period"):
        yield "An alarm on a metric needs Namespace and Period."
    if bool(given.get("Statistic")) == bool(given.get("ExtendedStatistic")):
        yield "Specify exactly one of Statistic and ExtendedStatistic."
    if given.get("ExtendedStatistic") and not _STATISTIC.fullmatch(given["ExtendedStatistic"]):
        yield f"The value {given['ExtendedStatistic']} for parameter ExtendedStatistic is not supported."
    if given.get("Threshold") is None and not given.get("ThresholdMetricId"):
        yield "An alarm on a metric needs Threshold."
