"""The registry: login, push and pull over HTTP, and what ECR's API shows of the images."""

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from localaws.call import Call
from localaws.registry.entrance import RegistryEntrance
from localaws.registry.paths import parse
from localaws.registry.tokens import USER, Tokens
from tests.support.running import RunningLocalAws

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LAYER, CONFIG = b"a layer", b"{}"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(layer: bytes = LAYER) -> bytes:
    parts = [{"digest": digest(one), "size": len(one)} for one in (CONFIG, layer)]
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}).encode()


@pytest.fixture(scope="module")
def ecr(localaws: RunningLocalAws) -> Any:
    client = localaws.client("ecr")
    client.create_repository(repositoryName="team/images", imageTagMutability="IMMUTABLE")
    client.create_repository(repositoryName="mutable")
    return client


@pytest.fixture(scope="module")
def http(ecr: Any) -> Iterator[httpx.Client]:
    (granted,) = ecr.get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(granted["authorizationToken"]).decode().partition(":")
    with httpx.Client(base_url=granted["proxyEndpoint"], auth=(user, password), trust_env=False) as client:
        yield client


def upload(http: httpx.Client, repository: str, content: bytes, named: str = "") -> httpx.Response:
    """Upload a layer in two parts, as container tools do."""
    session = http.post(f"/v2/{repository}/blobs/uploads/")
    assert session.status_code == 202, session.text
    part = http.patch(session.headers["location"], content=content[:3])
    assert part.headers["range"] == f"0-{max(0, len(content[:3]) - 1)}"
    return http.put(part.headers["location"], params={"digest": named or digest(content)}, content=content[3:])


def put(http: httpx.Client, repository: str, reference: str, content: bytes) -> httpx.Response:
    return http.put(f"/v2/{repository}/manifests/{reference}", content=content, headers={"content-type": MANIFEST})


def push(http: httpx.Client, repository: str, tag: str, layer: bytes = LAYER) -> httpx.Response:
    for content in (CONFIG, layer):
        assert upload(http, repository, content).status_code == 201
    return put(http, repository, tag, manifest(layer))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["code"]


def test_a_pushed_image_is_pulled_and_shown_by_ecr(ecr: Any, http: httpx.Client) -> None:
    assert push(http, "team/images", "one").headers["docker-content-digest"] == digest(manifest())
    pulled = http.get("/v2/team/images/manifests/one")
    assert (pulled.content, pulled.headers["content-type"]) == (manifest(), MANIFEST)
    assert http.get(f"/v2/team/images/blobs/{digest(LAYER)}").content == LAYER
    assert http.head(f"/v2/team/images/blobs/{digest(LAYER)}").headers["content-length"] == str(len(LAYER))
    assert "one" in http.get("/v2/team/images/tags/list").json()["tags"]
    (shown,) = ecr.describe_images(repositoryName="team/images", imageIds=[{"imageTag": "one"}])["imageDetails"]
    assert shown["imageDigest"] == digest(manifest())
    assert "one" in shown["imageTags"]
    assert shown["imageSizeInBytes"] == len(LAYER) + len(CONFIG)
    found = ecr.batch_get_image(repositoryName="team/images", imageIds=[{"imageTag": "one"}])["images"]
    assert [image["imageManifest"] for image in found] == [manifest().decode()]


def test_a_tag_of_an_immutable_repository_is_never_pushed_again(http: httpx.Client) -> None:
    push(http, "team/images", "fixed")
    assert refusal(put(http, "team/images", "fixed", manifest())) == (400, "TAG_INVALID")
    assert refusal(push(http, "team/images", "fixed", b"another")) == (400, "TAG_INVALID")
    assert http.get("/v2/team/images/manifests/fixed").content == manifest()


def test_a_tag_of_a_mutable_repository_moves(http: httpx.Client) -> None:
    assert push(http, "mutable", "latest").status_code == 201
    assert put(http, "mutable", "latest", manifest()).status_code == 201
    assert push(http, "mutable", "latest", b"another").status_code == 201
    assert http.get("/v2/mutable/manifests/latest").content == manifest(b"another")


def test_what_a_registry_refuses(http: httpx.Client) -> None:
    assert refusal(http.post("/v2/no/such/blobs/uploads/")) == (404, "NAME_UNKNOWN")
    assert refusal(http.get("/v2/mutable/manifests/none")) == (404, "MANIFEST_UNKNOWN")
    assert refusal(http.get(f"/v2/mutable/blobs/{digest(b'none')}")) == (404, "BLOB_UNKNOWN")
    assert refusal(upload(http, "mutable", b"content", digest(b"other"))) == (400, "DIGEST_INVALID")
    assert refusal(put(http, "mutable", "broken", manifest(b"never uploaded"))) == (404, "BLOB_UNKNOWN")
    assert refusal(put(http, "mutable", "broken", b"no json")) == (400, "MANIFEST_INVALID")
    assert refusal(put(http, "mutable", "broken", b"[]")) == (400, "MANIFEST_INVALID")
    assert refusal(http.get("/v2/_catalog")) == (405, "UNSUPPORTED")
    assert refusal(http.patch("/v2/mutable/blobs/uploads/0-0", content=b"a")) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_only_a_valid_password_opens_the_registry(http: httpx.Client) -> None:
    anonymous = httpx.get(f"{http.base_url}/v2/", trust_env=False)
    assert anonymous.status_code == 401
    assert anonymous.headers["www-authenticate"].startswith("Basic realm=")
    for auth in (("AWS", "wrong"), ("root", http.auth._auth_header)):  # type: ignore[union-attr]
        assert refusal(httpx.get(f"{http.base_url}/v2/", auth=auth, trust_env=False)) == (403, "DENIED")


def test_the_address_of_a_repository_is_localaws_own(ecr: Any, http: httpx.Client) -> None:
    (found,) = ecr.describe_repositories(repositoryNames=["team/images"])["repositories"]
    assert found["repositoryUri"] == f"{http.base_url.host}:{http.base_url.port}/team/images"


def test_a_password_expires_after_twelve_hours() -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    tokens = Tokens(lambda: now[0])
    token = tokens.issue("arn:aws:iam::123456789012:user/a", "AK")
    now[0] += timedelta(hours=11, minutes=59)
    assert tokens.find(USER, token.password) == token
    now[0] += timedelta(minutes=2)
    assert tokens.find(USER, token.password) is None


def test_the_session_that_asked_for_a_password_limits_it() -> None:
    """The access key tells the policies of the session."""
    tokens = Tokens()
    password = tokens.issue("arn:aws:sts::123456789012:assumed-role/a/s", "AK").password
    login = base64.b64encode(f"{USER}:{password}".encode()).decode()
    call = Call("GET", "/v2/a/b/tags/list", "/v2/a/b/tags/list", "", {"authorization": f"Basic {login}"}, b"")
    RegistryEntrance(tokens, "123456789012", "us-east-1").admit(call)
    assert (call.principal, call.access_key) == ("arn:aws:sts::123456789012:assumed-role/a/s", "AK")


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/v2/", "RegistryVersion"),
        ("PUT", "/v2/a/b/manifests/1", "PutImage"),
        ("DELETE", "/v2/a/b/manifests/1", ""),
        ("POST", "/v2/a/b/blobs/uploads/", "InitiateLayerUpload"),
        ("GET", "/v2/a/../b/manifests/1", ""),
        ("GET", "/v2/A/manifests/1", ""),
    ],
)
def test_paths_stand_for_ecr_operations(method: str, path: str, operation: str) -> None:
    assert parse(method, path).operation == operation


def test_a_manifest_has_at_most_four_megabytes(http: httpx.Client) -> None:
    answer = http.put("/v2/mutable/manifests/large", content=b"{" + b" " * 4194304)
    assert answer.status_code == 413
    assert "MANIFEST_INVALID" in answer.text
