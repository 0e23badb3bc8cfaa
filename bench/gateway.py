"""Measures the overhead of localaws's gateway for tracking calls, compared with direct calls to the same MLflow server.

Both ways alternate in one run, so that other load on the machine affects them equally. There are two clients:

- `http`: plain HTTP on a persistent connection with requests that are signed in advance: only the gateway;
- `mlflow`: MLflow's own client with the sagemaker-mlflow plugin, which signs on both ways: the time that users see.

Target: the median of every kind of call is at most 30 % slower. Exit status 1: the target is missed.
"""

import argparse
import hashlib
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))  # For tests.support.running, which starts a separate localaws.

from bench.targets import exit_status  # noqa: E402
from localaws import daemon  # noqa: E402
from tests.support.running import RunningLocalAws, start, tracking_server  # noqa: E402

LIMIT = 0.30
Way = Callable[[], object]
HEADER = "x-mlflow-sm-tracking-server-arn"


@dataclass(frozen=True)
class Row:
    """Medians in milliseconds. `added` is the overhead as a fraction of the direct call's time."""

    client: str
    call: str
    direct: float
    gateway: float
    added: float


@dataclass(frozen=True)
class Request:
    """One tracking call."""

    name: str
    method: str
    path: str
    body: bytes = b""


def main() -> int:
    """Measure, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=300, help="number of calls of each kind and way (default 300)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        localaws = start(Path(folder) / "home")
        try:
            rows = measure(localaws, given.calls)
        finally:
            daemon.down(localaws.settings)
    print(f"{'client':8}{'call':24}{'direct ms':>11}{'gateway ms':>12}{'added':>8}")
    for row in rows:
        print(f"{row.client:8}{row.call:24}{row.direct:11.2f}{row.gateway:12.2f}{row.added:8.0%}")
    worst = max(row.added for row in rows)
    result = {"limit": LIMIT, "worst": worst, "calls": given.calls, "rows": [asdict(row) for row in rows]}
    print(json.dumps(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    return exit_status(
        f"{row.client}, {row.call}: {row.added:.0%} more (at most {LIMIT:.0%})" for row in rows if row.added > LIMIT
    )


def measure(localaws: RunningLocalAws, calls: int) -> list[Row]:
    """One row for each client and kind of call."""
    arn = tracking_server(localaws, "bench")
    upstream = next(server["upstream"] for server in localaws.health()["tracking_servers"])
    return [*_wire(localaws, upstream, arn, calls), *_mlflow(localaws, upstream, arn, calls)]


def _wire(localaws: RunningLocalAws, upstream: str, arn: str, calls: int) -> list[Row]:
    direct = http.client.HTTPConnection(urlsplit(upstream).netloc)
    token = _token(localaws)
    gateway = http.client.HTTPConnection(urlsplit(localaws.url).netloc)
    created = _send(direct, Request("", "POST", "/api/2.0/mlflow/runs/create", b'{"experiment_id": "0"}'), token)
    run_id = json.loads(created)["run"]["info"]["run_id"]
    steps = [{"key": "curve", "value": 1 / (step + 1), "timestamp": step, "step": step} for step in range(1000)]
    batch = Request("", "POST", "/api/2.0/mlflow/runs/log-batch", _json({"run_id": run_id, "metrics": steps}))
    _send(direct, batch, token)
    rows = []
    for request in _requests(run_id):
        headers = _signed(localaws, arn, request)  # Valid for 15 minutes. MLflow itself ignores them.
        ways = [
            lambda r=request, h=headers: _send(direct, r, {**h, **token}),
            lambda r=request, h=headers: _send(gateway, r, h),
        ]
        rows.append(_row("http", request.name, ways, calls))
    return rows


def _token(localaws: RunningLocalAws) -> dict[str, str]:
    """The header that the MLflow servers require on their own ports."""
    return {"x-localaws-token": localaws.settings.token_file.read_text()}


def _requests(run_id: str) -> list[Request]:
    api = "/api/2.0/mlflow"
    metric = {"key": "loss", "value": 0.5, "timestamp": 1, "step": 1}
    batch = [{"key": f"m{i}", "value": 0.5, "timestamp": 1, "step": 1} for i in range(100)]
    search = {"experiment_ids": ["0"], "max_results": 100}
    return [
        Request("get experiment", "GET", f"{api}/experiments/get?experiment_id=0"),
        Request("get run", "GET", f"{api}/runs/get?run_id={run_id}"),
        Request("log metric", "POST", f"{api}/runs/log-metric", _json({"run_id": run_id, **metric})),
        Request(
            "log batch (100 metrics)", "POST", f"{api}/runs/log-batch", _json({"run_id": run_id, "metrics": batch})
        ),
        Request("search runs", "POST", f"{api}/runs/search", _json(search)),
        Request("history (1000 steps)", "GET", f"{api}/metrics/get-history?run_id={run_id}&metric_key=curve"),
    ]


def _mlflow(localaws: RunningLocalAws, upstream: str, arn: str, calls: int) -> list[Row]:
    for name, value in localaws.env.items():
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
    # Import after the environment is set. The import takes seconds.
    import mlflow
    from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider
    from mlflow.tracking.request_header.registry import _request_header_provider_registry

    token = _token(localaws)

    class Provider(RequestHeaderProvider):
        """Adds the token to every request."""

        def in_context(self) -> bool:
            return True

        def request_headers(self) -> dict[str, str]:
            return token

    _request_header_provider_registry.register(Provider)
    mlflow.set_tracking_uri(arn)
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id

    def to(address: str, call: Way) -> Way:
        def through() -> object:
            os.environ["SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT"] = address  # The plugin reads it for each call.
            return call()

        return through

    def both(call: Way) -> list[Way]:
        return [to(upstream, call), to(localaws.url, call)]

    return [
        _row("mlflow", "get run", both(lambda: client.get_run(run_id)), calls),
        _row("mlflow", "log metric", both(lambda: client.log_metric(run_id, "loss", 0.5)), calls),
    ]


def _row(client: str, call: str, ways: Sequence[Way], calls: int) -> Row:
    for way in ways:
        way()
    seconds: list[list[float]] = [[], []]
    for _ in range(calls):
        for way, found in zip(ways, seconds, strict=True):
            started = time.perf_counter()
            way()
            found.append(time.perf_counter() - started)
    direct, gateway = (statistics.median(found) * 1000 for found in seconds)
    return Row(client, call, round(direct, 3), round(gateway, 3), round(gateway / direct - 1, 3))


def _send(connection: http.client.HTTPConnection, request: Request, headers: dict[str, str]) -> bytes:
    given = {"Content-Type": "application/json", **headers}
    connection.request(request.method, request.path, request.body or None, given)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{request.name}: {answer.status} {content[:200]!r}")
    return content


def _signed(localaws: RunningLocalAws, arn: str, request: Request) -> dict[str, str]:
    env = localaws.env
    headers = {
        HEADER: arn,
        "Content-Type": "application/json",
        "X-Amz-Content-SHA256": hashlib.sha256(request.body).hexdigest(),
    }
    signed = AWSRequest(request.method, f"{localaws.url}{request.path}", data=request.body, headers=headers)
    credentials = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(credentials, "sagemaker-mlflow", env["AWS_REGION"]).add_auth(signed)
    return dict(signed.headers)


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


if __name__ == "__main__":
    sys.exit(main())
