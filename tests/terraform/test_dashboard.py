"""The CloudWatch dashboard: AWS accepts its body, and it shows the alarms that the same plan creates."""

import json
from typing import Any

import pytest

from localaws.dashboards import problems_of
from tests.terraform.inventory import planned_resources
from tests.terraform.planning import Planner

DASHBOARD = "module.platform.module.mlflow.aws_cloudwatch_dashboard.this[0]"


@pytest.fixture
def planned(planner: Planner) -> dict[str, Any]:
    return planned_resources(planner.plan("keyed"))


def widgets(planned: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(planned[DASHBOARD]["dashboard_body"])["widgets"]
    return found


def test_aws_accepts_the_body(planned: dict[str, Any]) -> None:
    dashboard = planned[DASHBOARD]
    assert list(problems_of(dashboard["dashboard_name"], dashboard["dashboard_body"])) == []
    assert {"text", "alarm", "metric"} == {widget["type"] for widget in widgets(planned)}


def test_shows_every_alarm_of_the_server_and_the_backup(planned: dict[str, Any]) -> None:
    [alarms] = [widget["properties"]["alarms"] for widget in widgets(planned) if widget["type"] == "alarm"]
    created = {
        values["alarm_name"]
        for address, values in planned.items()
        if address.startswith("module.platform.module.mlflow.aws_cloudwatch_metric_alarm")
    }
    assert {arn.rpartition(":")[2] for arn in alarms} == created


def test_a_failed_replication_raises_an_alarm_on_the_dashboard(planner: Planner) -> None:
    planned = planned_resources(planner.plan("prefixed"))
    module = "module.platform.module.mlflow"
    alarm = planned[f"{module}.aws_cloudwatch_metric_alarm.replication_failed[0]"]
    (rule,) = planned[f"{module}.aws_s3_bucket_replication_configuration.artifacts[0]"]["rule"]
    (destination,) = rule["destination"]
    assert destination["metrics"] == [{"event_threshold": [], "status": "Enabled"}]
    assert (alarm["metric_name"], alarm["dimensions"]["RuleId"]) == ("OperationsFailedReplication", rule["id"])
    assert destination["bucket"] == f"arn:aws:s3:::{alarm['dimensions']['DestinationBucket']}"
    [alarms] = [widget["properties"]["alarms"] for widget in widgets(planned) if widget["type"] == "alarm"]
    assert any(arn.endswith(f":alarm:{alarm['alarm_name']}") for arn in alarms)


def test_no_widget_covers_another(planned: dict[str, Any]) -> None:
    cells = [
        (x, y)
        for one in widgets(planned)
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    assert len(cells) == len(set(cells))


def test_shows_traffic_latency_errors_drift_and_cost(planned: dict[str, Any]) -> None:
    body = planned[DASHBOARD]["dashboard_body"]
    for metric in ("Invocations", "ModelLatency", "Invocation4XXErrors", "Invocation5XXErrors", "EstimatedCharges"):
        assert metric in body
    assert "MLflowPlatform/Monitoring" in body
