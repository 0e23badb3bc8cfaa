"""Updates that move the traffic in steps, and roll back when an alarm goes off. No request fails."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.endpoints.hosted import Hosted, unique
from tests.localaws.endpoints.streaming import Stream

CANARY = {
    "BlueGreenUpdatePolicy": {
        # Three seconds at the speed of tests.
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "WaitIntervalInSeconds": 180,
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        },
        "MaximumExecutionTimeoutInSeconds": 3600,
    }
}


def guarded(alarm: str) -> dict[str, Any]:
    return {**CANARY, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]}}


def alarm(hosted: Hosted, endpoint: str, config: str) -> str:
    """An alarm of the errors of one configuration's fleet."""
    name = unique("alarm")
    dimensions = {"EndpointName": endpoint, "VariantName": "one", "EndpointConfigName": config}
    hosted.localaws.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SageMaker",
        MetricName="InvocationModelErrors",
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    return name


def test_a_canary_receives_its_share_and_an_alarm_rolls_it_back(hosted: Hosted, obedient: Path) -> None:
    name = hosted.endpoint(obedient, GREETING="first")
    first = hosted.describe(name)["EndpointConfigName"]
    model = hosted.model(obedient, GREETING="second")
    second = hosted.config(model, InitialInstanceCount=2)

    with pytest.raises(ClientError, match="of which there are 1"):
        hosted.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=hosted.config(model), DeploymentConfig=CANARY
        )
    with pytest.raises(ClientError, match="CloudWatch alarm nowhere"):
        hosted.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=second, DeploymentConfig=guarded("nowhere")
        )

    # An alarm that goes off while the canary is watched: the old model serves all requests again.
    guard = alarm(hosted, name, second)
    with Stream(hosted, name) as stream:
        hosted.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=second, DeploymentConfig=guarded(guard))
        pending = hosted.until(
            lambda: hosted.describe(name),
            lambda found: "Baking" in str(found.get("PendingDeploymentSummary", {})),
        )
        assert pending["EndpointConfigName"] == first
        stream.until_answered("second")
        hosted.localaws.client("cloudwatch").set_alarm_state(AlarmName=guard, StateValue="ALARM", StateReason="test")
        after = hosted.settled(name)
    assert stream.failures == []
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", first)
    assert guard in after["FailureReason"]
    assert {answer for (answer,) in stream.answers} == {"first", "second"}
    assert hosted.predict(name, Stream.BODY) == ["first"]

    # Without an alarm, the canary is followed by the rest.
    hosted.localaws.client("cloudwatch").set_alarm_state(AlarmName=guard, StateValue="OK", StateReason="test")
    with Stream(hosted, name) as stream:
        hosted.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=second, DeploymentConfig=guarded(guard))
        after = hosted.settled(name)
    assert stream.failures == []
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", second)
    assert "FailureReason" not in after
    assert after["LastDeploymentConfig"] == guarded(guard)
    # Both models answered for some time; at the end only the new one.
    assert len(stream.answers) > 3
    assert stream.answers[-1] == ["second"]

    # The metrics of both fleets add up to those of the endpoint.
    cloudwatch = hosted.localaws.client("cloudwatch")
    total = invocations(cloudwatch, name)
    assert total == invocations(cloudwatch, name, first) + invocations(cloudwatch, name, second) > 0
    hosted.delete(name)


def test_errors_of_the_new_model_roll_it_back(hosted: Hosted, obedient: Path) -> None:
    name = hosted.endpoint(obedient, GREETING="first")
    first = hosted.describe(name)["EndpointConfigName"]
    broken = hosted.config(hosted.model(obedient, BROKEN="1"), InitialInstanceCount=2)
    guard = alarm(hosted, name, broken)
    with Stream(hosted, name) as stream:
        hosted.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=broken, DeploymentConfig=guarded(guard))
        after = hosted.settled(name)
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", first)
    assert guard in after["FailureReason"]
    assert {type(failure).__name__ for failure in stream.failures} == {"ModelError"}
    assert stream.answers == [["first"]]
    hosted.delete(name)


def invocations(cloudwatch: Any, endpoint: str, config: str | None = None) -> float:
    """The sum of Invocations within the last hour."""
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    dimensions = {"EndpointName": endpoint, "VariantName": "one"} | ({"EndpointConfigName": config} if config else {})
    found = cloudwatch.get_metric_data(
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        MetricDataQueries=[
            {
                "Id": "a",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/SageMaker",
                        "MetricName": "Invocations",
                        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                    },
                    "Period": 7200,
                    "Stat": "Sum",
                },
            }
        ],
    )
    return float(sum(found["MetricDataResults"][0]["Values"]))
