"""The permissions boundaries of the roles of an environment that CI manages."""

import json
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

import pytest

from localaws.iam.policy import texts
from tests.localaws.iam.reference import actions, knows
from tests.policy.asking import on
from tests.policy.github_roles import (
    BUCKET,
    CLIENT_BOUNDARY,
    IAM,
    KEYS,
    OURS,
    ROLE,
    SERVER,
    STATE,
    THROUGH_S3,
    allows,
    mutants,
    parse,
    planned_documents,
)
from tests.policy.judging import Ask
from tests.policy.rendered import Document, rendered
from tests.policy.scenarios import ACCOUNT, REGION
from tests.terraform.planning import Planner
from tests.terraform.variations import CONNECTION, REPOSITORY, STATES

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
def documents(planner: Planner) -> dict[str, Document]:
    return planned_documents(planner)


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
