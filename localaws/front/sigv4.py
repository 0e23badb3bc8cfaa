"""Checks AWS Signature Version 4, in headers and in presigned URLs.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
botocore cannot be used for this, because it only signs: a server must verify the bytes that it receives.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Self
from urllib.parse import quote, unquote

import botocore.session

from localaws.call import Call
from localaws.credentials import Key
from localaws.errors import AwsError

MAX_SKEW = timedelta(minutes=15)
# Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html (X-Amz-Expires)
MAX_LIFETIME = timedelta(days=7)
# Values that clients send instead of the body's hash; the S3 client does so for streams with trailers.
UNHASHED = ("UNSIGNED-PAYLOAD", "STREAMING-")


@dataclass(frozen=True)
class Signature:
    """The signature of a request. Only a presigned URL has a lifetime."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: list[str]
    value: str
    timestamp: datetime
    token: str | None
    lifetime: timedelta | None = None

    @classmethod
    def of(cls, call: Call) -> Self | None:
        """Reads the Authorization header or the X-Amz-* query; None if the request is not signed.

        Raises:
            AwsError: IncompleteSignature, a part is missing.
        """
        header = call.headers.get("authorization", "")
        query = call.query_parameters
        try:
            if header.startswith("AWS4-HMAC-SHA256"):
                parts = dict(part.strip().split("=", 1) for part in header.split(None, 1)[1].split(","))
                access_key, date, region, service = _scope(parts["Credential"])
                return cls(
                    access_key=access_key,
                    date=date,
                    region=region,
                    service=service,
                    signed_headers=parts["SignedHeaders"].split(";"),
                    value=parts["Signature"],
                    timestamp=_timestamp(call.headers["x-amz-date"]),
                    token=call.headers.get("x-amz-security-token"),
                )
            if query.get("X-Amz-Algorithm") == "AWS4-HMAC-SHA256":
                access_key, date, region, service = _scope(query["X-Amz-Credential"])
                return cls(
                    access_key=access_key,
                    date=date,
                    region=region,
                    service=service,
                    signed_headers=query["X-Amz-SignedHeaders"].split(";"),
                    value=query["X-Amz-Signature"],
                    timestamp=_timestamp(query["X-Amz-Date"]),
                    token=query.get("X-Amz-Security-Token"),
                    lifetime=timedelta(seconds=int(query["X-Amz-Expires"])),
                )
        except (KeyError, ValueError, IndexError, OverflowError):
            raise AwsError(
                "IncompleteSignature", "The request's signature lacks a part or is not well-formed.", 400
            ) from None
        return None


def check(call: Call, signature: Signature, key: Key | None, now: datetime) -> Key:
    """Checks everything about a signature that needs neither the secret nor the body.

    Raises:
        AwsError: the key is not known, the token is wrong or expired, the clock is off, the scope is wrong, or headers
            that must be signed are not. S3 has its own codes.
    """
    s3 = call.protocol == "rest-xml"
    unknown = "InvalidClientTokenId" if call.protocol in ("query", "ec2") else "UnrecognizedClientException"
    if key is None:
        if s3:
            message = "The AWS Access Key Id you provided does not exist in our records."
            raise AwsError("InvalidAccessKeyId", message, 403)
        raise AwsError(unknown, "The security token included in the request is invalid.", 403)
    if (signature.token or None) != key.token:
        code = "InvalidToken" if s3 else unknown
        raise AwsError(code, "The security token included in the request is invalid.", 403)
    if key.expires and key.expires <= now:
        code = "ExpiredToken" if s3 or call.protocol == "query" else "ExpiredTokenException"
        raise AwsError(code, "The security token included in the request is expired", 400 if s3 else 403)
    _check_time(signature, now, s3)
    _check_scope(signature, s3)
    _check_headers(call, signature, s3)
    return key


def verify(call: Call, signature: Signature, key_of: Callable[[str], Key | None], now: datetime) -> Key:
    """The key that signed the request.

    Raises:
        AwsError: see `check`; or the body or the signature differs.
    """
    s3 = call.protocol == "rest-xml"
    key = check(call, signature, key_of(signature.access_key), now)
    is_presigned = signature.lifetime is not None
    if signature.service == "s3" and not is_presigned and "x-amz-content-sha256" not in call.headers:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html ("all requests")
        raise AwsError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400)
    expected = hmac.new(
        _signing_key(key.secret, signature.date, signature.region, signature.service),
        _string_to_sign(call, signature, s3).encode(),
        hashlib.sha256,
    ).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.value.encode()):
        raise _differs(call, s3)
    # The signature covers the hash that the client sent, so the body is compared only after it.
    _check_body(call)
    _check_chunks(call, signature, key)
    return key


def _check_chunks(call: Call, signature: Signature, key: Key) -> None:
    """Each chunk of an upload is signed together with the signature before it.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    """
    secret = _signing_key(key.secret, signature.date, signature.region, signature.service)
    scope = f"{signature.date}/{signature.region}/{signature.service}/aws4_request"
    previous = signature.value
    for chunk in call.chunks:
        before = (hashlib.sha256(b"").hexdigest(),) if chunk.kind == "PAYLOAD" else ()
        time = f"{signature.timestamp:%Y%m%dT%H%M%SZ}"
        text = "\n".join((f"AWS4-HMAC-SHA256-{chunk.kind}", time, scope, previous, *before, chunk.digest))
        previous = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(previous.encode(), chunk.signature.encode()):
            raise _differs(call, s3=True)


def _differs(call: Call, s3: bool) -> AwsError:
    code = "SignatureDoesNotMatch" if s3 or call.protocol == "query" else "InvalidSignatureException"
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )
    return AwsError(code, message, 403)


def _check_scope(signature: Signature, s3: bool) -> None:
    """The date of the scope must be the request's, and the region must exist.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
    """
    malformed = "AuthorizationHeaderMalformed" if s3 else "InvalidSignatureException"
    status = 400 if s3 else 403
    if signature.date != f"{signature.timestamp:%Y%m%d}":
        message = f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {signature.date}."
        raise AwsError(malformed, message, status)
    if signature.region not in regions():
        raise AwsError(malformed, f"Credential should be scoped to a valid region, not '{signature.region}'.", status)


def _check_headers(call: Call, signature: Signature, s3: bool) -> None:
    """`host` and every `x-amz-*` header must be signed.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """
    signed = set(signature.signed_headers)
    unsigned = [name for name in call.headers if name.startswith("x-amz-") and name not in signed]
    if "host" in signed and not unsigned:
        return
    if s3 and "host" in signed:
        raise AwsError("AccessDenied", "There were headers present in the request which were not signed", 403)
    missing = ", ".join(unsigned) or "host"
    code = "AuthorizationHeaderMalformed" if s3 else "InvalidSignatureException"
    raise AwsError(code, f"'{missing}' must be a 'SignedHeader' in the AWS Authorization.", 400 if s3 else 403)


@cache
def regions() -> frozenset[str]:
    """Every region of every partition that botocore knows."""
    session = botocore.session.get_session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for service in ("ec2", "s3")
        for region in session.get_available_regions(service, partition, allow_non_regional=True)
    )


def _scope(credential: str) -> tuple[str, str, str, str]:
    access_key, date, region, service, ending = credential.rsplit("/", 4)
    if ending != "aws4_request" or not date.isascii() or not date.isdigit():
        raise ValueError(credential)
    return access_key, date, region, service


def _timestamp(text: str) -> datetime:
    if len(text) != len("20261121T120000Z") or not text.endswith("Z"):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _check_time(signature: Signature, now: datetime, s3: bool) -> None:
    if signature.lifetime is not None:
        if not timedelta(0) < signature.lifetime <= MAX_LIFETIME:
            message = "X-Amz-Expires must be greater than zero and less than a week (in seconds); 604800 is the most."
            raise AwsError("AuthorizationQueryParametersError", message, 400)
        if signature.timestamp - now > MAX_SKEW:
            raise AwsError("AccessDenied", "Request is not yet valid", 403)
        if now > signature.timestamp + signature.lifetime:
            raise AwsError("AccessDenied", "Request has expired", 403)
    elif abs(now - signature.timestamp) > MAX_SKEW:
        message = "The difference between the request time and the current time is too large."
        raise AwsError("RequestTimeTooSkewed" if s3 else "InvalidSignatureException", message, 403)


def _check_body(call: Call) -> None:
    claimed = call.headers.get("x-amz-content-sha256", "")
    if not claimed or claimed.startswith(UNHASHED) or call.body is None:
        return
    if hashlib.sha256(call.body).hexdigest() != claimed:
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise AwsError("XAmzContentSHA256Mismatch", message, 400)


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _string_to_sign(call: Call, signature: Signature, s3: bool) -> str:
    canonical = "\n".join(
        [
            call.method,
            _canonical_path(call.raw_path, s3),
            _canonical_query(call.query),
            *(f"{name}:{' '.join(call.headers.get(name, '').split())}" for name in signature.signed_headers),
            "",
            ";".join(signature.signed_headers),
            _payload_hash(call, signature, s3),
        ]
    )
    scope = f"{signature.date}/{signature.region}/{signature.service}/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    return f"AWS4-HMAC-SHA256\n{signature.timestamp:%Y%m%dT%H%M%SZ}\n{scope}\n{hashed}"


def _canonical_path(raw_path: str, s3: bool) -> str:
    """S3 signs the path encoded once, every other service encodes the encoded path again."""
    once = quote(unquote(raw_path), safe="/-_.~")
    return once if s3 else quote(raw_path, safe="/-_.~")


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    encoded = [(quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")) for name, _, value in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded) if name != "X-Amz-Signature")


def _payload_hash(call: Call, signature: Signature, s3: bool) -> str:
    """Only S3's presigned URLs are for any body.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """
    claimed = call.headers.get("x-amz-content-sha256")
    if claimed:
        return claimed
    if s3 and signature.lifetime is not None:
        return "UNSIGNED-PAYLOAD"
    return hashlib.sha256(call.body or b"").hexdigest()
