"""CloudWatch's limits of an alarm."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from moto.core.utils import utcnow

from localaws.errors import AwsError
from localaws.quotas.cloudwatch import check

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"
ALARM = {
    "AlarmName": "alarm",
    "Namespace": "AWS/SQS",
    "MetricName": "Messages",
    "Statistic": "Sum",
    "Period": 300,
    "EvaluationPeriods": 3,
    "Threshold": 0.0,
    "AlarmActions": [TOPIC],
}
HERE = SimpleNamespace(region="eu-west-1")
STAT = {"Metric": {"Namespace": "AWS/SQS", "MetricName": "Messages"}, "Period": 300, "Stat": "Sum"}
RATE = {"Id": "rate", "Expression": "sum / 2"}
SUM = {"Id": "sum", "MetricStat": STAT, "ReturnData": False}
BAND = {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(sum, 2)"}
MATH = {"AlarmName": "alarm", "EvaluationPeriods": 3, "Threshold": 0.0, "Metrics": [RATE, SUM]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"DatapointsToAlarm": 4}, "DatapointsToAlarm must be less than or equal to EvaluationPeriods"),
        ({"TreatMissingData": "notbreaching"}, "Option notbreaching is not supported"),
        ({"Period": 90}, "a multiple of 60"),
        ({"EvaluationPeriods": 289}, "across more than a day"),
        ({"Period": 3600, "EvaluationPeriods": 169}, "across more than a day"),
        ({"Metrics": [{"Id": "m"}]}, "exactly one of MetricName, Metrics"),
        ({"MetricName": None}, "exactly one of MetricName, Metrics"),
        ({"EvaluationPeriods": None}, "needs EvaluationPeriods"),
        ({"ExtendedStatistic": "p99"}, "exactly one of Statistic"),
        ({"Statistic": None}, "exactly one of Statistic"),
        ({"Threshold": None}, "needs Threshold"),
        (
            {"OKActions": [TOPIC.replace("eu-west-1", "us-east-1")]},
            "Invalid region us-east-1 specified",
        ),
        ({"OKActions": [TOPIC.replace(":sns:", ":sqs:")]}, "Invalid or unsupported target"),
        ({"Statistic": None, "ExtendedStatistic": "p101"}, "ExtendedStatistic is not supported"),
        ({"AlarmActions": [TOPIC.replace("arn:aws:", "arn:aws-cn:")]}, "Invalid partition aws-cn specified"),
    ],
)
def test_an_alarm_that_cloudwatch_refuses_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        check(HERE, "PutMetricAlarm", ALARM | changed)


DATA: dict[str, Any] = {"Namespace": "own", "MetricData": [{"MetricName": "m", "Value": 1, "Timestamp": utcnow()}]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Namespace": "AWS/EC2"}, "Namespace is invalid"),
        ({"MetricData": 1001 * DATA["MetricData"]}, "greater than 1000"),
        ({"MetricData": [{"MetricName": "m", "Timestamp": utcnow() - timedelta(days=15)}]}, "two weeks"),
        ({"MetricData": [{"MetricName": "m", "Timestamp": utcnow() + timedelta(hours=3)}]}, "two hours"),
    ],
)
def test_values_that_cloudwatch_refuses(changed: dict[str, Any], message: str) -> None:
    check(HERE, "PutMetricData", DATA)
    with pytest.raises(AwsError, match=f"InvalidParameterValue.*{message}"):
        check(HERE, "PutMetricData", DATA | changed)


def test_an_alarm_on_a_promql_query_is_not_implemented() -> None:
    query = {"AlarmName": "alarm", "EvaluationCriteria": {"PromQLCriteria": {"Query": "up"}}, "EvaluationInterval": 60}
    with pytest.raises(AwsError, match="does not have alarms with EvaluationCriteria") as caught:
        check(HERE, "PutMetricAlarm", query)
    assert caught.value.status == 501


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"EvaluationPeriods": 288},
        {"Period": 3600, "EvaluationPeriods": 168},
        {"Period": 10},
        {"Statistic": None, "ExtendedStatistic": "p99.9"},
        {"Statistic": None, "ExtendedStatistic": "TM(10%:90%)"},
        {"AlarmActions": ["arn:aws:automate:eu-west-1:ec2:stop"]},
        {"DatapointsToAlarm": 3},
    ],
)
def test_an_alarm_at_the_limits_is_accepted(changed: dict[str, Any]) -> None:
    check(HERE, "PutMetricAlarm", ALARM | changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Period": 60}, "Specify Period in Metrics"),
        ({"Metrics": [RATE, {**SUM, "Id": "rate"}]}, "are unique"),
        ({"Metrics": [RATE, {**SUM, "Id": "Sum"}]}, "begin with a lowercase letter"),
        ({"Metrics": [RATE, {**SUM, "ReturnData": True}]}, "Exactly one of Metrics"),
        ({"Metrics": [SUM]}, "Exactly one of Metrics"),
        ({"Metrics": [{**RATE, "Expression": "sum /"}, SUM]}, "Error in expression 'rate': Unexpected end"),
        ({"Metrics": [{**RATE, "Expression": "SEARCH('a', 'Sum')"}, SUM]}, "SEARCH is not supported"),
        ({"Metrics": [RATE, {**SUM, "MetricStat": {**STAT, "Stat": "Median"}}]}, "Stat is not supported"),
        ({"Metrics": [RATE, {**SUM, "MetricStat": {**STAT, "Period": 61}}]}, "a multiple of 60"),
        ({"Metrics": [BAND, SUM], "ThresholdMetricId": "band"}, "Exactly one of Metrics"),
        ({"Metrics": [BAND, {**SUM, "ReturnData": True}]}, "Exactly one of Metrics"),
        ({"Metrics": [{**SUM, "Expression": "sum"}]}, "either Expression or MetricStat"),
    ],
)
def test_an_alarm_on_an_expression_names_one_result(changed: dict[str, Any], message: str) -> None:
    check(HERE, "PutMetricAlarm", MATH)
    with pytest.raises(AwsError, match=message):
        check(HERE, "PutMetricAlarm", MATH | changed)


@pytest.mark.parametrize("period", [1, 5])
def test_a_query_may_have_shorter_periods_than_an_alarm(period: int) -> None:
    short = {**SUM, "MetricStat": {**STAT, "Period": period}}
    check(HERE, "GetMetricData", {"MetricDataQueries": [short]})
    for alarm in (MATH | {"Metrics": [RATE, short]}, ALARM | {"Period": period}):
        with pytest.raises(AwsError, match="10, 20, 30 or a multiple of 60"):
            check(HERE, "PutMetricAlarm", alarm)


def test_an_alarm_on_anomalies_returns_the_band_and_the_metric() -> None:
    metrics = [{**BAND, "ReturnData": True}, {**SUM, "ReturnData": True}]
    alarm = {"AlarmName": "alarm", "EvaluationPeriods": 3, "Metrics": metrics, "ThresholdMetricId": "band"}
    check(HERE, "PutMetricAlarm", alarm)
