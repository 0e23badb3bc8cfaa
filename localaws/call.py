"""One API call as localaws sees it: whose, to which service, which operation, on what."""

from dataclasses import dataclass, field
from typing import Any

Headers = dict[str, str]


@dataclass
class Call:
    """What is known of a request before anybody answers it.

    Attributes:
        headers: names in lower case.
        raw_path: the path as it came over the wire, percent-encoded.
        body: the whole body; None where it is streamed on unread (large S3 uploads).
        service: the IAM prefix (`s3`, `sagemaker`, `sagemaker-mlflow`, …).
        resource: an ARN where one can be told, otherwise the name that the call gives.
        protocol: botocore's word for the wire format (`json`, `query`, `rest-xml`, …).
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
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def action(self) -> str:
        """`service:Operation`, as IAM and faults name it."""
        return f"{self.service}:{self.operation}"
