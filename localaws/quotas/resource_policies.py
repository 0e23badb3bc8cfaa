"""Policies: AWS refuses one that breaks the grammar, names a principal that does not exist, or locks its caller out.

moto checks the grammar of IAM's policies only in part, and stores any other policy, so that the mistake would show only
on AWS, in the middle of an apply. Sources:
https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html ("The principals in the key policy must exist
and be visible to KMS", and what a key policy must allow), and for the messages
https://github.com/aws-samples/aws-iam-access-key-auto-rotation/issues/26 (IAM),
https://github.com/cloud-custodian/cloud-custodian/issues/4948 (S3) and
https://github.com/lightspin-tech/eks-creation-engine/issues/4 (KMS),
https://github.com/cloud-custodian/cloud-custodian/issues/1779 and
https://github.com/hashicorp/terraform-provider-aws/issues/26041 (SNS), and
https://github.com/cloud-custodian/cloud-custodian/issues/1816 (SQS).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from localaws.call import current_call
from localaws.errors import AwsError
from localaws.iam import grammar, service_principals
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
    ("logs", "PutResourcePolicy"): lambda given: given.get("policyDocument"),
    ("sns", "CreateTopic"): lambda given: (given.get("Attributes") or {}).get("Policy"),
    ("sns", "SetTopicAttributes"): lambda given: (
        given.get("AttributeValue") if given.get("AttributeName") == "Policy" else None
    ),
    ("sqs", "CreateQueue"): lambda given: (given.get("Attributes") or {}).get("Policy"),
    ("sqs", "SetQueueAttributes"): lambda given: (given.get("Attributes") or {}).get("Policy"),
}
# Requests that store a policy of an identity.
_IDENTITY = frozenset({"CreatePolicy", "CreatePolicyVersion", "PutGroupPolicy", "PutRolePolicy", "PutUserPolicy"})
# Services whose policies take no other service's actions. SNS's message: https://github.com/aws/aws-cli/issues/3143
_OWN_ACTIONS = frozenset({"s3", "sns", "sqs"})
_FOREIGN_ACTION = "Invalid parameter: Policy statement action out of service scope!"
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
    "logs": (
        "InvalidParameterException",
        "Invalid principal in policy",
        "The policy document is not well-formed.",
    ),
    "s3": (
        "MalformedPolicy",
        "Invalid principal in policy",
        "Policies must be valid JSON and the first byte must be '{'",
    ),
    "sns": (
        "InvalidParameter",
        "Invalid parameter: Policy Error: PrincipalNotFound",
        "Invalid parameter: Policy Error: null",
    ),
    "sqs": (
        "InvalidAttributeValue",
        "Invalid value for the parameter Policy.",
        "Invalid value for the parameter Policy.",
    ),
}
_ENTITY = re.compile(r"arn:aws:iam::(?P<account>\d{12}):(?P<kind>root|role|user)(?:/(?P<name>[\w+=,.@/-]+))?", re.ASCII)
# Everyone, an account, a session, and an identity of CloudFront: localaws cannot look these up.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
_NOT_LOOKED_UP = re.compile(
    r"\*|\d{12}|arn:aws:sts::\d{12}:(assumed-role|federated-user)/[\w+=,.@/-]+|arn:aws:iam::cloudfront:user/[\w ]+",
    re.ASCII,
)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html (federated users).
_FEDERATED = re.compile(
    r"([a-z0-9-]+\.)+[a-z]+(/\S*)?|arn:aws[a-z-]*:iam::\d{12}:(saml|oidc)-provider/\S+", re.ASCII | re.IGNORECASE
)


def check(response: Any, service: str, operation: str, given: dict[str, Any]) -> None:
    """Refuse a request whose policy AWS refuses.

    Raises:
        AwsError: with the service's code.
    """
    if service == "iam" and operation in _IDENTITY:
        _check_identity_policy(given["PolicyDocument"])
        return
    find = _POLICY.get((service, operation))
    document = find(given) if find else None
    if not document:
        return
    _check_principals(service, document, response.current_account)
    _check_grammar(service, document)
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
    _check_grammar("s3", document)


def _check_grammar(service: str, document: str) -> None:
    """Refuse a policy that breaks the grammar."""
    code, _, malformed = _ERRORS[service]
    if service == "iam":
        for statement in _statements(service, document):
            for problem in _rules_of_iam(statement):
                raise AwsError(code, problem)
        for problem in grammar.trust_problems(json.loads(document)):
            raise AwsError(code, problem)
        return
    for problem in grammar.resource_problems(json.loads(document), service if service in _OWN_ACTIONS else ""):
        if service == "sns" and problem == grammar.BAD_ACTION:
            raise AwsError(code, _FOREIGN_ACTION)
        raise AwsError(code, malformed if service in ("sns", "sqs") else problem)


def _check_identity_policy(document: str) -> None:
    """Refuse what moto accepts in a policy of a role, a user or a group.

    Source of the message: https://github.com/hashicorp/terraform/issues/13449
    """
    code = _ERRORS["iam"][0]
    try:
        statements = list(_statements("iam", document))
    except AwsError:
        return  # moto returns the error.
    for statement in statements:
        if "Principal" in statement or "NotPrincipal" in statement:
            raise AwsError(code, "Policy document should not specify a principal.")
        for problem in _rules_of_iam(statement):
            raise AwsError(code, problem)


def _rules_of_iam(statement: dict[str, Any]) -> Iterator[str]:
    yield from grammar.sid_problems(statement)
    if isinstance(statement.get("Condition"), dict):
        yield from grammar.condition_problems(statement)


def _check_principals(service: str, document: str, account: str) -> None:
    code, unknown, _ = _ERRORS[service]
    for statement in _statements(service, document):
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element)
            principals = named if isinstance(named, dict) else {"AWS": named} if named else {}
            for name in map(str, texts(principals.get("AWS"))):
                if not _exists(name, account):
                    raise AwsError(code, unknown.format(kind="AWS", name=name))
            for name in map(str, texts(principals.get("Service"))):
                if not service_principals.exists(name):
                    raise AwsError(code, unknown.format(kind="SERVICE", name=name))
            for name in map(str, texts(principals.get("Federated"))):
                if service == "iam" and not _FEDERATED.fullmatch(name):
                    raise AwsError(code, "Federated principals must be valid domain names or SAML metadata ARNs")


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
