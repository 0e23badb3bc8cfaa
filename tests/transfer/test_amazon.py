"""Tracking servers and Apps by ARN: requests go to the right URL, with the right header and signature."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
import pytest
from botocore.stub import Stubber

from localaws.call import Call
from localaws.credentials import Key
from localaws.front.sigv4 import Signature, verify
from mlflow_common.errors import InputError, PlatformError
from mlflow_transfer import client, session
from mlflow_transfer.cli_options import Reach
from mlflow_transfer.connections import ConnectionFactory
from mlflow_transfer.location import is_server
from mlflow_transfer.session import NamedServer
from mlflow_transfer.sources.base import Features
from mlflow_transfer.stores import UnreadableError
from tests.transfer.moving import RETRY

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "secret", "session-token"
APP = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-app/app-0AbC12dEf3"
SERVER = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/mlflow-staging-3-0"
GOVERNMENT = "arn:aws-us-gov:sagemaker:us-gov-west-1:123456789012:mlflow-app/app-1"


class Session:
    """An AWS session whose SageMaker client has one response."""

    def __init__(self, operation: str, answer: dict[str, Any] | str) -> None:
        self._session = boto3.Session(KEY, SECRET, TOKEN, region_name="us-east-1")
        self._operation, self._answer = operation, answer

    def get_credentials(self) -> Any:
        return self._session.get_credentials()

    def client(self, name: str, **given: Any) -> Any:
        made = self._session.client(name, **given)  # type: ignore[call-overload]
        if name != "sagemaker":
            return made
        stub = Stubber(made)
        if isinstance(self._answer, str):
            stub.add_client_error(self._operation, self._answer)
        else:
            stub.add_response(self._operation, self._answer)
        stub.activate()
        return made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Records the requests. Each gets a response without experiments."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"experiments": []})

    monkeypatch.setattr(client, "Threads", lambda *_, **__: httpx.MockTransport(answer))
    return requests


def inspect(arn: str, answer: dict[str, Any] | str) -> Any:
    operation = "describe_mlflow_app" if "mlflow-app" in arn else "describe_mlflow_tracking_server"

    async def go() -> Any:
        source = await ConnectionFactory({}, session=lambda: Session(operation, answer), retry=RETRY).server(arn)  # type: ignore[arg-type, return-value]
        assert [one async for one in source.experiments()] == []
        await source.close()
        return source

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("arn", "host", "header", "signing_name", "region"),
    [
        (APP, "mlflow.sagemaker.eu-west-1.app.aws", "x-sm-mlflow-app-arn", "sagemaker", "eu-west-1"),
        (GOVERNMENT, "mlflow.sagemaker.us-gov-west-1.app.aws", "x-sm-mlflow-app-arn", "sagemaker", "us-gov-west-1"),
        (
            SERVER, "eu-west-1.experiments.sagemaker.aws", "x-mlflow-sm-tracking-server-arn", "sagemaker-mlflow",
            "eu-west-1",
        ),
    ],
)  # fmt: skip
def test_requests_have_the_servers_url_header_and_a_valid_signature(
    sent: list[httpx.Request], arn: str, host: str, header: str, signing_name: str, region: str
) -> None:
    state = "Status" if "mlflow-app" in arn else "TrackingServerStatus"
    assert inspect(arn, {state: "Created", "MlflowVersion": "3.0"}).version == "3.0"

    (request,) = sent
    assert (request.url.scheme, request.url.host) == ("https", host)
    assert request.headers[header] == arn
    call = Call(
        request.method,
        request.url.raw_path.decode().partition("?")[0],
        request.url.path,
        request.url.query.decode(),
        {name.lower(): value for name, value in request.headers.items()},
        request.content,
    )
    signature = Signature.of(call)
    assert signature is not None
    assert (signature.service, signature.region) == (signing_name, region)
    assert {"host", header, "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} <= set(
        signature.signed_headers
    )
    verify(call, signature, {KEY: Key(SECRET, "ana", TOKEN)}.get, datetime.now(UTC))


def test_features_of_an_app_without_describe_permission_are_detected_with_test_calls(
    sent: list[httpx.Request],
) -> None:
    async def go() -> None:
        opened = ConnectionFactory(
            {}, session=lambda: Session("describe_mlflow_app", "AccessDeniedException"), retry=RETRY
        )  # type: ignore[arg-type, return-value]
        source = await opened.server(APP)
        assert source.version == ""
        assert await source.features() == await source.features() == Features(True, True, True)
        await source.close()

    asyncio.run(go())
    assert [request.url.path.rpartition("/mlflow/")[2] for request in sent] == ["logged-models/search", "traces"]


@pytest.mark.parametrize(
    ("uri", "refused"),
    [
        ("mlflow-artifacts:/", True),
        ("mlflow-artifacts:/backups/server", True),
        ("mlflow-artifacts:/1/run/artifacts", False),
        ("s3://bucket/store/backups", True),
        ("s3://bucket/store/1/run/artifacts", False),
    ],
)
@pytest.mark.usefixtures("sent")
def test_the_backups_in_a_servers_store_are_not_its_artifacts(uri: str, refused: bool) -> None:
    source = inspect(SERVER, {"TrackingServerStatus": "Created", "ArtifactStoreUri": "s3://bucket/store"})
    store = source.store(uri)
    assert (type(store).__name__ == "RefusedStore") is refused
    if refused:
        with pytest.raises(UnreadableError, match="the backups at s3://bucket/store/backups"):
            store.list()


@pytest.mark.usefixtures("sent")
def test_former_stores_of_an_environment_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"TrackingServerStatus": "Created", "ArtifactStoreUri": "s3://bucket/store"}

    class Environments:
        def server(self, name: str, *, local: bool) -> NamedServer:  # noqa: ARG002 the protocol's
            return NamedServer(SERVER, ["s3://bucket/store", f"s3://former-{name}"])

        def use_localaws(self) -> None:
            """Not called."""

    async def refused(uri: str, *, as_source: bool) -> bool:
        one = session.Session(Reach(), Environments())
        monkeypatch.setattr(one.places, "_session", lambda: Session("describe_mlflow_tracking_server", answer))
        opened = await (one.source("env:staging") if as_source else one.server("env:staging"))
        store = opened.store(uri)
        await opened.close()
        return type(store).__name__ == "RefusedStore"

    for as_source in (True, False):
        assert not asyncio.run(refused("s3://former-staging/1/run/artifacts", as_source=as_source))
        assert not asyncio.run(refused("s3://bucket/store/1/run/artifacts", as_source=as_source))
        assert asyncio.run(refused("s3://former-staging/backups/server", as_source=as_source))
        assert asyncio.run(refused("s3://former-prod/1/run/artifacts", as_source=as_source))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("ResourceNotFound", "there is no MLflow App app-0AbC12dEf3 in eu-west-1: check its ARN"),
        ({"Status": "Creating"}, "the MLflow App app-0AbC12dEf3 is Creating: wait until it is ready and try again"),
    ],
)
def test_names_an_app_that_cannot_be_used(
    sent: list[httpx.Request], answer: dict[str, Any] | str, complaint: str
) -> None:
    with pytest.raises(PlatformError, match=complaint):
        inspect(APP, answer)
    assert sent == []


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-app",
        "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-app/",
        "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-app/a/b",
        "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-apps/a",
        "arn:aws:sagemaker::123456789012:mlflow-app/a",
        "arn:aws:sagemaker:eu-west-1:1234:mlflow-app/a",
        "arn:aws:s3:::bucket",
        "arn:aws-cn:sagemaker:cn-north-1:123456789012:mlflow-app/a",
        "arn:",
    ],
)
def test_rejects_a_malformed_arn_and_shows_the_expected_format(text: str) -> None:
    assert is_server(text)
    with pytest.raises(InputError, match=r"is not the ARN of a tracking server or an .*App\. Use arn:aws:.*/APP\.$"):
        asyncio.run(ConnectionFactory({}).server(text))
