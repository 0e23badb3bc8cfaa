"""The gateway: routing of calls to servers, rejected calls, and connections that break."""

import socket

import pytest

from tests.localaws.tracking.calls import create_run, signed_headers, track
from tests.support.http import HTTP
from tests.support.running import RunningLocalAws

GET = ("GET", "experiments/get?experiment_id=0")


def test_forwards_a_signed_call_to_its_server(localaws: RunningLocalAws, servers: dict[str, str]) -> None:
    for arn in servers.values():
        answer = track(localaws, arn, *GET)
        assert answer.json()["experiment"]["artifact_location"].startswith(f"s3://{arn.rsplit('/', 1)[1]}-bucket/")


def test_returns_mlflows_own_errors(localaws: RunningLocalAws, server: str) -> None:
    answer = track(localaws, server, "GET", "runs/get?run_id=nobodys")
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize("query", ["", "?order_by=a%20b&filter=x%3D%27%C3%BC%27", "?path=a%2Fb%2Bc&x="])
def test_accepts_signatures_of_encoded_queries(localaws: RunningLocalAws, server: str, query: str) -> None:
    path = f"/api/2.0/mlflow/experiments/get-by-name{query}"
    answer = HTTP.get(f"{localaws.url}{path}", headers=signed_headers(localaws, server, "GET", path))
    assert answer.status_code == 400, "MLflow reports the missing name, so the gateway forwarded the call"
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("arn", "signing", "status", "message"),
    [
        ("{server}-not", {}, 404, "Tracking server could not be found"),
        ("no-arn", {}, 404, "Tracking server could not be found"),
        ("{server}", {"secret": "wrong"}, 403, "The request signature we calculated does not match"),
        ("{server}", {"service": "sagemaker"}, 403, "Credential should be scoped to correct service"),
        ("{server}", {"region": "eu-west-1"}, 404, "Tracking server could not be found"),
        (
            "arn:aws:sagemaker:us-east-1:999999999999:mlflow-tracking-server/theirs",
            {},
            403,
            "is not authorized to perform: sagemaker-mlflow:GetExperiment on resource: "
            "arn:aws:sagemaker:us-east-1:999999999999:mlflow-tracking-server/theirs",
        ),
    ],
)
def test_a_rejected_call_gets_the_reason(
    localaws: RunningLocalAws, server: str, arn: str, signing: dict[str, str], status: int, message: str
) -> None:
    answer = track(localaws, arn.format(server=server), *GET, **signing)
    assert answer.status_code == status
    assert message in answer.text


def test_rejects_an_unsigned_call(localaws: RunningLocalAws, server: str) -> None:
    answer = HTTP.get(f"{localaws.url}/api/2.0/mlflow/{GET[1]}", headers={"x-mlflow-sm-tracking-server-arn": server})
    assert answer.status_code == 403
    assert "MissingAuthenticationToken" in answer.text


def test_rejects_a_body_that_does_not_match_the_signature(localaws: RunningLocalAws, server: str) -> None:
    path = "/api/2.0/mlflow/runs/create"
    headers = signed_headers(localaws, server, "POST", path, b'{"experiment_id": "0"}')
    assert HTTP.post(f"{localaws.url}{path}", headers=headers, content=b'{"experiment_id": "1"}').status_code == 400


def test_the_call_log_contains_the_action_and_the_server(localaws: RunningLocalAws, server: str) -> None:
    run_id = create_run(localaws, server)["run_id"]
    track(localaws, server, "POST", "runs/log-metric", {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1})
    actions = {call["operation"] for call in localaws.calls(server) if call["resource"] == server}
    assert {"CreateRun", "LogMetric"} <= actions


def test_a_fault_can_affect_one_tracking_action(localaws: RunningLocalAws, server: str) -> None:
    localaws.fault("sagemaker-mlflow:RestoreRun", error="ThrottlingException", status=429, resource=server)
    answer = track(localaws, server, "POST", "runs/restore", {"run_id": "x"})
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (429, "ThrottlingException")


def test_forwards_large_requests_and_responses(localaws: RunningLocalAws, server: str) -> None:
    run_id = create_run(localaws, server)["run_id"]
    steps = [{"key": "m", "value": i / 7, "timestamp": i, "step": i} for i in range(1000)]
    assert track(localaws, server, "POST", "runs/log-batch", {"run_id": run_id, "metrics": steps}).status_code == 200
    answer = track(localaws, server, "GET", f"metrics/get-history?run_id={run_id}&metric_key=m")
    assert len(answer.json()["metrics"]) == 1000


def test_a_client_that_disconnects_does_not_affect_other_calls(localaws: RunningLocalAws, server: str) -> None:
    path = "/api/2.0/mlflow/runs/search"
    headers = signed_headers(localaws, server, "POST", path, b"x" * 1000)
    for length, sent in ((1000, b"x" * 10), (20 * 1024 * 1024, b"x" * 100_000)):
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() != "content-length")
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n{lines}\r\n"
        with socket.create_connection((localaws.settings.host, localaws.settings.port)) as client:
            client.sendall(head.encode() + sent)
    whole = signed_headers(localaws, server, "GET", f"/api/2.0/mlflow/{GET[1]}")
    lines = "".join(f"{name}: {value}\r\n" for name, value in whole.items())
    with socket.create_connection((localaws.settings.host, localaws.settings.port)) as client:
        client.sendall(f"GET /api/2.0/mlflow/{GET[1]} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
    assert track(localaws, server, *GET).status_code == 200
