"""The paths of the registry's API and the ECR operations that they stand for."""

import re
from dataclasses import dataclass

# https://github.com/opencontainers/distribution-spec/blob/main/spec.md; the operations whose permissions ECR checks:
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
NAME = rf"(?P<repository>{_PART}(?:/{_PART})*)"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
VERSION = "RegistryVersion"
_OPERATIONS = (
    (re.compile(rf"/v2/{NAME}/manifests/(?P<reference>[^/]+)"), {
        "GET": "BatchGetImage", "HEAD": "BatchGetImage", "PUT": "PutImage",
    }),
    (re.compile(rf"/v2/{NAME}/blobs/uploads/?"), {"POST": "InitiateLayerUpload"}),
    (re.compile(rf"/v2/{NAME}/blobs/uploads/(?P<reference>[0-9a-f-]+)"), {
        "PATCH": "UploadLayerPart", "PUT": "CompleteLayerUpload", "GET": "UploadLayerPart",
    }),
    (re.compile(rf"/v2/{NAME}/blobs/(?P<reference>sha256:[^/]+)"), {
        "GET": "GetDownloadUrlForLayer", "HEAD": "BatchCheckLayerAvailability",
    }),
    (re.compile(rf"/v2/{NAME}/tags/list"), {"GET": "ListImages"}),
)  # fmt: skip


@dataclass(frozen=True)
class ParsedPath:
    """What a request asks for.

    Attributes:
        operation: the ECR operation; empty if the registry does not have it.
        reference: a tag, a digest or the id of an upload; empty for a request that names none.
    """

    operation: str
    repository: str = ""
    reference: str = ""


def parse(method: str, path: str) -> ParsedPath:
    """What a request to a path asks for."""
    if path in ("/v2", "/v2/"):
        return ParsedPath(VERSION if method in ("GET", "HEAD") else "")
    for pattern, operations in _OPERATIONS:
        if match := pattern.fullmatch(path):
            found = match.groupdict()
            return ParsedPath(operations.get(method, ""), found["repository"], found.get("reference") or "")
    return ParsedPath("")
