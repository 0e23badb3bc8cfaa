"""The roles of GitHub's workflows: who may assume them, and what they allow beside what Terraform needs."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from tests.localaws.iam.reference import actions, knows
from tests.policy.asking import on
from tests.policy.github_roles import (
    ADMINISTRATOR,
    BOUNDARY,
    BUCKET,
    CLIENT,
    CLIENT_BOUNDARY,
    DOMAIN,
    GROUP,
    IAM,
    KEYS,
    NEW,
    OURS,
    PROFILE,
    ROLE,
    SERVER,
    STATE,
    STUDIO_ROLE,
    TAGGED_DOMAIN,
    TAGGED_PROFILE,
    THEIR_KEY,
    THROUGH_S3,
    TRAIL,
    WRITER,
    allows,
    mutants,
    parse,
    planned_documents,
)
from tests.policy.judging import Ask
from tests.policy.rendered import Document
from tests.policy.scenarios import ACCOUNT, REGION
from tests.policy.terraform_permissions import recorded
from tests.terraform.planning import Planner
from tests.terraform.variations import KEY, STATES

ROLES = {"plan": ("read",), "train": ("read",), "apply": ("read", "services", "storage", "roles")}
TOOL = f"{BUCKET}/backups/tool/tool.json.gz"
READS = re.compile(r"[\w-]+:(BatchGet|Describe|Get|List|Validate|View|Decrypt|GenerateDataKey)")
# What the apply role must not do although Terraform would: it loses data, or rights over data.
WITHHELD = {
    "ecr:DeleteRepository",
    # KMS takes it only from a caller who may also change the key's policy.
    "kms:CreateKey",
    "kms:ScheduleKeyDeletion",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "sagemaker:DeleteMlflowTrackingServer",
}
# Calls that the recording lacks, each with its reason.
UNRECORDED = {
    "iam:ListRoles": "checks that the roles of clients exist (client_roles.tf)",
    "iam:PutRolePermissionsBoundary": "gives an existing environment the boundary",
    "iam:Update*": "changes of a role's trust or description",
    "kms:Up*": "changes of a key's alias or description",
    "kms:Decrypt": "reads the code of the backup from an encrypted bucket",
    "logs:DeleteRetentionPolicy": "a log that is kept for ever",
    "ecr:PutImageScanningConfiguration": "a changed setting of the repository",
    "s3:DeleteObject": "releases the lock of the state; removes the tool of a bucket without versions",
    "cloudformation:*": "an MLflow App, which the recording lacks",
    "cloudtrail:*": "a trail of data events, which the recording lacks",
    "sagemaker:*ModelPackageGroup*": "a model that other accounts may read, which the recording lacks",
    "codepipeline:*": "a delivery, which the recording lacks",
    "sagemaker:*Domain": "SageMaker Studio, which the recording lacks",
    "sagemaker:*UserProfile": "SageMaker Studio, which the recording lacks",
    "iam:CreateServiceLinkedRole": "SageMaker Studio, which the recording lacks",
    "s3:GetBucket*": "AWS adds settings of buckets, which the provider then reads",
    "s3:Put*": "optional settings of the bucket",
    "sagemaker:St*MlflowTrackingServer": "an upgrade starts the old server",
    "sns:Untag*": "removed tags",
    "*:Untag*": "removed tags",
    "sagemaker:DeleteTags": "removed tags",
    "ssm:RemoveTagsFromResource": "removed tags",
    "scheduler:UntagResource": "removed tags",
    "sqs:SetQueueAttributes": "a changed queue, which the recorded apply leaves out for its speed",
    "states:UpdateStateMachine": "a changed state machine",
}
REFUSED = {
    "plan": (
        *on(STATE, "s3:PutObject", "s3:DeleteObject"),
        *on(STATE.replace("staging", "prod"), "s3:GetObject"),
        *on(f"{STATE.replace('staging', 'prod')}.tflock", "s3:PutObject"),
        *on(f"{BUCKET}/1/abc/artifacts/model.pkl", "s3:GetObject"),
        *on(f"{BUCKET}/backups/mlflow-staging-3-0/runs", "s3:GetObject"),
        *on(TOOL, "s3:PutObject"),
        *on(SERVER, "sagemaker-mlflow:GetRun", "sagemaker:UpdateMlflowTrackingServer"),
        *on(SERVER, "sagemaker:CreatePresignedMlflowTrackingServerUrl"),
        Ask("kms:Decrypt", KEYS, OURS),
        Ask("kms:Decrypt", KEYS, THROUGH_S3),
        Ask("kms:Decrypt", KEYS, OURS | THROUGH_S3 | {"aws:ResourceTag/environment": "prod"}),
        Ask("kms:Decrypt", KEYS, OURS | THROUGH_S3 | {"aws:ResourceTag/project": "other"}),
        Ask("kms:Decrypt", KEY, {}),
        Ask("kms:Decrypt", THEIR_KEY, OURS | THROUGH_S3),
        Ask("kms:GetKeyPolicy", THEIR_KEY, OURS),
        Ask("kms:GetKeyPolicy", KEYS, {"aws:ResourceTag/environment": "staging"}),
        Ask("kms:GetKeyPolicy", KEYS, {"aws:ResourceTag/project": "mlflow"}),
        *on(TRAIL, "cloudtrail:StopLogging", "cloudtrail:PutEventSelectors", "cloudtrail:DeleteTrail"),
        *on(TRAIL.replace("staging", "prod"), "cloudtrail:GetEventSelectors"),
        *(
            Ask(f"sagemaker:Describe{kind}", arn, OURS | {key: "other"})
            for kind, arn in (("Domain", DOMAIN), ("UserProfile", PROFILE))
            for key in OURS
        ),
        *(Ask("sagemaker:ListTags", arn, OURS | {key: "other"}) for arn in (DOMAIN, PROFILE) for key in OURS),
        *(
            Ask(f"sagemaker:{action}", DOMAIN.replace(ACCOUNT, "210987654321"), OURS)
            for action in ("DescribeDomain", "ListTags")
        ),
        *on(f"{IAM}:role/other", "iam:GetRole"),
        *on(f"{IAM}:policy/other", "iam:GetPolicy"),
        *on("arn:aws:s3:::other", "s3:ListBucket", "s3:GetBucketPolicy"),
        *on(f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mlflow/prod/kms_key_arn", "ssm:GetParameter"),
    ),
    "apply": (
        # Rights beyond the boundary.
        *on(ROLE, "iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary"),
        Ask("iam:CreateRole", ROLE, {"iam:PermissionsBoundary": f"{IAM}:policy/other"}),
        Ask("iam:CreateRole", ROLE.replace("staging", "prod"), BOUNDARY),
        Ask("iam:PutRolePolicy", f"{IAM}:role/other", BOUNDARY),
        # Its own rights.
        *(
            Ask(f"iam:{action}", f"{IAM}:role/mlflow-staging-ci-{role}", BOUNDARY | WRITER)
            for role in ("plan", "apply")
            for action in ("PutRolePolicy", "AttachRolePolicy", "UpdateAssumeRolePolicy", "DeleteRole", "CreateRole")
        ),
        *(
            Ask(f"iam:{action}", f"{IAM}:role/mlflow-staging-ci-train", BOUNDARY)
            for action in ("PutRolePolicy", "UpdateAssumeRolePolicy", "DeleteRole", "DeleteRolePolicy")
        ),
        Ask("iam:DetachRolePolicy", f"{IAM}:role/mlflow-staging-ci-plan", {}),
        Ask("iam:PutRolePermissionsBoundary", f"{IAM}:role/mlflow-staging-ci-train", BOUNDARY),
        *on(
            f"{IAM}:policy/mlflow-staging-ci-client-boundary",
            *(f"iam:{verb}" for verb in ("CreatePolicy", "CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion")),
        ),
        *on(
            f"{IAM}:policy/mlflow-staging-ci-boundary",
            *(f"iam:{verb}" for verb in ("CreatePolicy", "CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion")),
        ),
        *on(f"{IAM}:oidc-provider/token.actions.githubusercontent.com", "iam:UpdateOpenIDConnectProviderThumbprint"),
        # Rights for others.
        Ask("iam:AttachRolePolicy", CLIENT, CLIENT_BOUNDARY | ADMINISTRATOR),
        Ask("iam:AttachRolePolicy", f"{IAM}:role/mlflow-staging-ci-train", CLIENT_BOUNDARY | ADMINISTRATOR),
        Ask("iam:AttachRolePolicy", f"{IAM}:role/other", CLIENT_BOUNDARY | WRITER),
        # CI can write any content as this policy, so a role without a boundary would become an administrator.
        Ask("iam:AttachRolePolicy", f"{IAM}:role/mlflow-staging-ci-train", WRITER),
        *(
            Ask(f"iam:{verb}RolePolicy", CLIENT, WRITER | boundary)
            for verb in ("Attach", "Detach")
            for boundary in ({}, BOUNDARY, {"iam:PermissionsBoundary": f"{IAM}:policy/other"})
        ),
        Ask("iam:PassRole", ROLE, {}),
        Ask("iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
        Ask("iam:PassRole", f"{IAM}:role/other", {"iam:PassedToService": "sagemaker.amazonaws.com"}),
        Ask(
            "iam:PassRole",
            f"{IAM}:role/mlflow-staging-ci-apply",
            {"iam:PassedToService": "codebuild.amazonaws.com"},
        ),
        *on(f"{IAM}:user/x", "iam:CreateUser", "iam:CreateAccessKey"),
        # Data.
        *on(BUCKET, "s3:DeleteBucket", "s3:DeleteBucketPolicy"),
        *on(f"{BUCKET}/1/abc/artifacts/model.pkl", "s3:GetObject", "s3:DeleteObject", "s3:DeleteObjectVersion"),
        *on(SERVER, "sagemaker:DeleteMlflowTrackingServer", "sagemaker-mlflow:DeleteRun"),
        *on(SERVER.replace("staging", "prod"), "sagemaker:UpdateMlflowTrackingServer"),
        *on(
            GROUP.replace("staging", "prod"),
            "sagemaker:PutModelPackageGroupPolicy",
            "sagemaker:DeleteModelPackageGroup",
        ),
        Ask("sagemaker:DeleteDomain", DOMAIN, OURS),
        *(Ask("sagemaker:UpdateDomain", DOMAIN, OURS | {key: "other"}) for key in OURS),
        *(Ask("sagemaker:CreateDomain", DOMAIN, NEW | {key: "other"}) for key in NEW),
        # With its own tags, another domain would become one of this environment.
        *(
            Ask("sagemaker:AddTags", arn, NEW | tags)
            for arn in (DOMAIN, PROFILE)
            for tags in ({}, dict.fromkeys(OURS, "x"))
        ),
        Ask("sagemaker:AddTags", DOMAIN, NEW | {"sagemaker:TaggingAction": "CreateSpace"}),
        Ask("sagemaker:AddTags", DOMAIN.replace(ACCOUNT, "210987654321"), TAGGED_DOMAIN),
        Ask("sagemaker:UpdateDomain", DOMAIN.replace(ACCOUNT, "210987654321"), OURS),
        Ask("sagemaker:CreateDomain", DOMAIN.replace(ACCOUNT, "210987654321"), NEW),
        *on(STUDIO_ROLE.replace("Notebooks", ""), "iam:CreateServiceLinkedRole"),
        *on(f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/mlflow-staging-serving", "ecr:DeleteRepository"),
        Ask("kms:ScheduleKeyDeletion", KEYS, OURS),
        Ask("kms:PutKeyPolicy", KEYS, OURS),
        Ask("kms:GenerateDataKey", THEIR_KEY, OURS | THROUGH_S3),
        Ask("kms:EnableKeyRotation", THEIR_KEY, OURS),
        Ask("kms:GenerateDataKey", KEYS, OURS),
        Ask("kms:GenerateDataKey", KEYS, THROUGH_S3 | {"aws:ResourceTag/project": "mlflow"}),
        Ask("kms:GenerateDataKey", KEYS, THROUGH_S3 | {"aws:ResourceTag/environment": "staging"}),
        Ask("kms:EnableKeyRotation", KEYS, {"aws:ResourceTag/project": "mlflow"}),
        Ask("kms:EnableKeyRotation", KEYS, {"aws:ResourceTag/environment": "staging"}),
        Ask("kms:CreateKey", "*", NEW),
        # With its own tags, another key would become one of this environment.
        Ask("kms:TagResource", KEYS, NEW),
        Ask("kms:TagResource", "*", NEW),
        *on(f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/other", "kms:CreateAlias", "kms:DeleteAlias"),
        *on("arn:aws:s3:::other", "s3:PutBucketPolicy", "s3:ListBucketVersions"),
        *on(f"arn:aws:s3:::{STATES}", "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration"),
        *on(STATE.replace("staging", "prod"), "s3:PutObject"),
        *on(STATE, "s3:DeleteObject"),
        *on(f"{IAM}:role/other", "iam:DeleteRole", "iam:UpdateAssumeRolePolicy"),
        *on(f"{IAM}:policy/other", "iam:CreatePolicyVersion"),
        *on(f"arn:aws:sns:{REGION}:{ACCOUNT}:other", "sns:DeleteTopic"),
    ),
}
# What Terraform needs and the recording lacks: the state is a file there.
# https://developer.hashicorp.com/terraform/language/backend/s3#permissions-required
BACKEND = (
    *on(f"arn:aws:s3:::{STATES}", "s3:ListBucket"),
    *on(STATE, "s3:GetObject"),
    *on(f"{STATE}.tflock", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    Ask("kms:Decrypt", KEY, THROUGH_S3),
    Ask("kms:GenerateDataKey", KEY, THROUGH_S3),
    Ask("kms:Decrypt", KEYS, OURS | THROUGH_S3),
    *on("*", "iam:ListRoles"),
    *on(CLIENT, "iam:ListAttachedRolePolicies"),
)
# A plan of an environment with a delivery, a trail of data events, an MLflow App or Studio, which the recording lacks.
OPTIONAL = (
    Ask("sagemaker:DescribeDomain", DOMAIN, OURS),
    # A deleted domain or profile.
    *on(DOMAIN, "sagemaker:DescribeDomain"),
    *on(PROFILE, "sagemaker:DescribeUserProfile"),
    Ask("sagemaker:ListTags", DOMAIN, OURS),
    Ask("sagemaker:DescribeUserProfile", PROFILE, OURS),
    Ask("sagemaker:ListTags", PROFILE, OURS),
    *on(f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:mlflow-staging-delivery", "codepipeline:GetPipeline"),
    *on(f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:mlflow-staging-delivery", "codepipeline:ListTagsForResource"),
    *on(f"arn:aws:s3:::mlflow-staging-delivery-{ACCOUNT}", "s3:GetBucketPolicy", "s3:ListBucket"),
    *on(
        f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/mlflow-staging-app-stack/1a2b",
        "cloudformation:DescribeStacks",
        "cloudformation:GetStackPolicy",
        "cloudformation:GetTemplate",
    ),
    *on(GROUP, "sagemaker:DescribeModelPackageGroup", "sagemaker:GetModelPackageGroupPolicy", "sagemaker:ListTags"),
    # resourceTrailRead: https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/cloudtrail/trail.go
    *on("*", "cloudtrail:DescribeTrails"),
    *on(TRAIL, "cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus", "cloudtrail:ListTags"),
)
CHANGES = (
    *on(STATE, "s3:PutObject"),
    *on(
        GROUP,
        *(f"sagemaker:{verb}ModelPackageGroup" for verb in ("Create", "Delete")),
        *(f"sagemaker:{verb}ModelPackageGroupPolicy" for verb in ("Delete", "Put")),
    ),
    Ask("iam:AttachRolePolicy", CLIENT, WRITER | CLIENT_BOUNDARY),
    Ask("iam:AttachRolePolicy", f"{IAM}:role/mlflow-staging-ci-train", WRITER | CLIENT_BOUNDARY),
    Ask("iam:DetachRolePolicy", CLIENT, WRITER | CLIENT_BOUNDARY),
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
    Ask("sagemaker:CreateDomain", DOMAIN, NEW),
    Ask("sagemaker:CreateUserProfile", PROFILE, NEW),
    Ask("sagemaker:AddTags", DOMAIN, TAGGED_DOMAIN),
    Ask("sagemaker:AddTags", PROFILE, TAGGED_PROFILE),
    *(Ask(f"sagemaker:{action}", DOMAIN, OURS) for action in ("UpdateDomain", "AddTags", "DeleteTags")),
    *(Ask(f"sagemaker:{action}", PROFILE, OURS) for action in ("UpdateUserProfile", "DeleteUserProfile")),
    *on(STUDIO_ROLE, "iam:CreateServiceLinkedRole"),
)


@pytest.fixture(scope="module")
def documents(planner: Planner) -> dict[str, Document]:
    return planned_documents(planner)


def of(documents: dict[str, Document], role: str) -> dict[str, Document]:
    return {purpose: documents[f"policy mlflow-staging-ci-{purpose}"] for purpose in ROLES[role]}


def needed(role: str) -> list[Ask]:
    """What Terraform needs as this role, without what is withheld from it."""
    verbs = ("plan",) if role in ("plan", "train") else ("plan", "apply", "change", "destroy")
    found = [ask for verb in verbs for ask in recorded()[verb] if ask.action not in WITHHELD]
    # A new key gets its tags with its creation.
    found = [ask for ask in found if (ask.action, ask.resource) != ("kms:TagResource", "*")]
    return [*found, *BACKEND, *OPTIONAL, *(CHANGES if role == "apply" else ())]


def wrong(documents: dict[str, Document], role: str) -> Iterator[str]:
    policies = parse(documents)
    yield from (f"denied: {ask}" for ask in needed(role) if not allows(policies, ask))
    yield from (f"allowed: {ask}" for ask in REFUSED[role] if allows(policies, ask))


@pytest.mark.parametrize("role", ["plan", "apply"])
def test_a_role_may_do_what_terraform_needs_and_nothing_else(role: str, documents: dict[str, Document]) -> None:
    assert list(wrong(of(documents, role), role)) == []


def test_a_plan_changes_nothing(documents: dict[str, Document]) -> None:
    changing = [ask for ask in needed("apply") if not READS.match(ask.action) and not ask.resource.endswith(".tflock")]
    assert len(changing) > 50
    policies = parse(of(documents, "plan"))
    assert [ask for ask in changing if allows(policies, ask)] == []


@pytest.mark.parametrize("purpose", ["read", "services", "storage", "roles"])
def test_no_statement_can_be_removed_or_widened_unnoticed(purpose: str, documents: dict[str, Document]) -> None:
    role = "plan" if purpose == "read" else "apply"
    given = of(documents, role)
    unnoticed = []
    for name, statements in mutants(given[purpose]["Statement"]):
        mutant = {**given, purpose: {**given[purpose], "Statement": statements}}
        if not any(wrong(mutant, role)):
            unnoticed.append(name)
    assert unnoticed == []


def test_every_granted_action_is_recorded_or_has_a_reason(documents: dict[str, Document]) -> None:
    used = {ask.action for verb in recorded().values() for ask in verb}
    given = {
        (action, tuple(statement["Resource"]) if isinstance(statement["Resource"], list) else (statement["Resource"],))
        for document in of(documents, "apply").values()
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for pattern in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        for action in actions(pattern.partition(":")[0])
        if fnmatchcase(action, pattern)
    }
    # AWS has each of these actions, and supports one of the resources for it.
    unknown = [
        action
        for action, resources in given
        if not any(knows(action, one.replace("*", "x")) or knows(action, one) for one in resources)
    ]
    assert unknown == []
    idle = {action for action, _ in given} - used
    assert sorted(action for action in idle if not any(fnmatchcase(action, one) for one in UNRECORDED)) == []
    assert [one for one in UNRECORDED if not any(fnmatchcase(action, one) for action in idle)] == []


@pytest.mark.parametrize(
    ("role", "subjects"),
    [
        ("plan", {"pull_request", "ref:refs/heads/main"}),
        ("apply", {"environment:staging"}),
        ("train", {"ref:refs/heads/main"}),
    ],
)
def test_a_role_is_assumed_only_by_these_jobs_of_the_repository(
    role: str, subjects: set[str], documents: dict[str, Document]
) -> None:
    [statement] = documents[f"role mlflow-staging-ci-{role}/trust"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Principal"] == {"Federated": f"{IAM}:oidc-provider/token.actions.githubusercontent.com"}
    assert set(statement["Condition"]) == {"StringEquals"}
    condition = statement["Condition"]["StringEquals"]
    assert condition.pop("token.actions.githubusercontent.com:aud") == "sts.amazonaws.com"
    [(key, found)] = condition.items()
    assert key == "token.actions.githubusercontent.com:sub"
    expected = {f"repo:acme@123456/ml-platform@456789:{subject}" for subject in subjects}
    assert set([found] if isinstance(found, str) else found) == expected


def test_the_policies_are_within_iams_limit(documents: dict[str, Document]) -> None:
    sizes = {
        name: len(json.dumps(document, separators=(",", ":")))
        for name, document in documents.items()
        if name.startswith("policy ")
    }
    assert len(sizes) == 12
    assert {name: size for name, size in sizes.items() if size > 6144} == {}
