"""Alarms are evaluated on recorded metrics, and send notifications."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from localaws.alarms import Alarms, install

ACCOUNT, REGION = "123456789012", "us-east-1"
DIMENSIONS = {"EndpointName": "iris", "VariantName": "AllTraffic"}


@pytest.fixture(scope="module")
def client() -> Any:
    return boto3.Session("test", "test", region_name=REGION).client("cloudwatch")


@pytest.fixture
def cloudwatch(client: Any) -> Iterator[Any]:
    with mock_aws():
        yield client


def alarm(cloudwatch: Any, **changes: Any) -> None:
    """An alarm of more than one server error in a minute."""
    given = {
        "AlarmName": "errors",
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocation5XXErrors",
        "Dimensions": [{"Name": name, "Value": value} for name, value in DIMENSIONS.items()],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }
    cloudwatch.put_metric_alarm(**{name: value for name, value in given.items() if value is not None})


def state(cloudwatch: Any) -> str:
    found: str = cloudwatch.describe_alarms(AlarmNames=["errors"])["MetricAlarms"][0]["StateValue"]
    return found


def errors(alarms: Alarms, *values: float, **dimensions: str) -> None:
    for value in values:
        alarms.record(REGION, "AWS/SageMaker", DIMENSIONS | dimensions, {"Invocation5XXErrors": value})


def test_goes_off_when_the_threshold_is_exceeded(cloudwatch: Any) -> None:
    alarms = Alarms(ACCOUNT, speed=1)
    alarm(cloudwatch)
    errors(alarms, 1, 0, 0)
    alarms.evaluate()
    assert state(cloudwatch) == "OK"
    errors(alarms, 1)
    alarms.evaluate()
    assert state(cloudwatch) == "ALARM"
    assert alarms.in_alarm(REGION, ("errors", "other")) == ["errors"]


@pytest.mark.parametrize(
    ("statistic", "threshold", "expected"),
    [("Average", 2.4, "ALARM"), ("Average", 2.5, "OK"), ("Maximum", 3, "ALARM"), ("SampleCount", 3, "ALARM"),
     ("Minimum", 1, "OK")],
)  # fmt: skip
def test_evaluates_each_statistic(cloudwatch: Any, statistic: str, threshold: float, expected: str) -> None:
    alarms = Alarms(ACCOUNT, speed=1)
    alarm(cloudwatch, Statistic=statistic, Threshold=threshold)
    errors(alarms, 1, 2, 3, 4)
    alarms.evaluate()
    assert state(cloudwatch) == expected


def test_evaluates_percentiles(cloudwatch: Any) -> None:
    alarms = Alarms(ACCOUNT, speed=1)
    alarm(cloudwatch, Statistic=None, ExtendedStatistic="p90", Threshold=8.5)
    errors(alarms, *range(1, 11))
    alarms.evaluate()
    assert state(cloudwatch) == "ALARM"


def test_ignores_other_dimensions(cloudwatch: Any) -> None:
    alarms = Alarms(ACCOUNT, speed=1)
    alarm(cloudwatch)
    errors(alarms, 5, EndpointConfigName="new")
    errors(alarms, 5, VariantName="other")
    alarms.evaluate()
    assert state(cloudwatch) == "OK"


@pytest.mark.parametrize(
    ("missing", "expected"), [("breaching", "ALARM"), ("notBreaching", "OK"), ("missing", "OK"), ("ignore", "OK")]
)
def test_treats_missing_data_as_the_alarm_says(cloudwatch: Any, missing: str, expected: str) -> None:
    alarm(cloudwatch, TreatMissingData=missing)
    Alarms(ACCOUNT, speed=1).evaluate()
    assert state(cloudwatch) == expected


def test_remembers_that_an_alarm_went_off_for_a_moment(cloudwatch: Any) -> None:
    from moto.core.utils import utcnow

    alarms, began = Alarms(ACCOUNT, speed=1), utcnow()
    alarm(cloudwatch)
    for value in ("ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName="errors", StateValue=value, StateReason="test")
    assert alarms.in_alarm(REGION, ("errors",), began) == ["errors"]
    assert alarms.in_alarm(REGION, ("errors",), utcnow()) == []


def test_notifies_the_topic_of_the_action(cloudwatch: Any) -> None:
    install(ACCOUNT)
    sns, sqs = boto3.client("sns", REGION), boto3.client("sqs", REGION)
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    alarm(cloudwatch, AlarmActions=[topic])
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    content = json.loads(json.loads(message["Body"])["Message"])
    assert (content["AlarmName"], content["NewStateValue"]) == ("errors", "ALARM")


def test_metrics_are_read_by_exactly_their_dimensions(cloudwatch: Any) -> None:
    """On AWS, each combination of dimensions is a metric of its own."""
    install(ACCOUNT)
    alarms = Alarms(ACCOUNT, speed=1)
    errors(alarms, 1, 1)
    errors(alarms, 5, EndpointConfigName="new")
    now = datetime.now(UTC)
    found = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": name, "Value": value} for name, value in DIMENSIONS.items()],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
        Period=3600,
        Statistics=["Sum"],
    )
    assert sum(point["Sum"] for point in found["Datapoints"]) == 2


def test_a_late_value_of_an_earlier_time_hides_no_newer_one(cloudwatch: Any) -> None:
    alarms = Alarms(ACCOUNT, speed=1)
    alarm(cloudwatch)
    errors(alarms, 5)
    data = {"MetricName": "Invocation5XXErrors", "Value": 0, "Timestamp": datetime.now(UTC) - timedelta(hours=1)}
    shown = [{"Name": name, "Value": value} for name, value in DIMENSIONS.items()]
    cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[data | {"Dimensions": shown}])
    alarms.evaluate()
    assert state(cloudwatch) == "ALARM"


def test_a_value_of_the_future_does_not_count_yet(cloudwatch: Any) -> None:
    alarms = Alarms(ACCOUNT, speed=1)
    alarm(cloudwatch, EvaluationPeriods=3)
    data = {"MetricName": "Invocation5XXErrors", "Value": 9, "Timestamp": datetime.now(UTC) + timedelta(minutes=2)}
    shown = [{"Name": name, "Value": value} for name, value in DIMENSIONS.items()]
    cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[data | {"Dimensions": shown}])
    alarms.evaluate()
    assert state(cloudwatch) == "OK"


def test_says_when_old_values_are_deleted(
    cloudwatch: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("localaws.alarms.MOST_DATA", 10)
    alarms = Alarms(ACCOUNT, speed=1)
    errors(alarms, *[1.0] * 10)
    assert caplog.messages == []
    errors(alarms, 1)
    assert caplog.messages == ["deleted the 5 oldest metric values: sums of their time are too low now"]
    metric = ("AWS/SageMaker", "Invocation5XXErrors", DIMENSIONS)
    assert alarms.windows(REGION, metric, "Sum", 1) == [6.0]
