"""Authenticates a request: by a signature (here), or by a browser session (localaws.tracking.ui)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from localaws.call import Call
from localaws.credentials import Key
from localaws.errors import AwsError, render
from localaws.front import one_reading
from localaws.front.body import inflated
from localaws.front.identify import identify, is_service, protocol_of
from localaws.front.sigv4 import Signature, check, verify


@dataclass(frozen=True)
class ErrorResponse:
    """An error in the format of an entrance's clients."""

    status: int
    headers: dict[str, str]
    body: bytes


Authenticate = Callable[[], None]


class Entrance(Protocol):
    """One way to authenticate. The later steps (permissions, faults, routing, call log) are the same for each."""

    def takes(self, call: Call) -> bool:
        """Whether this entrance authenticates the request."""

    def admit(self, call: Call) -> Authenticate:
        """Checks the headers before the body is read.

        Returns:
            The rest of the authentication. Call it once the body is read: it sets the principal, the operation and
            the resource, and raises AwsError if the authentication fails.

        Raises:
            AwsError: the request has no credentials, or names an unknown key or session.
        """

    def error(self, call: Call, error: AwsError) -> ErrorResponse:
        """Writes an error for this entrance's clients."""


class SignedEntrance:
    """AWS Signature Version 4, which every AWS client uses."""

    def __init__(self, key_of: Callable[[str], Key | None], clock: Callable[[], datetime]) -> None:
        self._key_of = key_of
        self._clock = clock

    def takes(self, call: Call) -> bool:  # noqa: ARG002 an Entrance
        """Accepts every request that no other entrance accepts."""
        return True

    def admit(self, call: Call) -> Authenticate:
        """Checks that the signature names a service and a key that exist. The returned function checks everything else.

        An error must be in the service's protocol, and the call log must name the operation. Both may need the body.

        Raises:
            AwsError: the signature is missing, or names an unknown service, region or key.
        """
        if _is_preflight(call):
            identify(call, None)
            return lambda: None
        signature = Signature.of(call)
        if signature is None:
            identify(call, None)
            _set_protocol(call)
            raise _unsigned(call)
        call.service, call.region, call.access_key = signature.service, signature.region, signature.access_key
        if not is_service(signature.service):
            raise AwsError("NotImplemented", f"localaws does not have the service {signature.service}.", 501)
        call.protocol = protocol_of(call, signature.service)
        key = self._key_of(signature.access_key)
        if key is None:
            check(call, signature, key, self._clock())
        return lambda: self._authenticate(call, signature, key)

    def _authenticate(self, call: Call, signature: Signature, key: Key | None) -> None:
        sent = call.body
        call.body = parameters = inflated(call)
        identify(call, signature)
        call.body = sent  # The client signs what it sends.
        call.principal = verify(call, signature, lambda _: key, self._clock()).principal
        if call.operation == "-" and call.service != "sagemaker-mlflow":
            # moto fails with one of the query protocol, and answers others with a page.
            raise NotImplementedError("botocore knows no such operation")
        one_reading.check(replace(call, body=parameters))

    def error(self, call: Call, error: AwsError) -> ErrorResponse:
        """The error in the protocol of the service that was called."""
        headers, body = render(error, call.protocol)
        return ErrorResponse(error.status, {**headers, **error.headers}, body)


def _is_preflight(call: Call) -> bool:
    """Whether it is a browser's question to a bucket, which is not signed (its URL may be, for PUT) and has no body.

    moto chooses the service and the operation of an unsigned request by its body, its headers or its path, and would
    carry it out without any permission: `OPTIONS /` listed the buckets.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html
    """
    has_body = call.headers.get("content-length", "0") != "0" or "transfer-encoding" in call.headers
    return (
        call.method == "OPTIONS"
        and {"origin", "access-control-request-method"} <= call.headers.keys()
        and not {"authorization", "x-amz-target"} & call.headers.keys()
        and re.fullmatch(r"/[a-z0-9][^/]*(/.*)?", call.raw_path) is not None
        and not has_body
    )


def _set_protocol(call: Call) -> None:
    """Sets the protocol in which an unsigned request's client reads the error; S3's is the default.

    STS takes AssumeRoleWithWebIdentity and AssumeRoleWithSAML unsigned:
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
    """
    kind = call.headers.get("content-type", "")
    if call.method != "POST" or call.path != "/":
        return  # S3's form has a bucket.
    if kind.startswith("application/x-www-form-urlencoded"):
        call.service, call.protocol = "-", "query"
    elif kind.startswith("application/x-amz-json"):
        call.service, call.protocol = "-", "json"


def _unsigned(call: Call) -> AwsError:
    """The error for a request without signature version 4: AWS refuses version 2 for buckets created after June 2020.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv2-deprecation.html
    """
    if "AWSAccessKeyId=" in call.query or call.headers.get("authorization", "").startswith("AWS "):
        message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        return AwsError("InvalidRequest", message, 400)
    if call.method == "POST" and call.headers.get("content-type", "").startswith("multipart/form-data"):
        # Its signature is a field: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
        return AwsError("NotImplemented", "localaws has no uploads by HTML forms (presigned POST). Presign a PUT.", 501)
    if call.service == "s3":
        return AwsError("AccessDenied", "Access Denied", 403)
    message = "Request is missing Authentication Token"
    if call.protocol == "query":
        message += (
            ". localaws has no identity providers: it does not have AssumeRoleWithWebIdentity and AssumeRoleWithSAML"
        )
    return AwsError("MissingAuthenticationToken", message, 403)
