"""One API call: its principal, operation, resource and required permissions."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

Headers = dict[str, str]
# The protocol of container registries, which botocore does not know.
REGISTRY_PROTOCOL = "registry"


class CheckedPermission(NamedTuple):
    """A permission that a call requires, as the call log shows it."""

    action: str
    resource: str
    context: dict[str, str | list[str]]


class Chunk(NamedTuple):
    """A signed part of an upload: a chunk of its data (`PAYLOAD`), or its trailing headers (`TRAILER`)."""

    kind: str
    digest: str
    signature: str


@dataclass
class Call:
    """The properties of a request that are known before the response.

    Attributes:
        headers: names in lower case.
        raw_path: the path as received, percent-encoded.
        body: the whole body; None if it is streamed to the service unread (large S3 uploads).
        service: the IAM prefix (`s3`, `sagemaker`, `sagemaker-mlflow`, …).
        resource: an ARN if one can be derived, otherwise the name that the call gives.
        protocol: botocore's name of the wire format (`json`, `query`, `rest-xml`, …).
        parameters: the operation's top-level input, as far as the path, the query or the body give it.
        ui: the host label of the tracking server whose UI is requested; empty for AWS's API.
        permissions: the permissions that the call requires; set by the guard.
        chunks: the signed parts of an upload to S3.
        model: botocore's model of the operation; None for calls that botocore does not know.
    """

    method: str
    raw_path: str
    path: str
    query: str
    headers: Headers
    body: bytes | None
    service: str = "-"
    operation: str = "-"
    resource: str = ""
    region: str = ""
    protocol: str = "rest-json"
    access_key: str = ""
    principal: str = "anonymous"
    ui: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    permissions: list[CheckedPermission] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    model: Any = None

    @property
    def input(self) -> Any:
        """botocore's model of the operation's input; None if the operation takes none, or is unknown."""
        return self.model.input_shape if self.model else None

    @property
    def query_parameters(self) -> dict[str, str]:
        """The parameters of the URL, also those without a value. Of equal names, the last one counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def action(self) -> str:
        """`service:Operation`, as IAM and faults name it."""
        return f"{self.service}:{self.operation}"


# The current call. moto's handlers run in a thread with a copy of the request's context, and their signature has no
# parameter for it.
current_call: ContextVar[Call] = ContextVar("current_call")
