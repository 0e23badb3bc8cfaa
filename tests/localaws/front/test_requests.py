"""Requests that no SDK sends: interrupted, too large, malformed, from web pages, with weak signatures."""

import contextlib
import json
import socket
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localaws.front.application import _is_local
from tests.support.refused import code
from tests.support.running import RunningLocalAws, tracking_server

MEGABYTE = 1024 * 1024
ACTIVITIES = b'{"ServiceNamespace": "sagemaker", "NextToken": "x"}'


def signed(
    localaws: RunningLocalAws, method: str, path: str, body: bytes = b"", service: str = "sagemaker", **given: Any
) -> dict[str, str]:
    """Headers of a request that botocore signs; `headers` are signed, too."""
    env = localaws.env
    headers = dict(given.get("headers", {}))
    request = AWSRequest(method, f"{localaws.url}{path}", data=body, headers=headers)
    credentials = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(credentials, service, given.get("region", "us-east-1")).add_auth(request)
    return dict(request.headers)


def bucket(localaws: RunningLocalAws, name: str) -> Any:
    s3 = localaws.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket=name)
    return s3


@pytest.mark.parametrize("size", [MEGABYTE, 20 * MEGABYTE])
def test_an_interrupted_upload_does_not_change_the_object(localaws: RunningLocalAws, size: int) -> None:
    name = f"broken-off-{size}"
    s3 = bucket(localaws, name)
    s3.put_object(Bucket=name, Key="model", Body=b"whole")
    url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": name, "Key": "model"}))
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {size}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", localaws.settings.port)) as connection:
        connection.sendall(head.encode() + b"x" * (size // 2))
    time.sleep(0.5)
    assert s3.get_object(Bucket=name, Key="model")["Body"].read() == b"whole"
    assert httpx.put(url.geturl(), content=b"y" * size).status_code == 200
    assert s3.head_object(Bucket=name, Key="model")["ContentLength"] == size


def test_a_large_upload_with_a_wrong_hash_is_refused(localaws: RunningLocalAws) -> None:
    s3 = bucket(localaws, "wrong-hash")
    headers = signed(localaws, "PUT", "/wrong-hash/a", service="s3", headers={"X-Amz-Content-SHA256": "0" * 64})
    refused = httpx.put(f"{localaws.url}/wrong-hash/a", content=b"x" * 20 * MEGABYTE, headers=headers)
    assert refused.status_code == 400
    assert "XAmzContentSHA256Mismatch" in refused.text
    assert "Contents" not in s3.list_objects_v2(Bucket="wrong-hash")


@pytest.mark.parametrize("size", [7 * MEGABYTE, 18 * MEGABYTE])
def test_an_invocation_that_is_too_large_is_413(localaws: RunningLocalAws, size: int) -> None:
    with pytest.raises(ClientError) as refused:
        localaws.client("sagemaker-runtime").invoke_endpoint(EndpointName="none", Body=b"x" * size)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert refused.value.response["Error"]["Code"] == "RequestEntityTooLargeException"


def test_an_unsigned_upload_is_refused_and_not_kept_in_memory(localaws: RunningLocalAws) -> None:
    pid = int((localaws.settings.run / "pid").read_text())

    def memory() -> int:
        with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    before = memory()
    refused = httpx.put(f"{localaws.url}/some-bucket/key", content=b"x" * 60 * MEGABYTE, timeout=60)
    assert refused.status_code == 403
    assert memory() - before < 30 * 1024


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"', b"\xff\xfe", b"null", b'{"ModelName": ' + b"[" * 5000])
def test_a_malformed_body_is_400(localaws: RunningLocalAws, body: bytes) -> None:
    headers = {"x-amz-target": "SageMaker.DescribeModel", "content-type": "application/x-amz-json-1.1"}
    sent = signed(localaws, "POST", "/", body, headers=headers)
    answer = httpx.post(f"{localaws.url}/", content=body, headers=sent)
    assert answer.status_code == 400, answer.text


def test_malformed_xml_is_400(localaws: RunningLocalAws) -> None:
    bucket(localaws, "malformed-xml")
    body = b"<Delete><Object>"
    headers = signed(
        localaws, "POST", "/malformed-xml?delete=", body, "s3", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    )
    answer = httpx.post(f"{localaws.url}/malformed-xml?delete=", content=body, headers=headers)
    assert answer.status_code == 400, answer.text


def test_an_unknown_service_is_501(localaws: RunningLocalAws) -> None:
    answer = httpx.get(f"{localaws.url}/", headers=signed(localaws, "GET", "/", service="no-such-service"))
    assert answer.status_code == 501
    assert answer.json()["__type"] == "NotImplemented"
    assert "localaws does not have the service no-such-service." in answer.text


@pytest.mark.parametrize(
    ("service", "method", "path"),
    [
        ("iam", "GET", "/?Action=listRoles&Version=2010-05-08"),
        ("monitoring", "POST", "/service/GraniteServiceVersion20100801/operation/DeleteAlarms"),
        ("scheduler", "GET", "/no-such-path"),
        ("s3", "PATCH", "/some-bucket/key"),
    ],
)
def test_an_unknown_operation_is_501(localaws: RunningLocalAws, service: str, method: str, path: str) -> None:
    """Without an operation, no permission is checked."""
    answer = httpx.request(method, f"{localaws.url}{path}", headers=signed(localaws, method, path, service=service))
    assert answer.status_code == 501, answer.text
    assert "botocore knows no such operation" in answer.text


@pytest.mark.parametrize("service", ["s3", "sagemaker"])
def test_an_unknown_region_is_refused(localaws: RunningLocalAws, service: str) -> None:
    answer = httpx.get(f"{localaws.url}/", headers=signed(localaws, "GET", "/", service=service, region="mars-1"))
    assert answer.status_code in (400, 403)
    assert "Credential should be scoped to a valid region" in answer.text


def test_an_amz_header_that_is_not_signed_is_refused(localaws: RunningLocalAws) -> None:
    headers = {**signed(localaws, "GET", "/", service="s3"), "x-amz-meta-added": "later"}
    answer = httpx.get(f"{localaws.url}/", headers=headers)
    assert answer.status_code == 403
    assert "There were headers present in the request which were not signed" in answer.text


@pytest.mark.parametrize(("seconds", "status"), [(604800, 200), (604801, 400), (0, 400), (-1, 400), (10**30, 400)])
def test_a_presigned_url_is_valid_for_at_most_a_week(localaws: RunningLocalAws, seconds: int, status: int) -> None:
    s3 = bucket(localaws, "presigned-week")
    s3.put_object(Bucket="presigned-week", Key="a", Body=b"1")
    env = localaws.env
    request = AWSRequest("GET", f"{localaws.url}/presigned-week/a")
    credentials = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=seconds).add_auth(request)
    assert httpx.get(request.url).status_code == status


def test_the_credential_scope_must_have_the_date_of_the_request(localaws: RunningLocalAws) -> None:
    headers = signed(localaws, "GET", "/", service="s3")
    today = f"{datetime.now(UTC):%Y%m%d}"
    headers["Authorization"] = headers["Authorization"].replace(f"/{today}/", "/20200101/")
    answer = httpx.get(f"{localaws.url}/", headers=headers)
    assert answer.status_code == 400
    assert "Date in Credential scope does not match" in answer.text


def test_the_host_header_must_be_signed(localaws: RunningLocalAws) -> None:
    headers = signed(localaws, "GET", "/", service="s3")
    headers["Authorization"] = headers["Authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    answer = httpx.get(f"{localaws.url}/", headers=headers)
    assert answer.status_code == 400
    assert "must be a 'SignedHeader'" in answer.text


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=x",
        "AWS4-HMAC-SHA256 Credential=////, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=\u00e9",
        "Basic eDp5",
        "Basic \u00ff",
        "Bearer \u00ff",
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/v2/", "/%ff%fe", "/a?X-Amz-Algorithm=AWS4-HMAC-SHA256", "/_ui/t-x/%", "/%2e%2e/a"]
)
def test_malformed_requests_never_cause_a_500(localaws: RunningLocalAws, authorization: str, path: str) -> None:
    host, port = "127.0.0.1", localaws.settings.port
    head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: {authorization}\r\nX-Amz-Date: x\r\n\r\n"
    with socket.create_connection((host, port)) as connection:
        connection.settimeout(10)
        connection.sendall(head.encode("latin1"))
        status = int(connection.recv(100).split()[1])
    assert 400 <= status < 500


@pytest.mark.parametrize(
    ("service", "target", "body"),
    [
        ("sagemaker", "SageMaker.ListModels", b'{"MaxResults": {}}'),
        ("sagemaker", "SageMaker.NoSuchOperation", b"{}"),
        ("kms", "TrentService.DescribeKey", b"{}"),
        ("cloudwatch", "NoTarget", b"junk"),
        ("codepipeline", "CodePipeline_20150709.CreatePipeline", b'{"pipeline": {}}'),
        ("codepipeline", "CodePipeline_20150709.UpdatePipeline", b'{"pipeline": {"name": "x"}}'),
        ("application-autoscaling", "AnyScaleFrontendService.DescribeScalingActivities", ACTIVITIES),
        ("ecr", "AmazonEC2ContainerRegistry_V20150921.PutImage", b'{"repositoryName": "aa", "imageManifest": "x"}'),
        ("iam", "", b"Action=AttachRolePolicy&Version=2010-05-08&RoleName=x"),
        ("iam", "", b"Action=TagRole&Version=2010-05-08&RoleName=x&Tags=x"),
    ],
)
def test_malformed_parameters_never_cause_a_500(
    localaws: RunningLocalAws, service: str, target: str, body: bytes
) -> None:
    kind = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    given = kind if target else {"Content-Type": "application/x-www-form-urlencoded"}
    headers = signed(localaws, "POST", "/", body, service, headers=given)
    answer = httpx.post(f"{localaws.url}/", content=body, headers=headers, timeout=60)
    assert 400 <= answer.status_code < 500 or answer.status_code == 501


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-localaws": "1"}, 200),
        ({}, 403),
        ({"x-localaws": "1", "origin": "http://evil.example"}, 403),
        ({"x-localaws": "1", "sec-fetch-site": "same-origin"}, 403),
        ({"x-localaws": "1", "host": "evil.example"}, 403),
        ({"x-localaws": "1", "host": "evil.example:4577"}, 403),
        ({"x-localaws": "1", "host": "localhost:1"}, 200),
    ],
)
def test_web_pages_cannot_use_the_control_paths(
    localaws: RunningLocalAws, headers: dict[str, str], status: int
) -> None:
    for path in ("health", "calls", "faults"):
        assert httpx.get(f"{localaws.url}/_localaws/{path}", headers=headers).status_code == status
    if status == 403:
        fault = json.dumps({"operation": "s3:*", "error": "Injected"})
        refused = httpx.post(f"{localaws.url}/_localaws/faults", content=fault, headers=headers)
        assert refused.status_code == 403


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"", b"null", b"x" * (MEGABYTE + 1)])
def test_a_fault_that_cannot_be_read_is_400(localaws: RunningLocalAws, body: bytes) -> None:
    answer = httpx.post(f"{localaws.url}/_localaws/faults", content=body, headers={"x-localaws": "1"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"]


def test_web_pages_of_other_machines_cannot_use_signed_requests(localaws: RunningLocalAws) -> None:
    s3 = bucket(localaws, "pages")
    link = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": "pages"})
    for origin, status in (
        (None, 200),
        (localaws.url, 200),
        ("http://localhost:8888", 200),
        ("http://evil.example", 403),
        ("https://127.0.0.1.evil.example", 403),
        ("http://127.0.0.1@evil.example", 403),
        ("null", 403),
        ("", 403),
    ):
        given = {} if origin is None else {"origin": origin}
        headers = {**signed(localaws, "GET", "/", service="s3"), **given}
        assert httpx.get(f"{localaws.url}/", headers=headers).status_code == status
        assert httpx.get(link, headers=given).status_code == status
        preflight = httpx.options(f"{localaws.url}/pages/a", headers={**given, "access-control-request-method": "PUT"})
        assert status == 200 or preflight.status_code == 403


@pytest.mark.parametrize("kind", [SigV4QueryAuth, S3SigV4QueryAuth])
def test_a_presigned_request_is_carried_out_by_the_service_that_it_is_signed_for(
    localaws: RunningLocalAws, kind: Any
) -> None:
    """moto took it for one of S3: a call that needs no permission read any object."""
    s3 = bucket(localaws, "presigned")
    s3.put_object(Bucket="presigned", Key="a", Body=b"content")
    credentials = Credentials(localaws.env["AWS_ACCESS_KEY_ID"], localaws.env["AWS_SECRET_ACCESS_KEY"])
    for path in ("/", "/presigned/a"):
        url = f"{localaws.url}{path}?Action=GetCallerIdentity&Version=2011-06-15"
        request = AWSRequest("GET", url, headers={"host": urlsplit(url).netloc})
        kind(credentials, "sts", "us-east-1", expires=60).add_auth(request)
        answer = httpx.get(request.url)
        assert answer.status_code == (403 if kind is S3SigV4QueryAuth else 200 if path == "/" else 404)
        assert ("<Arn>arn:aws:iam::123456789012:user/localaws</Arn>" in answer.text) is (answer.status_code == 200)
        assert "content" not in answer.text


PREFLIGHT = {"origin": "http://localhost:8888", "access-control-request-method": "PUT"}


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/", {}, b""),
        ("/", PREFLIGHT, b""),
        ("//", PREFLIGHT, b""),
        ("/unsigned/a", {}, b""),
        ("/unsigned/a", {"origin": "http://localhost:1"}, b""),
        ("/unsigned/a", PREFLIGHT, b"Action=ListUsers&Version=2010-05-08"),
        ("/unsigned/a", {**PREFLIGHT, "x-amz-target": "AWSCognitoIdentityService.GetId"}, b""),
        ("/moto-api/data.json", {}, b""),
        ("/moto-api/data.json", PREFLIGHT, b""),
        ("/latest/meta-data/iam/security-credentials/", PREFLIGHT, b""),
    ],
)
def test_only_a_preflight_to_a_bucket_is_answered_without_a_signature(
    localaws: RunningLocalAws, path: str, headers: dict[str, str], body: bytes
) -> None:
    bucket(localaws, "unsigned")
    answer = httpx.request("OPTIONS", f"{localaws.url}{path}", headers=headers, content=body)
    assert answer.status_code in (403, 404)
    assert localaws.env["AWS_ACCESS_KEY_ID"].encode() not in answer.content
    assert b"<Name>" not in answer.content


def test_the_preflight_of_a_presigned_url_is_answered(localaws: RunningLocalAws) -> None:
    s3 = bucket(localaws, "preflight")
    rule = {"AllowedMethods": ["PUT"], "AllowedOrigins": [PREFLIGHT["origin"]]}
    s3.put_bucket_cors(Bucket="preflight", CORSConfiguration={"CORSRules": [rule]})
    link = s3.generate_presigned_url("put_object", Params={"Bucket": "preflight", "Key": "a"})
    answer = httpx.options(link, headers=PREFLIGHT)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PREFLIGHT["origin"])


@pytest.mark.parametrize("path", ["/moto-api/data.json", "/latest/meta-data/iam/security-credentials/", "/favicon.ico"])
def test_motos_own_pages_are_buckets(localaws: RunningLocalAws, path: str) -> None:
    """moto shows all resources and their secrets there, and deletes everything with a POST."""
    bucket(localaws, "kept")
    answer = httpx.get(f"{localaws.url}{path}", headers=signed(localaws, "GET", path, service="s3"))
    assert (answer.status_code, "<Code>NoSuchBucket</Code>" in answer.text) == (404, True)
    httpx.post(f"{localaws.url}/moto-api/reset", headers=signed(localaws, "POST", "/moto-api/reset", service="s3"))
    assert localaws.client("s3").list_buckets()["Buckets"]


@pytest.mark.parametrize(("begin", "line"), [(b"", b"X: a\r\n" * 1000), (b"X: ", b"a" * 8192)])
def test_headers_without_end_are_refused(localaws: RunningLocalAws, begin: bytes, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", localaws.settings.port)) as connection:
        connection.settimeout(10)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + begin)
        with contextlib.suppress(ConnectionError):
            for _ in range(4 * MEGABYTE // len(line)):
                connection.sendall(line)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1000):  # Until localaws has closed the connection.
                answer += part
    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost:4577", True), ("data.s3.localhost:1", True), ("[::1]:1", True), ("", False),
     ("evil.example", False), ("evil.example,a.localhost", False), ("evil.example:80@a.localhost", False),
     ("127.0.0.1.evil.example", False), ("evillocalhost", False)],
)  # fmt: skip
def test_only_names_of_this_machine_are_its_own(host: str, local: bool) -> None:
    assert _is_local(host) is local


def test_requests_with_another_host_name_are_refused(localaws: RunningLocalAws) -> None:
    headers = {**signed(localaws, "GET", "/", service="s3"), "host": "evil.example"}
    assert httpx.get(f"{localaws.url}/", headers=headers).status_code == 403


def test_the_port_of_a_tracking_server_answers_the_gateway_only(localaws: RunningLocalAws) -> None:
    tracking_server(localaws, "own-port")
    upstream = next(one["upstream"] for one in localaws.health()["tracking_servers"] if one["name"] == "own-port")
    url = f"{upstream}/api/2.0/mlflow/experiments/get?experiment_id=0"
    for headers in ({}, {"x-localaws-token": "wrong"}, {"x-localaws-token": ""}):
        assert httpx.get(url, headers=headers).status_code == 403
    token = localaws.settings.token_file.read_text()
    assert httpx.get(url, headers={"x-localaws-token": token}).status_code == 200


def test_objects_keep_keys_with_characters_of_urls(localaws: RunningLocalAws) -> None:
    s3 = bucket(localaws, "odd-keys")
    keys = [
        "a",
        "a/b",
        "a%2Fb",
        "a?b",
        "a#b",
        "a%0Ab",
        "a+b",
        "a b",
        "a\nb",
        "a\r\nb\t",
        "\n",
        "%",
        "caf\u00e9",
        "cafe\u0301",
        "a\\b",
        "/a",
        "a//b",
    ]
    for key in keys:
        s3.put_object(Bucket="odd-keys", Key=key, Body=key.encode())
    assert {found["Key"] for found in s3.list_objects_v2(Bucket="odd-keys")["Contents"]} == set(keys)
    for key in keys:
        assert s3.get_object(Bucket="odd-keys", Key=key)["Body"].read() == key.encode()
        s3.copy_object(Bucket="odd-keys", Key="copy", CopySource={"Bucket": "odd-keys", "Key": key})
        assert s3.get_object(Bucket="odd-keys", Key="copy")["Body"].read() == key.encode()
    with pytest.raises(ClientError, match="KeyTooLongError"):
        s3.put_object(Bucket="odd-keys", Key="\u00e9" * 513)


@pytest.mark.parametrize("body", [b"x", bytes(20 * MEGABYTE)], ids=["small", "large"])
def test_the_signature_is_checked_before_the_checksum_of_an_upload(localaws: RunningLocalAws, body: bytes) -> None:
    bucket(localaws, f"order-{len(body)}")
    wrong = {"Bucket": f"order-{len(body)}", "Key": "k", "Body": body, "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    thief = localaws.client("s3", aws_secret_access_key="wrong")
    assert code(lambda: thief.put_object(**wrong)) == "SignatureDoesNotMatch"
    assert code(lambda: localaws.client("s3").put_object(**wrong)) == "BadDigest"


def test_s3_requires_the_hash_of_the_body(localaws: RunningLocalAws) -> None:
    headers = {
        name: value for name, value in signed(localaws, "GET", "/", service="s3").items() if "SHA256" not in name
    }
    answer = httpx.get(localaws.url, headers=headers)
    assert (answer.status_code, "Missing required header" in answer.text) == (400, True)
