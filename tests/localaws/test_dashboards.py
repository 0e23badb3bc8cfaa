"""Dashboards on localaws: bodies that AWS refuses are refused."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from localaws import dashboards

METRIC = {"type": "metric", "properties": {"region": "us-east-1", "metrics": [["AWS/S3", "BucketSizeBytes"]]}}


@pytest.fixture(scope="module")
def cloudwatch() -> Any:
    return boto3.Session("a", "b", region_name="us-east-1").client("cloudwatch")


@pytest.fixture
def client(cloudwatch: Any) -> Iterator[Any]:
    from moto.cloudwatch.responses import CloudWatchResponse

    before = CloudWatchResponse.put_dashboard
    dashboards.install()
    with mock_aws():
        yield cloudwatch
    CloudWatchResponse.put_dashboard = before


def test_keeps_a_valid_dashboard(client: Any) -> None:
    search = {"expression": "SEARCH('x', 'Sum')", "id": "found"}
    widgets = [
        METRIC,
        {"type": "metric", "properties": {"region": "us-east-1", "metrics": [[search]]}, "x": 23, "width": 1},
        {"type": "alarm", "properties": {"alarms": ["arn:aws:cloudwatch:us-east-1:1:alarm:a"]}},
        {"type": "text", "properties": {"markdown": "# a"}},
    ]
    client.put_dashboard(DashboardName="a", DashboardBody=json.dumps({"widgets": widgets}))
    assert json.loads(client.get_dashboard(DashboardName="a")["DashboardBody"])["widgets"] == widgets


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "Body is invalid JSON"),
        ({}, "required property 'widgets'"),
        ([], "required property 'widgets'"),
        ({"widgets": [METRIC] * 501}, "more than 500"),
        ({"widgets": ["text"]}, "/widgets/0: should be object"),
        ({"widgets": [METRIC, {"type": "graph", "properties": {}}]}, "/widgets/1/type"),
        ({"widgets": [{"type": "text"}]}, "'properties'"),
        ({"widgets": [{"type": "text", "properties": {}}]}, "'markdown'"),
        ({"widgets": [{**METRIC, "width": 25}]}, "/width"),
        ({"widgets": [{**METRIC, "y": -1}]}, "/y"),
        ({"widgets": [{"type": "metric", "properties": {"region": "us-east-1"}}]}, "'metrics' or 'annotations'"),
        ({"widgets": [{"type": "metric", "properties": {"metrics": []}}]}, "'region'"),
        (
            {"widgets": [{"type": "metric", "properties": {"region": "r", "metrics": [["AWS/S3", "a", "b"]]}}]},
            "pairs of dimensions",
        ),
        ({"widgets": [{"type": "alarm", "properties": {"alarms": []}}]}, "1 to 100"),
    ],
)
def test_refuses_a_body_that_aws_refuses(client: Any, body: Any, problem: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(ClientError, match="InvalidParameterInput") as refused:
        client.put_dashboard(DashboardName="a", DashboardBody=text)
    assert problem in str(refused.value)
    assert client.list_dashboards()["DashboardEntries"] == []


def test_refuses_a_name_with_spaces(client: Any) -> None:
    with pytest.raises(ClientError, match="InvalidParameterInput"):
        client.put_dashboard(DashboardName="a b", DashboardBody='{"widgets": []}')
