"""Requests to asynchronous endpoints are read and checked as AWS does."""

from typing import Any

import pytest

from localaws.endpoints import async_config, shadow
from localaws.endpoints.async_config import AsyncRequest
from localaws.errors import AwsError

CONFIG: dict[str, Any] = {"OutputConfig": {"S3OutputPath": "s3://results/out/", "S3FailurePath": "s3://results/failed"}}
INPUT = {"x-amzn-sagemaker-inputlocation": "s3://inputs/rows.csv"}


def read(body: bytes = b"", **headers: str) -> AsyncRequest:
    given = {f"x-amzn-sagemaker-{name.replace('_', '-')}": value for name, value in headers.items()}
    return AsyncRequest.read(given, body, CONFIG)


def test_a_request_has_the_defaults_of_aws_and_a_result_of_its_own() -> None:
    request = AsyncRequest.read(INPUT, b"", CONFIG)
    assert (request.ttl_seconds, request.timeout_seconds) == (21600, 900)
    assert request.inference_id
    assert request.output.startswith("s3://results/out/")
    assert request.output.endswith(".out")
    assert request.failure.startswith("s3://results/failed/")
    assert request.failure.endswith("-error.out")
    assert AsyncRequest.read(INPUT, b"", CONFIG).output != request.output


def test_a_name_and_an_extension_of_the_result_are_used() -> None:
    request = read(inputlocation="s3://inputs/a", s3outputpathextension="day/1", filename="rows.json")
    assert request.output == "s3://results/out/day/1/rows.json"


@pytest.mark.parametrize(
    ("headers", "body", "message"),
    [
        ({}, b"", "exactly one of InputLocation and Body"),
        ({"inputlocation": "s3://inputs/a"}, b"row", "exactly one of InputLocation and Body"),
        ({}, b"x" * 128_001, "less than or equal to 128000"),
        ({"inputlocation": "rows.csv"}, b"", "is not an S3 URI"),
        ({"inputlocation": "s3://inputs/a", "requestttlseconds": "59"}, b"", "use 60 to 21600"),
        ({"inputlocation": "s3://inputs/a", "invocationtimeoutseconds": "3601"}, b"", "use 1 to 3600"),
        ({"inputlocation": "s3://inputs/a", "inference_id": "x" * 65}, b"", "InferenceId"),
        ({"inputlocation": "s3://inputs/a", "filename": "../up"}, b"", "Filename"),
        ({"inputlocation": "s3://inputs/a", "s3outputpathextension": "s3://else"}, b"", "S3OutputPathExtension"),
    ],
)
def test_an_invalid_request_is_refused(headers: dict[str, str], body: bytes, message: str) -> None:
    with pytest.raises(AwsError, match=message) as refused:
        read(body, **headers)
    assert refused.value.code == "ValidationError"


def variant(**more: Any) -> dict[str, Any]:
    return {"VariantName": "one", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1} | more


@pytest.mark.parametrize(
    "given",
    [
        {"ProductionVariants": [variant(), variant(VariantName="two")]},
        {"ShadowProductionVariants": [variant(VariantName="two")]},
        {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "https://bucket/out"}}},
    ],
)
def test_a_configuration_that_aws_refuses_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(AwsError):
        async_config.check({"ProductionVariants": [variant()], "AsyncInferenceConfig": CONFIG} | given)


@pytest.mark.parametrize(
    ("production", "shadows"),
    [
        ([variant(), variant(VariantName="two")], [variant(VariantName="three")]),
        ([variant()], [variant(VariantName="two"), variant(VariantName="three")]),
        ([variant()], [variant(VariantName="two", InstanceType="ml.inf1.xlarge")]),
        ([variant()], [{"VariantName": "two", "ServerlessConfig": {}}]),
    ],
)
def test_shadow_variants_that_aws_refuses_are_refused(production: list[Any], shadows: list[Any]) -> None:
    with pytest.raises(AwsError):
        shadow.check({"ProductionVariants": production, "ShadowProductionVariants": shadows})
