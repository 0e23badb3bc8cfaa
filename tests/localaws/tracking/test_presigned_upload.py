"""Artifact uploads with a URL that is signed with the server's role."""

from typing import Any

import pytest

from tests.localaws.tracking.calls import create_run, track
from tests.support.http import HTTP
from tests.support.running import RunningLocalAws

PATH = "artifacts/presigned-upload-url"


@pytest.mark.parametrize("version", ["2.13", "3.0"])
def test_a_put_to_the_url_creates_the_artifact(
    localaws: RunningLocalAws, servers: dict[str, str], version: str
) -> None:
    arn = servers[version]
    run = create_run(localaws, arn)
    request = {"run_id": run["run_id"], "path": "a b/ü+.txt", "expiration": 60}
    answer = track(localaws, arn, "POST", PATH, request).raise_for_status().json()
    assert set(answer) == {"presigned_url", "headers"}
    HTTP.put(answer["presigned_url"], content=b"hello", headers=answer["headers"]).raise_for_status()
    bucket, prefix = run["artifact_uri"].removeprefix("s3://").split("/", 1)
    found = localaws.client("s3").get_object(Bucket=bucket, Key=f"{prefix}/a b/ü+.txt")
    assert found["Body"].read() == b"hello"
    put = [
        call
        for call in localaws.calls(run["run_id"])
        if call["operation"] == "PutObject" and run["run_id"] in call["resource"]
    ]
    assert put[-1]["principal"].endswith(
        f":assumed-role/{arn.rsplit('/', 1)[1]}-role/SageMaker-{arn.rsplit('/', 1)[1]}"
    )


def test_the_url_is_valid_only_for_its_artifact_and_method(localaws: RunningLocalAws, server: str) -> None:
    run = create_run(localaws, server)
    url = track(localaws, server, "POST", PATH, {"run_id": run["run_id"], "path": "a.txt"}).json()["presigned_url"]
    assert HTTP.put(url.replace("a.txt", "b.txt"), content=b"x").status_code == 403
    assert HTTP.get(url).status_code == 403


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": "a"}, "Missing value for required parameter 'run_id'."),
        ({"run_id": "x"}, "Missing value for required parameter 'path'."),
        ({"run_id": "x", "path": "../other"}, "Invalid path: ../other"),
        ({"run_id": "x", "path": "/etc"}, "Invalid path: /etc"),
        ({"run_id": "x", "path": "a", "expiration": 0}, "expiration"),
        ({"run_id": "x", "path": "a", "expiration": "soon"}, "expiration"),
        ([], "not a JSON object"),
    ],
)
def test_rejects_an_invalid_request_with_the_reason(
    localaws: RunningLocalAws, server: str, given: Any, message: str
) -> None:
    answer = track(localaws, server, "POST", PATH, given)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert message in answer.json()["message"]


def test_returns_mlflows_error_for_an_unknown_run(localaws: RunningLocalAws, server: str) -> None:
    answer = track(localaws, server, "POST", PATH, {"run_id": "nobodys", "path": "a"})
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
