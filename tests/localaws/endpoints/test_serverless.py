"""Serverless endpoints: their limits, what they exclude, throttling, cold starts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.endpoints import serverless
from localaws.errors import AwsError
from tests.localaws.endpoints.hosted import Hosted, unique

CONFIG = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}


def variant(**more: Any) -> dict[str, Any]:
    return {"VariantName": "one", "ModelName": "model", "ServerlessConfig": {**CONFIG}} | more


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ServerlessConfig": CONFIG | {"MemorySizeInMB": 1500}}, "1024, 2048, 3072, 4096, 5120, 6144"),
        ({"ServerlessConfig": CONFIG | {"ProvisionedConcurrency": 2}}, r"\(2\) must not exceed MaxConcurrency \(1\)"),
        ({"InstanceType": "ml.m5.large"}, "excludes InstanceType"),
        ({"VolumeSizeInGB": 30}, "excludes VolumeSizeInGB"),
        ({"ServerlessConfig": None}, "needs InitialInstanceCount and InstanceType, or a ServerlessConfig"),
    ],
)
def test_a_variant_that_aws_refuses_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        serverless.check({"ProductionVariants": [variant(**given)]})


@pytest.mark.parametrize(
    "given",
    [
        {"DataCaptureConfig": {"EnableCapture": True}},
        {"AsyncInferenceConfig": {"OutputConfig": {}}},
        {"ShadowProductionVariants": [variant()]},
        {"EnableNetworkIsolation": True},
        {"VpcConfig": {"Subnets": ["a"], "SecurityGroupIds": ["b"]}},
        {"ProductionVariants": [variant(), variant(VariantName="two")]},
    ],
    ids=lambda given: next(iter(given)),
)
def test_features_without_serverless_support_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(AwsError, match="One or more endpoint features are not supported using this configuration"):
        serverless.check({"ProductionVariants": [variant()]} | given)


def test_the_accounts_concurrency_and_number_of_endpoints_are_limited() -> None:
    serverless.check_account("us-east-1", [200] * 4, 200, new=True)
    with pytest.raises(AwsError, match="is 1000 Concurrent Invocations, with current utilization of 1000") as refused:
        serverless.check_account("us-east-1", [200] * 5, 1, new=True)
    assert refused.value.code == "ResourceLimitExceeded"
    with pytest.raises(AwsError, match="is 500 Concurrent Invocations"):
        serverless.check_account("eu-north-1", [200] * 2, 101, new=True)
    with pytest.raises(AwsError, match="Maximum number of serverless endpoints"):
        serverless.check_account("us-east-1", [1] * 50, 1, new=True)
    serverless.check_account("us-east-1", [1] * 50, 1, new=False)


def test_a_serverless_endpoint_throttles_stops_when_idle_and_starts_again(hosted: Hosted, obedient: Path) -> None:
    model = hosted.model(obedient)
    instances = hosted.config(model)
    config, name = unique("config"), unique("serverless")
    hosted.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant(ModelName=model)])
    hosted.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    found = hosted.settled(name)
    assert found["EndpointStatus"] == "InService", found
    (shown,) = found["ProductionVariants"]
    assert (shown["CurrentServerlessConfig"], shown["DesiredServerlessConfig"]) == (CONFIG, CONFIG)
    assert "CurrentInstanceCount" not in shown

    # One of two simultaneous requests takes the only slot: the other one is throttled.
    throttled = hosted.until(lambda: error_of_two_requests(hosted, name), bool)
    assert throttled["Error"]["Code"] == "ThrottlingException"
    assert throttled["ResponseMetadata"]["HTTPStatusCode"] == 400

    # After the idle time there is no process; the next request starts one.
    (before,) = hosted.predict(name, '{"dataframe_records": [{}]}')
    hosted.until(lambda: Path(f"/proc/{before}").exists(), lambda alive: not alive)
    (after,) = hosted.predict(name, '{"dataframe_records": [{}]}')
    assert after != before
    listed = hosted.localaws.client("cloudwatch").list_metrics(
        MetricName="ModelSetupTime", Dimensions=[{"Name": "EndpointName", "Value": name}]
    )
    assert listed["Metrics"]

    wanted = [{"VariantName": "one", "ServerlessUpdateConfig": {"MaxConcurrency": 3}}]
    hosted.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wanted)
    (shown,) = hosted.settled(name)["ProductionVariants"]
    assert shown["CurrentServerlessConfig"] == CONFIG | {"MaxConcurrency": 3}

    # Serverless to instances is possible, the way back is not.
    hosted.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=instances)
    assert hosted.settled(name)["EndpointConfigName"] == instances
    with pytest.raises(ClientError, match="cannot be updated to serverless"):
        hosted.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    hosted.delete(name)


def error_of_two_requests(hosted: Hosted, name: str) -> dict[str, Any]:
    """Invoke the endpoint twice at the same time; return the error of one request, empty if both succeeded."""
    with ThreadPoolExecutor(2) as pool:
        errors = pool.map(error_of, [hosted] * 2, [name] * 2)
        return next(filter(None, errors), {})


def error_of(hosted: Hosted, name: str) -> dict[str, Any]:
    """The error of a slow invocation; empty if it succeeded."""
    try:
        hosted.predict(name, '{"dataframe_records": [{"sleep": 1}]}')
    except ClientError as error:
        return dict(error.response)
    return {}
