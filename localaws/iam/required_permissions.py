"""Which IAM permissions an API call requires.

Most operations require one action on one resource. Some require several: a copy reads and writes, an object under a
customer key uses the key, and passing a role to a service requires `iam:PassRole`.
Source: the service authorization reference,
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from localaws.call import Call
from localaws.iam.permission import RequiredPermission, ResourceLookup, account_of
from localaws.iam.s3_permissions import s3_permissions
from localaws.iam.service_permissions import service_permissions
from localaws.mlflow_actions import ACCESS_UI

# Signing names that differ from the prefix of the service's IAM actions.
PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
# Operations that require no permission.
# Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
# A login to the registry needs a password, for which ecr:GetAuthorizationToken was required.
FREE = {"sts:GetCallerIdentity", "sts:GetSessionToken", "ecr:RegistryVersion"}


def required_permissions(call: Call, lookup: ResourceLookup) -> list[RequiredPermission]:
    """All permissions that a call requires; empty for calls that AWS allows to everyone."""
    prefix = PREFIXES.get(call.service, call.service)
    if f"{prefix}:{call.operation}" in FREE:
        return []
    if prefix == "sagemaker-mlflow":
        return [_tracking(call, lookup)]
    if prefix == "s3":
        return list(s3_permissions(call, lookup))
    return list(service_permissions(call, prefix, lookup))


def _tracking(call: Call, lookup: ResourceLookup) -> RequiredPermission:
    """A tracking call is its own action on the server named in its header; `AccessUI` has no resource."""
    resource = "*" if call.operation == ACCESS_UI else call.resource or "*"
    return RequiredPermission(f"sagemaker-mlflow:{call.operation}", resource, account_of(call.resource, lookup.account))
