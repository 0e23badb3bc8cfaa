"""Policies on resources: AWS refuses one that names a principal that does not exist, or that locks its caller out.

moto stores any policy, so that the mistake would show only on AWS, in the middle of an apply. Sources:
https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html ("The principals in the key policy must exist
and be visible to KMS", and what a key policy must allow), and for the messages
https://github.com/aws-samples/aws-iam-access-key-auto-rotation/issues/26 (IAM),
https://github.com/cloud-custodian/cloud-custodian/issues/4948 (S3) and
https://github.com/lightspin-tech/eks-creation-engine/issues/4 (KMS).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from localaws.call import current_call
from localaws.errors import AwsError
from localaws.iam.evaluate import evaluate
from localaws.iam.matching import like
from localaws.iam.moto_policy_store import MotoPolicyStore
from localaws.iam.permission import RequiredPermission
from localaws.iam.policy import Policy, PolicyError, texts
from localaws.iam.request import Request

# The policy in each request that stores one.
_POLICY: Mapping[tuple[str, str], Callable[[dict[str, Any]], str | None]] = {
    ("iam", "CreateRole"): lambda given: given.get("AssumeRolePolicyDocument"),
    ("iam", "UpdateAssumeRolePolicy"): lambda given: given.get("PolicyDocument"),
    ("kms", "CreateKey"): lambda given: given.get("Policy"),
    ("kms", "PutKeyPolicy"): lambda given: given.get("Policy"),
}
# Each service's code, and its messages for a principal that does not exist and for text that is not a policy.
_ERRORS: Mapping[str, tuple[str, str, str]] = {
    "iam": (
        "MalformedPolicyDocument",
        'Invalid principal in policy: "{kind}":"{name}"',
        "This policy contains invalid Json",
    ),
    "kms": (
        "MalformedPolicyDocumentException",
        "Policy contains a statement with one or more invalid principals.",
        "The key policy is not well-formed.",
    ),
    "s3": (
        "MalformedPolicy",
        "Invalid principal in policy",
        "Policies must be valid JSON and the first byte must be '{'",
    ),
}
_ENTITY = re.compile(r"arn:aws:iam::(?P<account>\d{12}):(?P<kind>root|role|user)(?:/(?P<name>[\w+=,.@/-]+))?", re.ASCII)
# Everyone, an account, a session, and an identity of CloudFront: localaws cannot look these up.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
_NOT_LOOKED_UP = re.compile(
    r"\*|\d{12}|arn:aws:sts::\d{12}:(assumed-role|federated-user)/[\w+=,.@/-]+|arn:aws:iam::cloudfront:user/[\w ]+",
    re.ASCII,
)


def check(response: Any, service: str, operation: str, given: dict[str, Any]) -> None:
    """Refuse a request whose policy AWS refuses.

    Raises:
        AwsError: with the service's code.
    """
    find = _POLICY.get((service, operation))
    document = find(given) if find else None
    if not document:
        return
    _check_principals(service, document, response.current_account)
    if service == "kms" and not given.get("BypassPolicyLockoutSafetyCheck"):
        name = str(given.get("KeyId") or "new").rpartition("/")[2]
        key = f"arn:aws:kms:{response.region}:{response.current_account}:key/{name}"
        _check_lockout(document, key, response.current_account)


def check_bucket_policy(document: str, bucket: str, account: str) -> None:
    """Refuse a policy for a bucket.

    The messages: https://github.com/hashicorp/terraform/issues/28688 (principal),
    https://github.com/hashicorp/terraform/issues/23570 and
    https://github.com/noobaa/noobaa-core/issues/10058 (resource), and https://github.com/aws/aws-cdk/issues/6708 (no
    resource).

    Raises:
        AwsError: MalformedPolicy.
    """
    _check_principals("s3", document, account)
    for statement in _statements("s3", document):
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise AwsError("MalformedPolicy", "Missing required field Principal")
        if "Resource" not in statement and "NotResource" not in statement:
            raise AwsError("MalformedPolicy", "Statement is missing required element")
        for resource in map(str, texts(statement.get("Resource", statement.get("NotResource")))):
            if not _is_within(resource, bucket):
                raise AwsError("MalformedPolicy", "Policy has invalid resource")


def _check_principals(service: str, document: str, account: str) -> None:
    code, unknown, _ = _ERRORS[service]
    for statement in _statements(service, document):
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element)
            principals = named if isinstance(named, dict) else {"AWS": named} if named else {}
            for name in map(str, texts(principals.get("AWS"))):
                if not _exists(name, account):
                    raise AwsError(code, unknown.format(kind="AWS", name=name))


def _exists(name: str, account: str) -> bool:
    """Whether an AWS principal exists. Principals of other accounts cannot be looked up and count as existing."""
    if _NOT_LOOKED_UP.fullmatch(name):
        return True
    from moto.iam.models import iam_backends

    iam = iam_backends[account]["aws"]
    held = [*list(iam.roles.values()), *list(iam.users.values())]
    found = _ENTITY.fullmatch(name)
    if not found:
        return any(one.id == name for one in held)
    if found["kind"] == "root" or not found["name"]:
        return found["kind"] == "root" and not found["name"]
    return found["account"] != account or any(one.arn == name for one in held)


def _check_lockout(document: str, key: str, account: str) -> None:
    """Refuse a key policy after which the caller may not change the key's policy any more.

    "A check that the principal making the CreateKey request is also allowed to make a PutKeyPolicy API call":
    https://repost.aws/knowledge-center/update-key-policy-future. If the policy leaves that to the account, the caller's
    own policies decide: https://github.com/aws-samples/rds-snapshot-export-to-s3-pipeline/issues/8
    """
    store, call = MotoPolicyStore(account), current_call.get()
    caller = store.principal(call.principal)
    # The conditions of the new policy see what this request shows of its caller.
    context = call.permissions[0].context
    permission = RequiredPermission("kms:PutKeyPolicy", key, account)
    try:
        policies = replace(store.policies(caller, permission), resource=Policy.parse("key policy", document))
    except PolicyError as error:
        raise AwsError("MalformedPolicyDocumentException", str(error)) from None
    if not evaluate(Request(caller, permission.action, key, account, context), policies).allowed:
        raise AwsError(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        )


def _is_within(resource: str, bucket: str) -> bool:
    """Whether a pattern of a bucket policy can mean the bucket or what is in it. `*` alone is refused."""
    prefix, _, rest = resource.partition(":::")
    return prefix == "arn:aws:s3" and like(rest.partition("/")[0], bucket)


def _statements(service: str, document: str) -> Iterator[dict[str, Any]]:
    code, _, malformed = _ERRORS[service]
    try:
        given = json.loads(document)["Statement"]
    except (ValueError, KeyError, TypeError):
        raise AwsError(code, malformed) from None
    for statement in given if isinstance(given, list) else [given]:
        if not isinstance(statement, dict):
            raise AwsError(code, malformed)
        yield statement
