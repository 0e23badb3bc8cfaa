"""Reads from moto the policies of principals and resources, and the attributes of resources that conditions use."""

from functools import lru_cache
from typing import Any

from localaws.iam.evaluate import Policies
from localaws.iam.permission import RequiredPermission
from localaws.iam.policy import Policy
from localaws.iam.request import Principal

S3_ARN = "arn:aws:s3:::"


class MotoPolicyStore:
    """A view of moto's data. It stores nothing itself, so a new policy applies from the next call on."""

    def __init__(self, account: str) -> None:
        self.account = account

    def principal(self, arn: str) -> Principal:
        """The caller with the ARN that belongs to a signature."""
        principal = Principal(arn)
        if not principal.is_session:
            return principal
        role = self._role(principal.entity.rsplit("/", 1)[-1])
        return Principal(arn, role.arn) if role else principal

    def policies(self, principal: Principal, permission: RequiredPermission) -> Policies:
        """The policies that decide on a call.

        Raises:
            PolicyError: a policy is invalid, although moto accepted it.
        """
        resource = self._resource_policy(permission)
        name = permission.resource.split(":", 5)[-1]
        # Calls of STS without a role, such as GetFederationToken, are the caller's policies' to allow.
        decides = (permission.action.startswith("sts:") and name.startswith("role/")) or name.startswith("key/")
        if principal.account != self.account:
            return Policies(resource=resource, resource_decides=decides)
        kind, _, name = principal.entity.split(":", 5)[-1].partition("/")
        name = name.rsplit("/", 1)[-1]
        holders: list[Any] = []
        boundary = None
        if kind == "role":
            role = self._role(name)
            holders = [role] if role else []
            boundary = self._managed(role.permissions_boundary_arn) if role else None
        elif kind == "user" and name in self._iam.users:
            holders = [self._iam.users[name], *self._iam.get_groups_for_user(name)]
        identity = tuple(policy for holder in holders for policy in _held(holder))
        return Policies(identity, boundary, resource, resource_decides=decides)

    def session_policies(self, access_key: str) -> tuple[Policy, ...] | None:
        """The policies that limit a session of a role; None if it has none, or if the key is a user's.

        A managed policy that has been deleted allows nothing.

        Raises:
            PolicyError: see `policies`.
        """
        from moto.sts.models import sts_backends

        session = sts_backends[self.account]["aws"].get_assumed_role_from_access_key(access_key)
        # Sessions in states of former versions have no list.
        arns, inline = getattr(session, "policy_arns", []), getattr(session, "policy", None)
        if not arns and not inline:
            return None
        found = [parsed("session policy", inline)] if inline else []
        return tuple(found + [policy for arn in arns if (policy := self._managed(arn))])

    def bucket_owner(self, bucket: str) -> str:
        """See `ResourceLookup`."""
        from moto.s3.models import s3_backends

        for account, backends in s3_backends.items():
            if bucket in backends["aws"].buckets:
                return str(account)
        return self.account

    def bucket_key(self, bucket: str) -> str | None:
        """See `ResourceLookup`."""
        default = self._encryption(bucket).get("ApplyServerSideEncryptionByDefault", {})
        given = default.get("KMSMasterKeyID")
        region = getattr(self._bucket(bucket), "region_name", "")
        return self.key_arn(given, region) if given else None

    def uses_bucket_key(self, bucket: str) -> bool:
        """See `ResourceLookup`."""
        return str(self._encryption(bucket).get("BucketKeyEnabled", "")).lower() == "true"

    def object_exists(self, bucket: str, key: str, version: str | None) -> bool:
        """See `ResourceLookup`."""
        return self._object(bucket, key, version) is not None

    def object_key(self, bucket: str, key: str, version: str | None) -> str | None:
        """See `ResourceLookup`."""
        found = self._object(bucket, key, version)
        given = getattr(found, "kms_key_id", None)
        region = getattr(self._bucket(bucket), "region_name", "")
        return self.key_arn(given, region) if given else None

    def key_arn(self, given: str, region: str) -> str:
        """See `ResourceLookup`."""
        from moto.kms.models import kms_backends

        if given.startswith("arn:") and ":alias/" not in given:
            return given
        name = given.split(":", 5)[-1]
        keys = kms_backends[self.account][region]
        name = keys.get_key_id_from_alias(name) or name if name.startswith("alias/") else name
        return f"arn:aws:kms:{region}:{self.account}:key/{name}"

    def tags(self, arn: str) -> dict[str, str]:
        """See `ResourceLookup`."""
        from moto.sagemaker.exceptions import SagemakerClientError
        from moto.sagemaker.models import sagemaker_backends

        service, region, account, resource = arn.split(":", 5)[2:] if arn.count(":") >= 5 else ("", "", "", "")
        if service == "kms" and resource.startswith("key/") and account == self.account:
            return _key_tags(region, account, arn)
        depth = 2 if resource.startswith("user-profile/") else 1
        if service != "sagemaker" or resource.count("/") != depth or account != self.account:
            return {}
        try:
            held = sagemaker_backends[account][region]._get_resource_from_arn(arn)
        except (SagemakerClientError, AttributeError):  # No such resource, or a kind of which moto keeps no tags.
            return {}
        return {tag["Key"]: tag["Value"] for tag in getattr(held, "tags", None) or []}

    def iam_arn(self, kind: str, name: str) -> str:
        """See `ResourceLookup`."""
        held = {
            "role": self._iam.roles,
            "user": self._iam.users,
            "group": self._iam.groups,
            "instance-profile": self._iam.instance_profiles,
        }
        found = next((one.arn for one in list(held[kind].values()) if one.name == name), None)
        return found or f"arn:aws:iam::{self.account}:{kind}/{name}"

    def role_boundary(self, name: str) -> str | None:
        """See `ResourceLookup`."""
        role = self._role(name)
        return role.permissions_boundary_arn if role else None

    @property
    def _iam(self) -> Any:
        from moto.iam.models import iam_backends

        return iam_backends[self.account]["aws"]

    def _role(self, name: str) -> Any:
        return next((role for role in list(self._iam.roles.values()) if role.name == name), None)

    def _managed(self, arn: str | None) -> Policy | None:
        policy = self._iam.managed_policies.get(arn) if arn else None
        return _managed(policy) if policy else None

    def _bucket(self, name: str) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends[self.bucket_owner(name)]["aws"].buckets.get(name)

    def _encryption(self, bucket: str) -> dict[str, Any]:
        found = getattr(self._bucket(bucket), "encryption", None)
        rule: dict[str, Any] = (found or {}).get("Rule", {})
        return rule

    def _object(self, bucket: str, key: str, version: str | None) -> Any:
        held = self._bucket(bucket)
        versions = held.keys.getlist(key) if held and key in held.keys else []
        if version:
            return next((found for found in versions if found.version_id == version), None)
        latest = versions[-1] if versions else None
        return latest if hasattr(latest, "etag") else None  # A delete marker has none.

    def _resource_policy(self, permission: RequiredPermission) -> Policy | None:
        if permission.resource.startswith(S3_ARN):
            bucket = self._bucket(permission.resource.removeprefix(S3_ARN).partition("/")[0])
            return parsed("bucket policy", bucket.policy.decode()) if bucket and bucket.policy else None
        service, region, account, rest = (
            permission.resource.split(":", 5)[2:] if permission.resource != "*" else ("", "", "", "")
        )
        kind, _, name = rest.partition("/")
        if service == "kms" and kind == "key":
            from moto.kms.models import kms_backends

            key = kms_backends[account][region].keys.get(name)
            return parsed("key policy", key.policy) if key else None
        if service == "sns":
            from moto.sns.models import sns_backends

            topic = sns_backends[account][region].topics.get(":".join(permission.resource.split(":")[:6]))
            return parsed("topic policy", topic.policy) if topic else None
        if service == "sqs":
            from moto.sqs.models import sqs_backends

            queue = sqs_backends[account][region].queues.get(rest)
            return parsed("queue policy", queue.policy) if queue and queue.policy else None
        if service == "iam" and kind == "role" and permission.action.startswith("sts:"):
            roles = list(self._iam.roles.values())
            role = next((role for role in roles if role.arn == permission.resource), None)
            return parsed("trust policy", role.assume_role_policy_document) if role else None
        return None


def _key_tags(region: str, account: str, arn: str) -> dict[str, str]:
    from moto.kms.models import kms_backends

    return dict(kms_backends[account][region].tagger.get_tag_dict_for_resource(arn.rpartition("/")[2]))


@lru_cache(maxsize=256)
def parsed(name: str, document: str) -> Policy:
    """Policies seldom change and are read at every call."""
    return Policy.parse(name, document)


def _held(holder: Any) -> list[Policy]:
    inline = [parsed(name, document) for name, document in list(holder.policies.items())]
    return inline + [_managed(policy) for policy in list(holder.managed_policies.values())]


def _managed(policy: Any) -> Policy:
    """The default version."""
    current = next(version for version in policy.versions if version.version_id == policy.default_version_id)
    return parsed(policy.name, current.document)
