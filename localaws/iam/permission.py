"""A required permission (one IAM action on one resource) and the lookups that decide which ones a call requires."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

# Condition keys and their value or values.
Keys = dict[str, str | list[str]]


@dataclass(frozen=True)
class RequiredPermission:
    """One action on one resource, with the condition keys that the call itself supplies.

    Attributes:
        account: the account that owns the resource.
    """

    action: str
    resource: str
    account: str
    context: Keys = field(default_factory=dict)


class ResourceLookup(Protocol):
    """Facts about existing resources. The permissions that some calls require depend on them."""

    account: str

    def bucket_owner(self, bucket: str) -> str:
        """The account that owns a bucket; the caller's own account for a bucket that does not exist yet."""

    def bucket_key(self, bucket: str) -> str | None:
        """ARN of the customer key that the bucket encrypts new objects with."""

    def uses_bucket_key(self, bucket: str) -> bool:
        """Whether the bucket uses S3 Bucket Keys: one data key for many objects."""

    def object_exists(self, bucket: str, key: str, version: str | None) -> bool:
        """Whether the object exists."""

    def object_key(self, bucket: str, key: str, version: str | None) -> str | None:
        """ARN of the customer key that an object is encrypted with."""

    def key_arn(self, given: str, region: str) -> str:
        """ARN of a KMS key from its id, ARN or alias."""

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a SageMaker resource or of a key; empty if it does not exist."""

    def iam_arn(self, kind: str, name: str) -> str:
        """ARN of a `role`, `user`, `group` or `instance-profile`, with its path if it exists."""

    def role_boundary(self, name: str) -> str | None:
        """ARN of a role's permissions boundary."""


def texts(value: Any) -> Iterator[str]:
    """Yields the strings of a parameter: the value itself, or those of its list."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def account_of(arn: str, default: str) -> str:
    """The account in an ARN; the default if it has none."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 and parts[4] else default
