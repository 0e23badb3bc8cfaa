"""Signs requests for Amazon's MLflow servers and for S3, per client, and renews expired credentials.

The sagemaker-mlflow plugin signs with the ARN of the process's global tracking URI, so two servers in one process
would get each other's headers. Here each client has its own authentication flow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from typing import Any

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

_REFUSED = frozenset({400, 401, 403})


class SigV4(httpx.Auth):
    """Signs requests with AWS Signature Version 4.

    Args:
        credentials: returns botocore credentials; called again when the server reports that they have expired.
        header, arn: a header that tells the shared endpoint which server the request is for.
    """

    requires_request_body = True

    def __init__(self, credentials: Callable[[], Any], region: str, service: str, header: str, arn: str) -> None:
        self._provide = credentials
        self._credentials = credentials()
        self._region, self._service, self._header, self._arn = region, service, header, arn

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request (a hook of httpx). Sign it again, once, with fresh credentials if they have expired."""
        signed_with = self._credentials
        self._sign(request, signed_with)
        response = yield request
        if response.status_code in _REFUSED:
            # Another refused call may already have renewed them.
            fresh = self._provide()
            if _key(fresh) != _key(signed_with):
                self._credentials = fresh
                self._sign(request, fresh)
                yield request

    def _sign(self, request: httpx.Request, credentials: Any) -> None:
        # Headers that httpx adds (accept, user-agent) stay unsigned, because proxies may change them.
        headers = {
            "Host": request.url.netloc.decode(),
            self._header: self._arn,
            "X-Amz-Content-SHA256": hashlib.sha256(request.content).hexdigest(),
        }
        signed = AWSRequest(request.method, str(request.url), headers=headers, data=request.content)
        SigV4Auth(credentials, self._service, self._region).add_auth(signed)
        for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256", self._header):
            request.headers.pop(name, None)
            if name in signed.headers:
                request.headers[name] = signed.headers[name]


class Renewal:
    """Signs the requests of an S3 client and renews expired credentials. A refused request is signed and sent again.

    Args:
        client: a boto3 client for S3.
        held: the credentials to start with.
        credentials: returns botocore credentials; called when S3 reports that the present ones have expired.
    """

    def __init__(self, client: Any, held: Any, credentials: Callable[[], Any]) -> None:
        self._credentials, self._provide = held, credentials
        client.meta.events.register("before-sign.s3", self._use)
        client.meta.events.register("needs-retry.s3", self._renew)

    def _use(self, request: Any, **_: Any) -> None:
        request.context.setdefault("signing", {})["request_credentials"] = self._credentials

    def _renew(self, request_dict: Any, response: Any = None, **_: Any) -> int | None:
        """The seconds to wait before the request is signed and sent again; None not to repeat it."""
        if response is None or response[0].status_code not in _REFUSED:
            return None
        fresh = self._provide()
        if _key(fresh) == _key(request_dict["context"]["signing"]["request_credentials"]):
            return None
        self._credentials = fresh
        return 0


class Bearer(httpx.Auth):
    """Sends a bearer token."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """httpx's hook."""
        request.headers["Authorization"] = self._header
        yield request


def _key(credentials: Any) -> tuple[str, str | None]:
    frozen = credentials.get_frozen_credentials()
    return frozen.access_key, frozen.token
