"""Data capture in AWS's layout and lines."""

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localaws.endpoints.capture import CaptureSettings, Payload
from tests.localaws.endpoints.hosted import Hosted, unique
from tests.localaws.endpoints.streaming import Stream

CONFIG: dict[str, Any] = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://hosted-models/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"], "CsvContentTypes": ["text/csv"]},
}
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def settings(**changes: Any) -> CaptureSettings:
    found = CaptureSettings.of(CONFIG | changes)
    assert found
    return found


def test_a_line_has_the_documented_members() -> None:
    request = Payload(b"1,2", "text/csv; charset=utf-8")
    line = settings().line(request, Payload(b'{"a": 1}', "application/json"), "id-1", NOW)
    found = json.loads(line)
    assert line.endswith("}\n")
    assert found["captureData"] == {
        "endpointInput": {
            "observedContentType": "text/csv; charset=utf-8", "mode": "INPUT", "data": "1,2", "encoding": "CSV",
        },
        "endpointOutput": {
            "observedContentType": "application/json", "mode": "OUTPUT", "data": '{"a": 1}', "encoding": "JSON",
        },
    }  # fmt: skip
    assert found["eventVersion"] == "0"
    assert found["eventMetadata"]["inferenceId"] == "id-1"
    assert found["eventMetadata"]["inferenceTime"] == "2026-01-02T03:04:05Z"


def test_content_types_that_are_not_listed_are_encoded_as_base64() -> None:
    line = settings(CaptureContentTypeHeader={}).line(Payload(b"\xff", "text/csv"), Payload(b"", ""), None, NOW)
    found = json.loads(line)
    assert found["captureData"]["endpointInput"]["encoding"] == "BASE64"
    assert base64.b64decode(found["captureData"]["endpointInput"]["data"]) == b"\xff"
    assert "inferenceId" not in found["eventMetadata"]


@pytest.mark.parametrize(
    ("modes", "parts"),
    [(["Input"], {"endpointInput"}), (["Output"], {"endpointOutput"}),
     (["InputAndOutput"], {"endpointInput", "endpointOutput"})],
)  # fmt: skip
def test_captures_what_the_options_name(modes: list[str], parts: set[str]) -> None:
    found = settings(CaptureOptions=[{"CaptureMode": mode} for mode in modes])
    assert json.loads(found.line(Payload(b"", ""), Payload(b"", ""), None, NOW))["captureData"].keys() == parts


def test_captures_the_sampled_share() -> None:
    assert not any(settings(InitialSamplingPercentage=0).chosen() for _ in range(200))
    assert all(settings().chosen() for _ in range(200))
    assert 20 < sum(settings(InitialSamplingPercentage=30).chosen() for _ in range(200)) < 110


def test_nothing_is_captured_when_it_is_switched_off() -> None:
    assert CaptureSettings.of(None) is None
    assert CaptureSettings.of(CONFIG | {"EnableCapture": False}) is None


def test_an_endpoint_writes_what_it_captures(hosted: Hosted, obedient: Path) -> None:
    config, name = unique("config"), unique("endpoint")
    variant = {"VariantName": "one", "ModelName": hosted.model(obedient, GREETING="hello"), "InitialInstanceCount": 1}
    hosted.sagemaker.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[variant | {"InstanceType": "ml.m6i.large"}],
        DataCaptureConfig=CONFIG,
    )
    hosted.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    described = hosted.settled(name)
    assert described["DataCaptureConfig"]["CaptureStatus"] == "Started"
    hosted.runtime.invoke_endpoint(
        EndpointName=name, ContentType="application/json", Body=Stream.BODY, InferenceId="row-7"
    )
    prefix = f"captured/{name}/one/"
    (file,) = hosted.until(
        lambda: hosted.s3.list_objects_v2(Bucket="hosted-models", Prefix=prefix).get("Contents", []), bool, 10
    )
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", file["Key"].removeprefix(prefix))
    content = hosted.s3.get_object(Bucket="hosted-models", Key=file["Key"])["Body"].read().decode()
    (line,) = [json.loads(line) for line in content.splitlines()]
    assert line["captureData"]["endpointInput"]["data"] == Stream.BODY
    assert json.loads(line["captureData"]["endpointOutput"]["data"]) == {"predictions": ["hello"]}
    assert line["eventMetadata"]["inferenceId"] == "row-7"
    assert "s3:PutObject" in hosted.calls_of_the_role()
    hosted.delete(name)
