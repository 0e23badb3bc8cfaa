"""The roles of GitHub's workflows: who may assume them, and what they allow beside what Terraform needs."""

import json
import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

import pytest

from localaws.iam.evaluate import Policies, evaluate
from localaws.iam.moto_policy_store import parsed
from localaws.iam.policy import texts
from localaws.iam.request import Principal, Request
from tests.localaws.iam.reference import actions, knows
from tests.policy.asking import on
from tests.policy.judging import USUAL, Ask
from tests.policy.rendered import Document, rendered
from tests.policy.scenarios import ACCOUNT, REGION
from tests.policy.terraform_permissions import recorded
from tests.terraform.planning import Planner
from tests.terraform.variations import CONNECTION, KEY, REPOSITORY, STATES

NAMES = {
    "name": "mlflow-staging",
    "project": "mlflow",
    "environment": "staging",
    "account": ACCOUNT,
    "region": REGION,
    "id": "77777777-8888-9999-aaaa-bbbbbbbbbbbb",
    "suffix": "acme",
    "parameter": "kms_key_arn",
}
ROLES = {"plan": ("read",), "train": ("read",), "apply": ("read", "services", "storage", "roles")}
IAM = f"arn:aws:iam::{ACCOUNT}"
CLIENT_BOUNDARY = {"iam:PermissionsBoundary": f"{IAM}:policy/mlflow-staging-ci-client-boundary"}
BOUNDARY = {"iam:PermissionsBoundary": f"{IAM}:policy/mlflow-staging-ci-boundary"}
ROLE = f"{IAM}:role/mlflow-staging-endpoint-role"
STATE = f"arn:aws:s3:::{STATES}/mlflow/staging/terraform.tfstate"
BUCKET = "arn:aws:s3:::mlflow-staging-mlflow-artifacts-acme"
TOOL = f"{BUCKET}/backups/tool/tool.json.gz"
KEYS = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/77777777-8888-9999-aaaa-bbbbbbbbbbbb"
THEIR_KEY = KEYS.replace(ACCOUNT, "210987654321")
OURS = {"aws:ResourceTag/project": "mlflow", "aws:ResourceTag/environment": "staging"}
THROUGH_S3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
SERVER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/mlflow-staging-3-0"
DOMAIN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:domain/d-abcdefghijkl"
PROFILE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:user-profile/d-abcdefghijkl/ana"
STUDIO_ROLE = f"{IAM}:role/aws-service-role/sagemaker.amazonaws.com/AWSServiceRoleForAmazonSageMakerNotebooks"
NEW = {key.replace("Resource", "Request"): value for key, value in OURS.items()}
TAGGED_DOMAIN = NEW | {"sagemaker:TaggingAction": "CreateDomain"}
TAGGED_PROFILE = NEW | {"sagemaker:TaggingAction": "CreateUserProfile"}
GROUP = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package-group/mlflow-staging-iris"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/mlflow-staging-mlflow-data-events"
CLIENT = f"{IAM}:role/data-scientists"
ADMINISTRATOR = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
WRITER = {"iam:PolicyARN": f"{IAM}:policy/mlflow-staging-mlflow-writer"}
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
    return rendered(planner.plan("github"), account=ACCOUNT, region=REGION).documents()


def of(documents: dict[str, Document], role: str) -> dict[str, Document]:
    return {purpose: documents[f"policy mlflow-staging-ci-{purpose}"] for purpose in ROLES[role]}


def parse(documents: dict[str, Document]) -> Policies:
    return Policies(identity=tuple(parsed(name, json.dumps(document)) for name, document in documents.items()))


def allows(policies: Policies, ask: Ask) -> bool:
    context = {**USUAL, **ask.context}
    request = Request(
        Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/now"),
        ask.action,
        ask.resource.format(**NAMES),
        ACCOUNT,
        {key: value.format(**NAMES) for key, value in context.items() if value is not None},
    )
    return evaluate(request, policies).allowed


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


def mutants(statements: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A policy's statements with one left out, without a condition, or on every resource."""
    for number, statement in enumerate(statements):
        sid = statement["Sid"]
        yield f"{sid} left out", statements[:number] + statements[number + 1 :]
        for operator, keys in statement.get("Condition", {}).items():
            for key in keys:
                changed = deepcopy(statements)
                del changed[number]["Condition"][operator][key]
                yield f"{sid} without {key}", changed
        if statement["Effect"] == "Allow" and statement["Resource"] != "*":
            changed = deepcopy(statements)
            changed[number]["Resource"] = "*"
            yield f"{sid} on every resource", changed


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


SAGEMAKER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
THEIR_SERVER = SERVER.replace("staging", "prod")
# SageMaker sets these for a call of an application of the profile ana.
STUDIO = {"sagemaker:DomainId": "d-x", "sagemaker:UserProfileName": "ana"}
SPACE = f"{SAGEMAKER}:space/d-x/notebooks"
APP = f"{SAGEMAKER}:app/d-x/notebooks/JupyterLab/default"
IN_SPACE = ("AddTags", "CreateSpace", "DeleteSpace", "UpdateSpace")
IN_APP = ("AddTags", "CreateApp", "DeleteApp")
# What a role within a boundary cannot do, whatever its policies say.
BEYOND = (
    *on(f"{IAM}:role/x", "iam:PutRolePolicy", "iam:CreateRole", "iam:CreateUser", "sts:AssumeRole"),
    *on(ROLE, "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary"),
    *on(f"{IAM}:policy/mlflow-staging-mlflow-writer", "iam:CreatePolicyVersion"),
    *on(f"{IAM}:role/aws-service-role/other.amazonaws.com/AWSServiceRoleForOther", "iam:CreateServiceLinkedRole"),
    *on(f"{IAM}:role/other", "iam:PassRole"),
    *on(f"{IAM}:role/mlflow-staging-ci-apply", "iam:PassRole"),
    *on(STATE, "s3:PutObject", "s3:DeleteObject"),
    *on(STATE.replace("staging", "prod"), "s3:GetObject", "s3:PutObject"),
    *on(f"arn:aws:s3:::{STATES}", "s3:PutBucketPolicy"),
    *on("*", "organizations:LeaveOrganization", "ec2:RunInstances"),
    # Data of the environment.
    *on(SERVER, "sagemaker:DeleteMlflowTrackingServer"),
    *on(f"{SAGEMAKER}:mlflow-app/app-1A2B", "sagemaker:DeleteMlflowApp"),
    *on(BUCKET, "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration"),
    *on(f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/mlflow-staging-serving", "ecr:DeleteRepository"),
    # Another environment, and what else the account has.
    *on(THEIR_SERVER, "sagemaker:DeleteMlflowTrackingServer", "sagemaker:StopMlflowTrackingServer"),
    *on(THEIR_SERVER, "sagemaker-mlflow:DeleteRun"),
    *on(f"{SAGEMAKER}:endpoint/mlflow-prod-iris", "sagemaker:DeleteEndpoint", "sagemaker:AddTags"),
    *on(f"{SAGEMAKER}:notebook-instance/other", "sagemaker:CreateNotebookInstance"),
    *on(f"{SAGEMAKER}:training-job/other", "sagemaker:CreateTrainingJob"),
    *on(f"{BUCKET.replace('staging', 'prod')}/1/a", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    *on("arn:aws:s3:::other/a", "s3:GetObject", "s3:PutObject"),
    *on(f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mlflow/prod/kms_key_arn", "ssm:GetParameter"),
    *on(f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/database/password", "ssm:GetParameter", "ssm:GetParameters"),
    *on(f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/mlflow-prod-mlflow-backup", "codebuild:StartBuild"),
    *on(f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/mlflow-staging-mlflow-backup", "codebuild:UpdateProject"),
    *on(f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:other", "codepipeline:StartPipelineExecution"),
    *on(f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/mlflow-prod-serving", "ecr:PutImage", "ecr:BatchDeleteImage"),
    *on(f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:other", "states:StartExecution"),
    *on(f"arn:aws:sqs:{REGION}:{ACCOUNT}:other", "sqs:SendMessage"),
    *on(f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/mlflow-prod-iris", "logs:GetLogEvents"),
    *on(f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:other", "logs:CreateLogGroup", "logs:GetLogEvents"),
    *on(f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:mlflow-prod-a", "cloudwatch:DeleteAlarms"),
    *on(REPOSITORY.replace("models", "other"), "codecommit:GitPull", "codecommit:GetCommit"),
    *on(REPOSITORY, "codecommit:GitPush"),
    *on(CONNECTION.replace("1111", "2222"), "codeconnections:UseConnection"),
    *(
        Ask(f"application-autoscaling:{action}", target, OURS | tag)
        for target in (f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/1a2b",)
        for action in ("DeregisterScalableTarget", "PutScalingPolicy")
        for tag in ({"aws:ResourceTag/project": "other"}, {"aws:ResourceTag/environment": "prod"})
    ),
    Ask(
        "application-autoscaling:DeregisterScalableTarget",
        f"arn:aws:application-autoscaling:eu-west-1:{ACCOUNT}:scalable-target/1a2b",
        OURS,
    ),
    # SageMaker Studio: another domain, another profile, and a call from outside Studio.
    *(
        Ask(f"sagemaker:{action}", arn, context)
        for actions, own in ((IN_SPACE, SPACE), (IN_APP, APP))
        for action in actions
        for arn, context in ((own.replace("d-x", "d-y"), STUDIO), (own, {}))
    ),
    *(
        Ask("sagemaker:CreatePresignedDomainUrl", f"{SAGEMAKER}:user-profile/{profile}", context)
        for profile, context in (("d-x/ben", STUDIO), ("d-y/ana", STUDIO), ("d-x/ana", {}))
    ),
    Ask("sagemaker:AddTags", f"{SAGEMAKER}:user-profile/d-x/ana", STUDIO),
    *on(KEYS, "kms:Decrypt", "kms:GenerateDataKey"),
    Ask("kms:Decrypt", KEYS, {"kms:ViaService": f"ssm.{REGION}.amazonaws.com"}),
)
# What the roles of an environment do that no plan of the tests shows.
WITHIN = (
    *on(REPOSITORY, "codecommit:GetBranch", "codecommit:GitPull", "codecommit:UploadArchive"),
    *on(f"{SAGEMAKER}:mlflow-app/app-1A2B", "sagemaker:CallMlflowAppApi"),
)
READS_STATE = (*on(STATE, "s3:GetObject"), *on(f"arn:aws:s3:::{STATES}", "s3:ListBucket"))


def asked_by(documents: Iterable[Document]) -> Iterator[Ask]:
    """What these policies allow, without their conditions: their boundary must allow all of it."""
    for document in documents:
        unconditional = [
            {key: value for key, value in statement.items() if key != "Condition" or statement["Effect"] == "Deny"}
            for statement in document["Statement"]
        ]
        policies = parse({"policy": {**document, "Statement": unconditional}})
        for statement in unconditional:
            if statement["Effect"] == "Deny":
                continue
            for pattern in texts(statement["Action"]):
                for resource in texts(statement["Resource"]):
                    for action in actions(pattern.partition(":")[0]):
                        one = resource if resource == "*" else resource.replace("*", "x")
                        ask = Ask(action, one, THROUGH_S3)
                        if fnmatchcase(action, pattern) and knows(action, one) and allows(policies, ask):
                            yield ask


@pytest.fixture(scope="module")
def within(planner: Planner) -> list[Ask]:
    """What the roles and policies of an environment allow, as if it were staging."""
    found = {}
    for plan, names in (("prod", ("mlflow-prod", "mlflow/prod")), ("isolated", ("churn-dev", "churn/dev"))):
        made = rendered(planner.plan(plan), account=ACCOUNT, region=REGION).documents()
        own = {name: document for name, document in made.items() if not name.endswith("/trust")}
        text = json.dumps([document for name, document in own.items() if not name.startswith("resource ")])
        for name, ours in zip(names, ("mlflow-staging", "mlflow/staging"), strict=True):
            text = text.replace(name, ours)
        # Variables of a session in SageMaker Studio.
        text = text.replace("${sagemaker:DomainId}", STUDIO["sagemaker:DomainId"])
        text = text.replace("${sagemaker:UserProfileName}", STUDIO["sagemaker:UserProfileName"])
        found |= dict.fromkeys((ask.action, ask.resource) for ask in asked_by(json.loads(text)))
    assert len(found) > 300
    return [*(Ask(action, resource, THROUGH_S3 | STUDIO) for action, resource in found), *WITHIN]


def boundary_mistakes(boundary: Document, within: list[Ask], *, reads_state: bool) -> Iterator[str]:
    refused = BEYOND if reads_state else (*BEYOND, *READS_STATE)
    allowed = [*within, *READS_STATE] if reads_state else within
    policies = parse({"boundary": boundary})
    yield from (f"allowed: {ask}" for ask in refused if allows(policies, ask))
    yield from (f"denied: {ask}" for ask in allowed if not allows(policies, ask))


@pytest.mark.parametrize("purpose", ["boundary", "client-boundary"])
def test_a_boundary_allows_what_the_environments_roles_need_and_nothing_else(
    purpose: str, documents: dict[str, Document], within: list[Ask]
) -> None:
    boundary = documents[f"policy mlflow-staging-ci-{purpose}"]
    assert list(boundary_mistakes(boundary, within, reads_state=purpose == "client-boundary")) == []


@pytest.mark.parametrize("purpose", ["boundary", "client-boundary"])
def test_no_statement_of_a_boundary_can_be_removed_or_widened_unnoticed(
    purpose: str, documents: dict[str, Document], within: list[Ask]
) -> None:
    boundary = documents[f"policy mlflow-staging-ci-{purpose}"]
    unnoticed = [
        name
        for name, statements in mutants(boundary["Statement"])
        if not any(
            boundary_mistakes({**boundary, "Statement": statements}, within, reads_state=purpose == "client-boundary")
        )
    ]
    # No other statement allows the states. It protects them if their bucket is named among the others.
    assert unnoticed == ["DenyUseStates left out"]


def test_the_train_role_has_the_boundary_of_clients_and_four_hours(planner: Planner) -> None:
    plan = planner.plan("github")
    found = {
        item["values"]["name"]: item["values"]
        for module in plan["planned_values"]["root_module"]["child_modules"]
        for child in (module, *module.get("child_modules", []))
        for item in child.get("resources", [])
        if item["type"] == "aws_iam_role"
    }
    assert found["mlflow-staging-ci-train"]["permissions_boundary"] == CLIENT_BOUNDARY["iam:PermissionsBoundary"]
    assert found["mlflow-staging-ci-train"]["max_session_duration"] == 14400
    assert found["mlflow-staging-ci-apply"]["permissions_boundary"] is None


def test_the_policies_are_within_iams_limit(documents: dict[str, Document]) -> None:
    sizes = {
        name: len(json.dumps(document, separators=(",", ":")))
        for name, document in documents.items()
        if name.startswith("policy ")
    }
    assert len(sizes) == 12
    assert {name: size for name, size in sizes.items() if size > 6144} == {}
