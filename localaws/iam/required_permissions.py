"""Which IAM permissions an API call requires.

Most operations require one action on one resource. Some require several: a copy reads and writes, an object under a
customer key uses the key, and passing a role to a service requires `iam:PassRole`.
Source: the service authorization reference,
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterator

from localaws.call import Call
from localaws.iam.permission import RequiredPermission, ResourceLookup, account_of
from localaws.iam.s3_permissions import s3_permissions
from localaws.iam.service_permissions import service_permissions
from localaws.mlflow_actions import ACCESS_UI

OPEN_UI = "sagemaker:CreatePresignedMlflowTrackingServerUrl"
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
        return list(_tracking(call, lookup))
    if prefix == "s3":
        return list(s3_permissions(call, lookup))
    return list(service_permissions(call, prefix, lookup))


def _tracking(call: Call, lookup: ResourceLookup) -> Iterator[RequiredPermission]:
    """A tracking call is its own action on the server named in its header; `AccessUI` has no resource.

    A signed request for a page, a file or a query of the UI also requires the right to open the UI of that server: AWS
    documents the presigned URL as the way to it, so `AccessUI` alone opens no server.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-private-link-restrict.html
    """
    account = account_of(call.resource, lookup.account)
    opens_ui = call.operation == ACCESS_UI
    yield RequiredPermission(f"sagemaker-mlflow:{call.operation}", "*" if opens_ui else call.resource or "*", account)
    if opens_ui and not call.ui:
        yield RequiredPermission(OPEN_UI, call.resource or "*", account)
