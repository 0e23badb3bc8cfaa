"""Quotas of IAM.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html. The messages are those that users
report, for example in kubernetes-sigs/aws-load-balancer-controller#2718 (trust policies),
ministryofjustice/cloud-platform-environments#14473 (managed policies) and danvk/mapsnap#483 (inline policies).
"""

from typing import Any

from localaws.errors import AwsError
from localaws.quotas import in_use

MANAGED_POLICY = 6144
TRUST_POLICY = 2048
INLINE_POLICIES = {"role": 10240, "user": 2048, "group": 5120}
POLICIES_PER_ROLE = 10

_CONFLICT = 409


def check(response: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse a request that exceeds a quota, names a policy that does not exist or deletes what is in use.

    Raises:
        AwsError: LimitExceeded, NoSuchEntity, EntityAlreadyExists or DeleteConflict.
    """
    in_use.check(response.backend, operation, given)
    if operation in ("CreatePolicy", "CreatePolicyVersion"):
        _limit(characters(given["PolicyDocument"]) > MANAGED_POLICY, f"PolicySize: {MANAGED_POLICY}")
    elif operation in ("CreateRole", "UpdateAssumeRolePolicy"):
        trust = given.get("AssumeRolePolicyDocument") or given.get("PolicyDocument") or ""
        _limit(characters(trust) > TRUST_POLICY, f"ACLSizePerRole: {TRUST_POLICY}")
    elif operation in ("PutRolePolicy", "PutUserPolicy", "PutGroupPolicy"):
        _check_inline(response.backend, operation.removeprefix("Put").removesuffix("Policy").lower(), given)
    elif operation == "AttachRolePolicy":
        role = _named(response.backend.roles, given["RoleName"])
        attached = set(role.managed_policies) if role else set()
        over = given["PolicyArn"] not in attached and len(attached) >= POLICIES_PER_ROLE
        _limit(over, f"PoliciesPerRole: {POLICIES_PER_ROLE}")
    elif operation == "CreateOpenIDConnectProvider" and not given["Url"].startswith("https://"):
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html (Url)
        raise AwsError("ValidationError", "Invalid Open ID Connect Provider URL: it must begin with https://.")
    boundary = given.get("PermissionsBoundary")
    if boundary and boundary not in response.backend.managed_policies:
        raise AwsError("NoSuchEntity", f"Scope ARN: {boundary} does not exist or is not attachable.", 404)


def characters(document: str) -> int:
    """The number of characters that IAM counts: all but white space."""
    return sum(not character.isspace() for character in document)


def _check_inline(backend: Any, kind: str, given: dict[str, Any]) -> None:
    """IAM limits the sum of an identity's inline policies."""
    name = given[f"{kind.capitalize()}Name"]
    owner = _named({"role": backend.roles, "user": backend.users, "group": backend.groups}[kind], name)
    if owner is None:
        return
    held = {policy: _text(document) for policy, document in owner.policies.items()}
    held[given["PolicyName"]] = given["PolicyDocument"]
    if sum(map(characters, held.values())) > INLINE_POLICIES[kind]:
        limit = INLINE_POLICIES[kind]
        raise AwsError("LimitExceeded", f"Maximum policy size of {limit} bytes exceeded for {kind} {name}", _CONFLICT)


def _text(document: Any) -> str:
    return str(getattr(document, "policy_json", document))


def _named(owners: dict[str, Any], name: str) -> Any:
    """A role, user or group by its name; moto stores roles by their ids."""
    return next((owner for owner in owners.values() if owner.name == name), None)


def _limit(exceeded: bool, quota: str) -> None:
    if exceeded:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for {quota}", _CONFLICT)
