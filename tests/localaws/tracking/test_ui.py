"""The web UI: single-use links open sessions, which are limited to one server and expire."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.call import Call
from localaws.errors import AwsError
from localaws.front.application import Application, Route
from localaws.front.faults import Fault, Faults
from localaws.tracking.sessions import Sessions
from localaws.tracking.ui import Ui
from tests.localaws.tracking.calls import create_run, track
from tests.support.running import RunningLocalAws

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def authorized_url(localaws: RunningLocalAws, arn: str, **given: int) -> str:
    sagemaker = localaws.client("sagemaker")
    name = arn.rsplit("/", 1)[1]
    url: str = sagemaker.create_presigned_mlflow_tracking_server_url(TrackingServerName=name, **given)["AuthorizedUrl"]
    return url


def browse(localaws: RunningLocalAws, url: str, cookie: str = "", **given: object) -> httpx.Response:
    """Send a request with a plain HTTP client, without any localaws settings."""
    headers = {"cookie": cookie} if cookie else {}
    return httpx.request(given.pop("method", "GET"), url, headers=headers, **given)


def enter(localaws: RunningLocalAws, arn: str) -> tuple[str, str]:
    """Open a session, and return the URL of the UI and the session's cookie."""
    url = authorized_url(localaws, arn)
    answer = browse(localaws, url)
    return url.split("/auth", 1)[0], answer.headers["set-cookie"].split(";")[0]


def test_a_link_opens_only_one_session(localaws: RunningLocalAws, server: str) -> None:
    url = authorized_url(localaws, server)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/_ui/t-[a-z0-9]{12}/auth\?authToken=[\w-]+", url)
    first = browse(localaws, url)
    pages = httpx.URL(url).path.removesuffix("auth")
    assert (first.status_code, first.headers["location"]) == (302, pages)
    assert {"HttpOnly", "SameSite=Lax", f"Path={pages}"} <= set(first.headers["set-cookie"].split("; "))
    second = browse(localaws, url)
    assert second.status_code == 403
    assert "set-cookie" not in second.headers
    assert "This link was used before, or it has expired." in second.text


def test_a_link_starts_with_the_servers_url(localaws: RunningLocalAws, server: str) -> None:
    described = localaws.client("sagemaker").describe_mlflow_tracking_server(
        TrackingServerName=server.rsplit("/", 1)[1]
    )
    assert authorized_url(localaws, server).startswith(f"{described['TrackingServerUrl']}/auth?")


def test_rejects_requests_without_a_session(localaws: RunningLocalAws, server: str) -> None:
    address = authorized_url(localaws, server).split("/auth", 1)[0]
    for path in ("/", "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0", "/static-files/index.html"):
        for cookie in ("", "mlflow-session=wrong", "mlflow-session"):
            answer = browse(localaws, f"{address}{path}", cookie)
            assert answer.status_code == 403
            assert "You have no session, or it has expired." in answer.text


@pytest.mark.parametrize("version", ["2.13", "3.0"])
def test_a_session_gives_access_to_pages_data_and_artifacts(
    localaws: RunningLocalAws, servers: dict[str, str], version: str
) -> None:
    arn = servers[version]
    run = create_run(localaws, arn)
    bucket, prefix = run["artifact_uri"].removeprefix("s3://").split("/", 1)
    localaws.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/notes/a.txt", Body=b"hello")
    address, cookie = enter(localaws, arn)
    page = browse(localaws, f"{address}/", cookie)
    assert page.status_code == 200
    script = re.search(r'src="(static-files/[^"]+\.js)"', page.text)
    assert script
    assert browse(localaws, f"{address}/{script[1]}", cookie).status_code == 200
    listed = browse(localaws, f"{address}/ajax-api/2.0/mlflow/artifacts/list?run_id={run['run_id']}", cookie)
    assert [file["path"] for file in listed.json()["files"]] == ["notes"]
    file = browse(localaws, f"{address}/get-artifact?path=notes%2Fa.txt&run_uuid={run['run_id']}", cookie)
    assert file.content == b"hello"
    noted = browse(
        localaws,
        f"{address}/ajax-api/2.0/mlflow/runs/set-tag",
        cookie,
        method="POST",
        json={"run_id": run["run_id"], "key": "mlflow.note.content", "value": "seen"},
    )
    assert noted.status_code == 200
    shown = track(localaws, arn, "GET", f"runs/get?run_id={run['run_id']}").json()["run"]["data"]["tags"]
    assert {"key": "mlflow.note.content", "value": "seen"} in shown


def test_sessions_and_links_are_valid_for_one_server(localaws: RunningLocalAws, servers: dict[str, str]) -> None:
    _, cookie = enter(localaws, servers["3.0"])
    other = authorized_url(localaws, servers["2.13"]).split("/auth", 1)[0]
    assert browse(localaws, f"{other}/", cookie).status_code == 403
    token = authorized_url(localaws, servers["3.0"]).split("?", 1)[1]
    assert browse(localaws, f"{other}/auth?{token}").status_code == 403


def test_the_call_log_contains_the_principal_of_the_session(localaws: RunningLocalAws, server: str) -> None:
    address, cookie = enter(localaws, server)
    browse(localaws, f"{address}/ajax-api/2.0/mlflow/registered-models/search?max_results=7", cookie)
    logged = [
        call
        for call in localaws.calls(server)
        if (call["operation"], call["resource"]) == ("SearchRegisteredModels", server)
    ]
    assert {call["principal"].rsplit("/", 1)[1] for call in logged} == {"localaws"}


@pytest.mark.parametrize(
    "given",
    [
        {"ExpiresInSeconds": 4},
        {"ExpiresInSeconds": 301},
        {"SessionExpirationDurationInSeconds": 1799},
        {"SessionExpirationDurationInSeconds": 43201},
    ],
)
def test_rejects_lifetimes_outside_the_limits(localaws: RunningLocalAws, server: str, given: dict[str, int]) -> None:
    unchecked = localaws.client("sagemaker", config=Config(parameter_validation=False))  # botocore checks some limits.
    with pytest.raises(ClientError, match=r"ValidationException.*Member must have value"):
        unchecked.create_presigned_mlflow_tracking_server_url(TrackingServerName=server.rsplit("/", 1)[1], **given)


def test_links_and_sessions_expire() -> None:
    now = NOW
    sessions = Sessions(lambda: now)
    late = sessions.link("arn", "me", "AK", timedelta(seconds=5), timedelta(hours=1))
    early = sessions.link("arn", "me", "AK", timedelta(seconds=5), timedelta(hours=1))
    opened = sessions.open(early, "arn")
    assert opened
    key, session = opened
    now = NOW + timedelta(seconds=6)
    assert sessions.open(late, "arn") is None
    assert sessions.find(key, "arn") == session
    assert sessions.find(key, "another") is None
    now = NOW + timedelta(hours=1, seconds=1)
    assert sessions.find(key, "arn") is None


def test_an_unknown_server_is_404(localaws: RunningLocalAws) -> None:
    answer = browse(localaws, f"{localaws.url}/_ui/t-000000000000/")
    assert answer.status_code == 404


class Pages:
    """The UI of one server in an `Application`, without a web server. `post` returns status and body."""

    def __init__(self, guard: Callable[[Call], None], faults: Faults) -> None:
        sessions = Sessions(lambda: NOW)
        opened = sessions.open(sessions.link("arn", "me", "AK", timedelta(minutes=1), timedelta(hours=1)), "arn")
        assert opened
        self._cookie = opened[0]
        server = SimpleNamespace(arn="arn", serving=True, region="us-east-1", name="a", signing_name="sagemaker-mlflow")
        servers, calls = SimpleNamespace(by_host=lambda _: server), SimpleNamespace(add=_ignore, answered=_ignore)
        ui = Ui(servers, sessions, None)  # type: ignore[arg-type]
        self._application = Application(
            calls,  # type: ignore[arg-type]
            faults,
            control=Route(lambda _: False, ui),
            entrances=[ui],
            guard=guard,
            routes=[Route(lambda _: True, ui)],
            on_start=_nothing,
            on_stop=_nothing,
        )

    def post(self, path: str) -> tuple[int, str]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"host", b"127.0.0.1:1"), (b"cookie", f"mlflow-session={self._cookie}".encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "raw_path": f"/_ui/t-a{path}".encode(),
            "query_string": b"",
            "headers": headers,
        }
        asyncio.run(self._application(scope, receive, send))
        return sent[0]["status"], sent[1]["body"].decode()


async def _nothing() -> None:
    """Do nothing at start and stop."""


def _ignore(*_: object) -> None:
    """Do not log the call."""


def test_permissions_are_checked_for_the_principal_that_created_the_link() -> None:
    """Its access key tells the policies of its session."""
    checked: list[tuple[str, ...]] = []

    def guard(call: Call) -> None:
        checked.append((call.principal, call.access_key, call.action, call.resource))
        raise AwsError("AccessDeniedException", "me is not authorized", 403)

    status, page = Pages(guard, Faults()).post("/ajax-api/2.0/mlflow/runs/delete")
    assert checked == [("me", "AK", "sagemaker-mlflow:DeleteRun", "arn")]
    assert status == 403
    assert "me is not authorized" in page


def test_faults_apply_to_the_ui() -> None:
    faults = Faults()
    faults.add(Fault("sagemaker-mlflow:DeleteRun", error="ThrottlingException", status=429, message="Slow down"))
    status, page = Pages(lambda _: None, faults).post("/ajax-api/2.0/mlflow/runs/delete")
    assert status == 429
    assert "ThrottlingException" in page
    assert "Slow down" in page


def test_a_plain_http_client_can_open_a_link(localaws: RunningLocalAws, server: str) -> None:
    with httpx.Client(follow_redirects=True) as client:
        page = client.get(authorized_url(localaws, server))
        assert page.status_code == 200
        assert str(page.url).endswith("/")
        assert "<title>MLflow</title>" in page.text
        assert client.get(str(page.url).rstrip("/")).url == page.url


def test_rejects_requests_from_other_origins(localaws: RunningLocalAws, server: str) -> None:
    address, cookie = enter(localaws, server)
    url = f"{address}/ajax-api/2.0/mlflow/experiments/get?experiment_id=0"
    for origin, status in ((localaws.url, 200), ("http://evil.example", 403), ("null", 403)):
        assert httpx.get(url, headers={"cookie": cookie, "origin": origin}).status_code == status


@pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")
def test_a_link_with_a_fragment_opens_a_runs_page_in_a_browser(
    localaws: RunningLocalAws, server: str, tmp_path: Path
) -> None:
    run = create_run(localaws, server)
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    done = subprocess.run(
        [
            "chromium",
            *flags.split(),
            f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            f"{authorized_url(localaws, server)}#/experiments/0/runs/{run['run_id']}",
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert run["run_name"] in done.stdout
    assert run["run_id"] in done.stdout
