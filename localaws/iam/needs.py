"""What a call needs: the IAM actions on the resources that AWS asks its policies about.

One API call is one action on one resource for most operations and several for some: copying an object reads and
writes, an object under a customer's key uses the key, handing a role to a service passes it.
Source: the service authorization reference,
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from localaws.call import Call
from localaws.mlflow_actions import ACCESS_UI

Keys = dict[str, str | list[str]]
# The signing name, where it is not the prefix of the service's IAM actions.
PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
# AWS asks nobody's policy about these.
# Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
FREE = {"sts:GetCallerIdentity", "sts:GetSessionToken"}


@dataclass(frozen=True)
class Need:
    """One action on one resource, with the condition keys that the call itself gives.

    Attributes:
        account: whose the resource is.
    """

    action: str
    resource: str
    account: str
    context: Keys = field(default_factory=dict)


class Estate(Protocol):
    """What there is: some calls need more or less according to what they meet."""

    account: str

    def bucket_owner(self, bucket: str) -> str:
        """The account of a bucket; the caller's own where there is none of that name yet."""

    def bucket_key(self, bucket: str) -> str | None:
        """ARN of the customer key that the bucket encrypts new objects under."""

    def uses_bucket_key(self, bucket: str) -> bool:
        """Whether S3 makes one data key for many objects of the bucket."""

    def object_exists(self, bucket: str, key: str, version: str | None) -> bool:
        """Whether there is such an object."""

    def object_key(self, bucket: str, key: str, version: str | None) -> str | None:
        """ARN of the customer key that an object is encrypted under."""

    def key_arn(self, given: str, region: str) -> str:
        """ARN of a KMS key from its id, ARN or alias."""

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a SageMaker resource; none where there is no such resource."""


def needs_of(call: Call, estate: Estate) -> list[Need]:
    """All that a call needs; nothing for one that AWS lets everybody make."""
    from localaws.iam.needs_others import other_needs
    from localaws.iam.needs_s3 import s3_needs

    prefix = PREFIXES.get(call.service, call.service)
    if f"{prefix}:{call.operation}" in FREE:
        return []
    if prefix == "sagemaker-mlflow":
        return [_tracking(call, estate)]
    if prefix == "s3":
        return list(s3_needs(call, estate))
    return list(other_needs(call, prefix, estate))


def texts(value: Any) -> Iterator[str]:
    """The strings of a parameter: itself, or those of its list."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def account_of(arn: str, default: str) -> str:
    """The account in an ARN; the default where it names none."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 and parts[4] else default


def _tracking(call: Call, estate: Estate) -> Need:
    """A tracking call is an action of its own on the server that its header names; the UI's has no resource."""
    resource = "*" if call.operation == ACCESS_UI else call.resource or "*"
    return Need(f"sagemaker-mlflow:{call.operation}", resource, account_of(call.resource, estate.account))
