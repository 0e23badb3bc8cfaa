"""The signature check, tested with requests that botocore signs."""

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localaws.call import Call
from localaws.credentials import Key
from localaws.errors import AwsError
from localaws.front.sigv4 import Signature, verify

KEY_ID = "AKIAEXAMPLE"
SECRET = "a-secret-of-this-test"
SIGNERS = {"s3": (S3SigV4Auth, "rest-xml"), "sagemaker": (SigV4Auth, "json"), "sts": (SigV4Auth, "query")}


def signed(service="s3", method="GET", url="http://127.0.0.1:4577/bucket/key", body=b"", token=None, secret=SECRET):
    """A call that botocore signed, as localaws receives it."""
    signer, protocol = SIGNERS[service]
    request = AWSRequest(method=method, url=url, data=body, headers={"Host": "127.0.0.1:4577"})
    if service == "s3":
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
    signer(Credentials(KEY_ID, secret, token), service, "us-east-1").add_auth(request)
    return as_call(method, request.prepare().url, dict(request.headers.items()), body, protocol)


def presigned(seconds=60, url="http://127.0.0.1:4577/bucket/a%20key"):
    request = AWSRequest(method="GET", url=url, headers={})
    S3SigV4QueryAuth(Credentials(KEY_ID, SECRET), "s3", "us-east-1", expires=seconds).add_auth(request)
    return as_call("GET", request.url, {"host": "127.0.0.1:4577"}, b"", "rest-xml")


def as_call(method, url, headers, body, protocol):
    parts = urlsplit(url)
    headers = {name.lower(): value for name, value in headers.items()}
    return Call(method, parts.path, unquote(parts.path), parts.query, headers, body, protocol=protocol)


def check(call, key=None, later=timedelta()):
    signature = Signature.of(call)
    keys = {KEY_ID: key or Key(SECRET, "arn:aws:iam::123456789012:user/tester")}
    return verify(call, signature, keys.get, datetime.now(UTC) + later)


def refusal(call, **how):
    with pytest.raises(AwsError) as caught:
        check(call, **how)
    return caught.value.code


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("s3", "http://127.0.0.1:4577/bucket/plain"),
        ("s3", "http://127.0.0.1:4577/bucket/a%20b/%C3%BC%2B%3D~_-.%28x%29"),
        ("s3", "http://127.0.0.1:4577/bucket?list-type=2&prefix=a%2Fb%20c&empty="),
        ("s3", "http://127.0.0.1:4577/bucket/key?uploads"),
        ("sagemaker", "http://127.0.0.1:4577/"),
        ("sagemaker", "http://127.0.0.1:4577/endpoints/a%20b/invocations"),
        ("sagemaker", "http://127.0.0.1:4577/api?filter=name%20%3D%20%27x%27&b=2&a=1"),
        ("sts", "http://127.0.0.1:4577/"),
    ],
)
def test_accepts_a_request_signed_by_botocore_and_returns_the_principal(service, url):
    assert check(signed(service, url=url)).principal == "arn:aws:iam::123456789012:user/tester"


def test_accepts_a_signed_body():
    assert check(signed("sagemaker", "POST", body=b'{"a": 1}'))


def test_accepts_temporary_credentials_only_with_their_token():
    key = Key(SECRET, "arn:aws:sts::123456789012:assumed-role/r/s", token="the-token")
    assert check(signed(token="the-token"), key=key)
    assert refusal(signed(token="another"), key=key) == "InvalidToken"
    assert refusal(signed("sagemaker", token="another"), key=key) == "UnrecognizedClientException"
    assert refusal(signed("sts", token="another"), key=key) == "InvalidClientTokenId"
    assert refusal(signed(), key=key) == "InvalidToken"


def test_refuses_expired_temporary_credentials():
    key = Key(SECRET, "role", token="t", expires=datetime.now(UTC) - timedelta(seconds=1))
    assert refusal(signed(token="t"), key=key) == "ExpiredToken"
    assert refusal(signed("sagemaker", token="t"), key=key) == "ExpiredTokenException"


@pytest.mark.parametrize(
    ("service", "code"),
    [("s3", "SignatureDoesNotMatch"), ("sagemaker", "InvalidSignatureException"), ("sts", "SignatureDoesNotMatch")],
)
def test_refuses_another_secret_with_the_code_of_the_service(service, code):
    assert refusal(signed(service, secret="not-the-secret")) == code


@pytest.mark.parametrize("part", ["raw_path", "query", "method"])
def test_refuses_a_request_changed_after_it_was_signed(part):
    call = signed(url="http://127.0.0.1:4577/bucket/key?a=1")
    setattr(call, part, {"raw_path": "/bucket/other", "query": "a=2", "method": "DELETE"}[part])
    assert refusal(call) == "SignatureDoesNotMatch"


def test_refuses_a_changed_body_if_a_header_has_its_hash():
    call = signed("s3", "PUT", body=b"right")
    call.body = b"wrong"
    assert refusal(call) == "XAmzContentSHA256Mismatch"


def test_refuses_a_changed_body_if_its_hash_is_only_signed():
    call = signed("sagemaker", "POST", body=b"right")
    call.body = b"wrong"
    assert refusal(call) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("service", "code"),
    [("s3", "InvalidAccessKeyId"), ("sagemaker", "UnrecognizedClientException"), ("sts", "InvalidClientTokenId")],
)
def test_refuses_an_unknown_key_with_the_code_of_the_service(service, code):
    call = signed(service)
    with pytest.raises(AwsError) as caught:
        verify(call, Signature.of(call), lambda _: None, datetime.now(UTC))
    assert caught.value.code == code
    assert caught.value.status == 403


@pytest.mark.parametrize("minutes", [-16, 16])
def test_refuses_a_clock_that_is_off_by_more_than_fifteen_minutes(minutes):
    assert refusal(signed(), later=timedelta(minutes=minutes)) == "RequestTimeTooSkewed"
    assert check(signed(), later=timedelta(minutes=minutes * 14 / 16))


def test_accepts_a_presigned_url_until_it_expires():
    assert check(presigned(seconds=60))
    assert refusal(presigned(seconds=60), later=timedelta(seconds=62)) == "AccessDenied"


def test_refuses_a_presigned_url_for_another_key():
    call = presigned()
    call.raw_path = "/bucket/another"
    assert refusal(call) == "SignatureDoesNotMatch"


def test_refuses_an_incomplete_authorization_header():
    call = signed()
    call.headers["authorization"] = call.headers["authorization"].split(", SignedHeaders")[0]
    with pytest.raises(AwsError, match="IncompleteSignature"):
        Signature.of(call)


def test_an_unsigned_request_has_no_signature():
    assert Signature.of(as_call("GET", "http://127.0.0.1:4577/bucket/key", {}, b"", "rest-xml")) is None
