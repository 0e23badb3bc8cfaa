"""The roles of a delivery: of the pipeline, of its builds, and of the rules that start them."""

import pytest

from tests.policy.asking import on
from tests.policy.judging import Ask
from tests.policy.rendered import Document, rendered
from tests.policy.role_policies import RolePolicy, asked
from tests.policy.scenarios import ACCOUNT, REGION
from tests.policy.test_optional_roles import BUCKET, LOG, SAGEMAKER, THROUGH_S3
from tests.terraform.planning import Planner
from tests.terraform.variations import CONNECTION, COPY_KEY, FORMER_KEY, KEY

DELIVERY = f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:churn-dev-delivery"
COMMITS = f"arn:aws:s3:::churn-dev-delivery-{ACCOUNT}"
PROJECT = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/churn-dev-delivery"
BUILD = ("codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild")
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"
TOPIC_KEY: dict[str, str | None] = {
    "kms:ViaService": f"sns.{REGION}.amazonaws.com",
    "kms:ResourceAliases": "alias/churn-dev-mlflow-events",
}
CODE = f"arn:aws:codecommit:{REGION}:{ACCOUNT}:models"
COPY_CODE = (
    "codecommit:CancelUploadArchive",
    "codecommit:GetBranch",
    "codecommit:GetCommit",
    "codecommit:GetRepository",
    "codecommit:GetUploadArchiveStatus",
    "codecommit:UploadArchive",
)
USE = ("codeconnections:GetConnection", "codeconnections:GetConnectionToken", "codeconnections:UseConnection")
OUR_CODE: dict[str, str | None] = {"codeconnections:FullRepositoryId": "acme/models"}


def _build_log(*kinds: str) -> tuple[Ask, ...]:
    logs = [LOG.replace("-mlflow-backup:", f"-delivery-{kind}:") for kind in kinds]
    return tuple(ask for log in logs for ask in on(log, "logs:CreateLogStream", "logs:PutLogEvents"))


DELIVERED = (
    *on(f"{COMMITS}/churn-dev-delivery/Code/1a2b", "s3:GetObject", "s3:PutObject"),
    *on(COMMITS, "s3:GetBucketLocation", "s3:GetBucketVersioning"),
    *on(f"{PROJECT}-train", *BUILD),
    *on(f"{PROJECT}-deploy", *BUILD),
)
NOT_DELIVERED = (
    *on(f"{COMMITS}-other/a", "s3:GetObject", "s3:PutObject"),
    *on(f"{COMMITS}-other", "s3:GetBucketLocation", "s3:GetBucketVersioning"),
    *on(f"{BUCKET}/1/a", "s3:GetObject", "s3:PutObject"),
    *on(f"{COMMITS}/churn-dev-delivery/Code/1a2b", "s3:DeleteObject"),
    *on(f"{PROJECT}-approved", *BUILD),
    *on(f"{PROJECT}-other", *BUILD),
    *on(f"{PROJECT}-train", "codebuild:UpdateProject"),
    *on(f"{TOPIC}-other", "sns:Publish"),
    *on(KEY, "kms:Decrypt", "kms:GenerateDataKey"),
    *asked(THROUGH_S3, COPY_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
    *asked({**TOPIC_KEY, "kms:ResourceAliases": "alias/payroll"}, FORMER_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
    *asked({**TOPIC_KEY, **THROUGH_S3}, FORMER_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
    *asked(TOPIC_KEY, COPY_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
)
ANNOUNCED = (
    *on(TOPIC, "sns:Publish"),
    *asked(TOPIC_KEY, FORMER_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
)
ENCRYPTED = asked(THROUGH_S3, KEY, "kms:Decrypt", "kms:GenerateDataKey")
BUILT = (
    *on(f"{COMMITS}/churn-dev-delivery/Code/1a2b", "s3:GetObject", "s3:GetObjectVersion"),
    *asked(THROUGH_S3, KEY, "kms:Decrypt"),
)
NOT_BUILT = (
    *on(f"{COMMITS}/churn-dev-delivery/Code/1a2b", "s3:PutObject", "s3:DeleteObject"),
    *on(f"{COMMITS}-other/a", "s3:GetObject", "s3:GetObjectVersion"),
    *on(KEY, "kms:Decrypt"),
    *asked(THROUGH_S3, KEY, "kms:GenerateDataKey"),
    *asked(THROUGH_S3, COPY_KEY, "kms:Decrypt"),
    *on(f"{SAGEMAKER}:endpoint/churn-dev-iris", "sagemaker:UpdateEndpoint"),
)
DELIVERY_POLICIES = (
    RolePolicy(
        "role churn-dev-delivery-pipeline/RunPipeline",
        # https://docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html
        needed=(*DELIVERED, *ENCRYPTED, *ANNOUNCED, *asked(OUR_CODE, CONNECTION, "codeconnections:UseConnection")),
        refused=(
            *NOT_DELIVERED,
            *on(f"{CONNECTION[:-1]}6", "codeconnections:UseConnection"),
            *asked({"codeconnections:FullRepositoryId": "acme/payroll"}, CONNECTION, "codeconnections:UseConnection"),
            *on(CONNECTION, "codeconnections:DeleteConnection"),
        ),
    ),
    RolePolicy(
        "role churn-dev-delivery-pipeline/RunPipeline",
        needed=(*DELIVERED, *ENCRYPTED, *on(CODE, *COPY_CODE)),
        refused=(*NOT_DELIVERED, *on(f"{CODE}-other", *COPY_CODE), *on(CODE, "codecommit:GitPush")),
        plan="permissive",
    ),
    RolePolicy(
        "role churn-dev-delivery-train/RunBuilds",
        needed=(*BUILT, *_build_log("train")),
        refused=(*NOT_BUILT, *_build_log("deploy", "approved"), *on(CONNECTION, *USE)),
    ),
    RolePolicy(
        "role churn-dev-delivery-deploy/RunBuilds",
        needed=(*BUILT, *_build_log("deploy", "approved"), *on(CONNECTION, *USE)),
        refused=(*NOT_BUILT, *_build_log("train"), *on(f"{CONNECTION[:-1]}6", *USE)),
    ),
    RolePolicy(
        "role churn-dev-delivery-deploy/RunBuilds",
        needed=(*BUILT, *_build_log("deploy", "approved"), *on(CODE, "codecommit:GitPull")),
        refused=(*NOT_BUILT, *_build_log("train"), *on(f"{CODE}-other", "codecommit:GitPull")),
        plan="permissive",
    ),
    RolePolicy(
        "role churn-dev-delivery-events/StartDelivery",
        needed=(
            *on(f"{PROJECT}-approved", "codebuild:StartBuild"),
            *on(DELIVERY, "codepipeline:StartPipelineExecution"),
        ),
        refused=(
            *on(f"{PROJECT}-train", "codebuild:StartBuild"),
            *on(f"{PROJECT}-deploy", "codebuild:StartBuild"),
            *on(f"{DELIVERY}-other", "codepipeline:StartPipelineExecution"),
            *on(f"{DELIVERY}/Approve/Approve", "codepipeline:PutApprovalResult"),
        ),
    ),
)


@pytest.fixture(scope="module")
def plans(planner: Planner) -> dict[str, dict[str, Document]]:
    """The policies of each variation, by name."""
    return {
        name: rendered(planner.plan(name), account=ACCOUNT, region=REGION).documents()
        for name in {policy.plan for policy in DELIVERY_POLICIES}
    }


@pytest.mark.parametrize("policy", DELIVERY_POLICIES, ids=lambda policy: policy.id)
def test_a_role_of_the_delivery_may_do_what_it_needs_and_nothing_else(
    policy: RolePolicy, plans: dict[str, dict[str, Document]]
) -> None:
    assert list(policy.wrong(plans[policy.plan][policy.name])) == []


@pytest.mark.parametrize("policy", DELIVERY_POLICIES, ids=lambda policy: policy.id)
def test_no_part_of_the_policy_can_be_removed_or_widened_unnoticed(
    policy: RolePolicy, plans: dict[str, dict[str, Document]]
) -> None:
    assert policy.unnoticed(plans[policy.plan][policy.name]) == []


@pytest.mark.parametrize(
    ("role", "service", "sources"),
    [
        ("pipeline", "codepipeline", [DELIVERY]),
        ("train", "codebuild", [f"{PROJECT}-train"]),
        ("deploy", "codebuild", [f"{PROJECT}-deploy", f"{PROJECT}-approved"]),
        (
            "events",
            "events",
            [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/churn-dev-delivery-{rule}" for rule in ("approved", "pushed")],
        ),
    ],
)
def test_roles_of_the_delivery_are_assumed_for_their_own_pipeline_projects_and_rules(
    role: str, service: str, sources: list[str], plans: dict[str, dict[str, Document]]
) -> None:
    [statement] = plans["isolated"][f"role churn-dev-delivery-{role}/trust"]["Statement"]
    assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    found = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sorted([found] if isinstance(found, str) else found) == sorted(sources)
