"""Tracking calls signed like the sagemaker-mlflow plugin does, without the slow import of MLflow."""

import hashlib
import json
from typing import Any

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.http import HTTP
from tests.support.running import RunningLocalAws

HEADER = "x-mlflow-sm-tracking-server-arn"
APP_HEADER = "x-sm-mlflow-app-arn"


def signed_headers(
    localaws: RunningLocalAws,
    arn: str,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    service: str = "sagemaker-mlflow",
    secret: str = "",
    region: str = "us-east-1",
    header: str = HEADER,
) -> dict[str, str]:
    """Return the headers of a signed call."""
    env = localaws.env
    headers = {header: arn, "X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
    request = AWSRequest(method, f"{localaws.url}{path}", data=body, headers=headers)
    credentials = Credentials(env["AWS_ACCESS_KEY_ID"], secret or env["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(credentials, service, region).add_auth(request)
    return dict(request.headers)


def track(
    localaws: RunningLocalAws, arn: str, method: str, path: str, content: Any = None, **signing: str
) -> httpx.Response:
    """Send a signed call to `/api/2.0/mlflow/{path}`."""
    path = f"/api/2.0/mlflow/{path}"
    body = b"" if content is None else json.dumps(content).encode()
    if ":mlflow-app/" in arn:
        signing = {"header": APP_HEADER, "service": "sagemaker", **signing}
    headers = signed_headers(localaws, arn, method, path, body, **signing)
    if body:
        headers["Content-Type"] = "application/json"
    return HTTP.request(method, f"{localaws.url}{path}", content=body, headers=headers, timeout=60)


def create_run(localaws: RunningLocalAws, arn: str) -> dict[str, Any]:
    """Create a run and return its info."""
    answer = track(localaws, arn, "POST", "runs/create", {"experiment_id": "0"}).raise_for_status()
    info: dict[str, Any] = answer.json()["run"]["info"]
    return info
