"""Asynchronous endpoints: their options, their configuration, and requests to them."""

from collections.abc import Callable
from typing import Any

import pytest

from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.endpoints import async_requests, hosting, specification
from mlflow_platform.endpoints.creation import ensure_resources
from mlflow_platform.endpoints.resources import Clients
from mlflow_platform.endpoints.smoke import SmokeTest
from mlflow_platform.environment import Environment
from tests.platform.conftest import BUCKET, FakeClock
from tests.platform.endpoints.fleet import error
from tests.platform.endpoints.test_hosting import requests_of, spec_of

NAME = "mlflow-staging-iris"
TOPIC = "arn:aws:sns:us-east-1:123456789012:results"
OUT, FAILED = f"s3://{BUCKET}/async/{NAME}/out", f"s3://{BUCKET}/async/{NAME}/failed"


class Queue:
    """Answers InvokeEndpointAsync, and writes the result when the caller has waited."""

    def __init__(self, clients: Clients, write: Callable[[Any], None]) -> None:
        self.requests: list[dict[str, Any]] = []
        self._s3, self._write = clients.s3, write
        events = clients.runtime.meta.events
        events.register("before-parameter-build.sagemaker-runtime.InvokeEndpointAsync", self._remember)
        events.register("before-call.sagemaker-runtime.InvokeEndpointAsync", self._reply)

    def _remember(self, params: dict[str, Any], **_: Any) -> None:
        self.requests.append(dict(params))

    def _reply(self, **_: Any) -> Any:
        http, parsed = error("", "")
        http.status_code = 202
        self._write(self._s3)
        found = {"InferenceId": "a", "OutputLocation": f"{OUT}/1.out", "FailureLocation": f"{FAILED}/1-error.out"}
        return http, found | {"ResponseMetadata": parsed["ResponseMetadata"]}


def put(key: str, body: bytes) -> Callable[[Any], None]:
    return lambda s3: s3.put_object(Bucket=BUCKET, Key=f"async/{NAME}/{key}", Body=body)


def result(clients: Clients) -> bytes:
    sent = async_requests.submit(clients.s3, clients.runtime, NAME, OUT, b"[1]", "application/json")
    return async_requests.result(clients.s3, sent, progress=lambda _: None, clock=FakeClock(), timeout=60)


def test_the_body_goes_beside_the_outputs_and_the_answer_comes_back(clients: Clients) -> None:
    queue = Queue(clients, put("out/1.out", b'{"predictions": [1]}'))
    assert result(clients) == b'{"predictions": [1]}'
    (request,) = queue.requests
    assert request["InputLocation"].startswith(f"s3://{BUCKET}/async/{NAME}/in/")
    key = request["InputLocation"].removeprefix(f"s3://{BUCKET}/")
    assert clients.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"[1]"


def test_an_error_of_the_model_is_shown(clients: Clients) -> None:
    Queue(clients, put("failed/1-error.out", b"no such column"))
    with pytest.raises(PlatformError, match="the model did not answer: no such column"):
        result(clients)


def test_waiting_for_an_answer_ends(clients: Clients) -> None:
    # An object whose name begins like that of the answer is not the answer.
    Queue(clients, put("out/1.out.tmp", b""))
    with pytest.raises(PlatformError, match="request a: waiting"):
        result(clients)


def test_an_endpoint_that_is_not_asynchronous_is_refused() -> None:
    class SageMaker:
        def describe_endpoint(self, **_: str) -> dict[str, Any]:
            return {"EndpointName": NAME}

    sagemaker: Any = SageMaker()
    with pytest.raises(PreconditionError, match="is not asynchronous"):
        async_requests.require_outputs(sagemaker, NAME)


@pytest.mark.parametrize(("key", "fails"), [("out/1.out", False), ("failed/1-error.out", True)])
def test_the_smoke_request_goes_through_the_queue(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, key: str, fails: bool
) -> None:
    queue = Queue(clients, put(key, b'{"predictions": [1]}'))
    monkeypatch.setattr(async_requests, "output_folder", lambda _sagemaker, _endpoint: OUT)
    smoke = SmokeTest(clients, progress=lambda _: None, clock=FakeClock())
    if fails:
        with pytest.raises(PlatformError, match="did not answer its input example"):
            smoke.ask(NAME, b"[1]")
    else:
        smoke.ask(NAME, b"[1]")
    assert len(queue.requests) == 1


def test_results_notifications_and_concurrency_reach_aws(clients: Clients, environment: Environment) -> None:
    configs = requests_of(clients, "CreateEndpointConfig")
    queue = specification.asynchronous(environment, NAME, TOPIC, 4)
    spec = spec_of(clients, environment, asynchronous=queue)
    ensure_resources(clients.sagemaker, spec)
    plain = spec_of(clients, environment, asynchronous=specification.asynchronous(environment, NAME, None, None))
    ensure_resources(clients.sagemaker, plain)
    assert configs[0]["AsyncInferenceConfig"] == {
        "OutputConfig": {
            "S3OutputPath": OUT,
            "S3FailurePath": FAILED,
            "NotificationConfig": {"SuccessTopic": TOPIC, "ErrorTopic": TOPIC},
        },
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
    }
    assert configs[1]["AsyncInferenceConfig"] == {"OutputConfig": {"S3OutputPath": OUT, "S3FailurePath": FAILED}}
    assert len({spec.config_name, plain.config_name, spec_of(clients, environment).config_name}) == 3


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"topic": TOPIC}, "--notify is for asynchronous endpoints"),
        ({"concurrency": 2}, "--concurrency is for asynchronous endpoints"),
        ({"wanted": True, "topic": "results"}, "takes the ARN of an SNS topic"),
        ({"wanted": True, "given": {"--shadow": True}}, "asynchronous endpoints have no --shadow"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], problem: str) -> None:
    defaults: dict[str, Any] = {"wanted": False, "topic": None, "concurrency": None, "given": {}}
    with pytest.raises(InputError, match=problem):
        hosting.check_async(**(defaults | options))
