"""Captures the calls that boto3 would send."""

from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.config import Config

from localaws.call import Call
from localaws.front.identify import identify
from localaws.front.sigv4 import Signature


class _CapturedError(Exception):
    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def _capture(request: Any, **_: Any) -> None:
    raise _CapturedError(request)


@cache
def _session() -> Any:
    return boto3.session.Session()


@cache
def _client(service: str) -> Any:
    client = _session().client(
        service,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="secret",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    client.meta.events.register("before-send", _capture)
    return client


def captured(service: str, operation: str, **parameters: Any) -> Call:
    """The identified call of a boto3 method, such as `captured("s3", "get_object", Bucket=…, Key=…)`."""
    try:
        getattr(_client(service), operation)(**parameters)
    except _CapturedError as found:
        request = found.request
    url = urlsplit(request.url)
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    call = Call(
        request.method,
        url.path,
        unquote(url.path),
        url.query,
        {
            name.lower(): value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        },
        body.encode() if isinstance(body, str) else body,
    )
    identify(call, Signature.of(call))
    return call
