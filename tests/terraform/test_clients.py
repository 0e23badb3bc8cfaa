"""What each level of clients may do: its policies as AWS would get them, and their sizes."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.localaws.iam.reference import actions
from tests.terraform.inventory import planned_resources
from tests.terraform.planning import Planner
from tests.terraform.test_policies import BELOW_PREFIX, BUCKET, THROUGH_S3, TRANSFORMS, allow, statements
from tests.terraform.variations import ACCOUNT, KEY

REGION = "us-east-1"
SERVER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/mlflow-staging-3-0"
DEPLOYED = [
    f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/mlflow-staging-*"
    for kind in ("endpoint-config", "endpoint", "model-package-group", "model-package", "model", "transform-job")
]
OURS = {"environment": "staging", "project": "mlflow"}
LEVELS = ("reader", "writer", "admin")
# The size of a managed policy without white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LIMIT = 6144

READ_TRACKING = [
    "sagemaker-mlflow:Get*",
    "sagemaker-mlflow:List*",
    "sagemaker-mlflow:Search*",
    "sagemaker:DescribeMlflowTrackingServer",
]
OPEN_UI = "sagemaker:CreatePresignedMlflowTrackingServerUrl"
PARAMETERS = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/mlflow/staging"
READ_PARAMETERS = {
    "Action": ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
    "Resource": [PARAMETERS, f"{PARAMETERS}/*"],
}
SEE = {
    "AllowReadParameters": READ_PARAMETERS,
    "AllowListServersAndOpenUI": {
        "Action": ["sagemaker-mlflow:AccessUI", "sagemaker:ListMlflowTrackingServers"],
        "Resource": ["*"],
    },
}
READ_ARTIFACTS = {
    "AllowFindBucket": {"Action": ["s3:GetBucketLocation"], "Resource": [BUCKET]},
    "AllowListArtifacts": {"Action": ["s3:ListBucket"], "Resource": [BUCKET]},
    "AllowReadArtifacts": {"Action": ["s3:GetObject"], "Resource": [f"{BUCKET}/*"]},
}
DEPLOY = {
    "AllowDeployModels": {
        "Action": [
            "sagemaker:AddTags",
            "sagemaker:CreateEndpoint",
            "sagemaker:CreateEndpointConfig",
            "sagemaker:CreateModel",
            "sagemaker:CreateModelPackage",
            "sagemaker:CreateModelPackageGroup",
            "sagemaker:CreateTransformJob",
            "sagemaker:DeleteEndpoint",
            "sagemaker:DeleteEndpointConfig",
            "sagemaker:DeleteModel",
            "sagemaker:DeleteTags",
            "sagemaker:StopTransformJob",
            "sagemaker:UpdateEndpoint",
            "sagemaker:UpdateEndpointWeightsAndCapacities",
            "sagemaker:UpdateModelPackage",
        ],
        "Resource": DEPLOYED,
        "Condition": {
            "StringEqualsIfExists": {
                f"aws:{whose}Tag/{key}": value for whose in ("Resource", "Request") for key, value in OURS.items()
            }
        },
    },
    "AllowUseModels": {
        "Action": [
            "sagemaker:DescribeEndpoint",
            "sagemaker:DescribeEndpointConfig",
            "sagemaker:DescribeModel",
            "sagemaker:DescribeModelPackage",
            "sagemaker:DescribeModelPackageGroup",
            "sagemaker:DescribeTransformJob",
            "sagemaker:InvokeEndpoint",
            "sagemaker:InvokeEndpointAsync",
            "sagemaker:ListModelPackages",
            "sagemaker:ListTags",
        ],
        "Resource": DEPLOYED,
    },
    "AllowFindModels": {
        "Action": [
            "application-autoscaling:DescribeScalableTargets",
            "application-autoscaling:DescribeScalingPolicies",
            "sagemaker:ListEndpointConfigs",
            "sagemaker:ListEndpoints",
            "sagemaker:ListModels",
        ],
        "Resource": ["*"],
    },
    "AllowManageRollbackAlarms": {
        "Action": ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"],
        "Resource": [
            f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:TargetTracking-endpoint/mlflow-staging-*",
            f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:mlflow-staging-*",
        ],
    },
    "AllowScaleEndpoints": {
        "Action": [
            "application-autoscaling:DeleteScalingPolicy",
            "application-autoscaling:DeregisterScalableTarget",
            "application-autoscaling:PutScalingPolicy",
            "application-autoscaling:RegisterScalableTarget",
        ],
        "Resource": [f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/*"],
        "Condition": {
            "StringEquals": {"application-autoscaling:service-namespace": "sagemaker"},
            "StringEqualsIfExists": {
                "aws:ResourceTag/environment": "staging",
                "aws:ResourceTag/project": "mlflow",
            },
        },
    },
    "AllowTagScaling": {
        "Action": ["application-autoscaling:TagResource"],
        "Resource": [f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/*"],
        "Condition": {"StringEquals": {"aws:RequestTag/environment": "staging", "aws:RequestTag/project": "mlflow"}},
    },
    "AllowCreateScalingRole": {
        "Action": ["iam:CreateServiceLinkedRole"],
        "Resource": [
            f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
            "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
        ],
    },
    "AllowFindImages": {
        "Action": ["ecr:DescribeImages"],
        "Resource": [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/mlflow-staging-serving"],
    },
    "AllowFindAlarms": {"Action": ["cloudwatch:DescribeAlarms"], "Resource": ["*"]},
    "AllowRemoveEndpointTags": {
        "Action": ["sagemaker-mlflow:DeleteModelVersionTag"],
        "Resource": [f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/mlflow-staging-*"],
    },
    "AllowPassEndpointRole": {
        "Action": ["iam:PassRole"],
        "Resource": [f"arn:aws:iam::{ACCOUNT}:role/mlflow-staging-endpoint-role"],
        "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    },
    "AllowReadEndpointLogs": {
        "Action": ["logs:DescribeLogStreams", "logs:GetLogEvents"],
        "Resource": [
            f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/mlflow-staging-*",
            TRANSFORMS,
            f"{TRANSFORMS}:log-stream:mlflow-staging-*",
        ],
    },
    "AllowReplaceArchives": {
        "Action": ["s3:DeleteObject", "s3:PutObjectTagging"],
        "Resource": [f"{BUCKET}/endpoints/mlflow-staging-*"],
    },
}
WRITE_ARTIFACTS = {"Action": ["s3:AbortMultipartUpload", "s3:PutObject"], "Resource": [f"{BUCKET}/*"]}
DENY_BACKUP_WRITES = WRITE_ARTIFACTS | {"Effect": "Deny", "Resource": [f"{BUCKET}/backups/*"]}
ADMIN_LIMITS = {
    "DenyBackupToolWrites": {
        "Effect": "Deny",
        "Action": ["s3:DeleteObject", "s3:PutObject"],
        "Resource": [f"{BUCKET}/backups/tool/*"],
    },
    "DenyBackupVersionDeletion": {
        "Effect": "Deny",
        "Action": ["s3:DeleteObjectVersion", "s3:PutObjectTagging"],
        "Resource": [f"{BUCKET}/backups/*"],
    },
}
ADMINISTER = {
    "AllowListArtifactVersions": {"Action": ["s3:ListBucketVersions"], "Resource": [BUCKET]},
    "AllowDeleteAndRecoverArtifacts": {
        "Action": [
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:GetObjectTagging",
            "s3:GetObjectVersion",
            "s3:PutObjectTagging",
        ],
        "Resource": [f"{BUCKET}/*"],
    },
    "AllowFindUsesOfModels": {
        "Action": [
            "sagemaker:DescribeEndpoint",
            "sagemaker:DescribeEndpointConfig",
            "sagemaker:DescribeModel",
            "sagemaker:DescribeModelPackage",
        ],
        "Resource": [
            f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/*"
            for kind in ("endpoint-config", "endpoint", "model-package", "model")
        ],
    },
    "AllowDescribeApps": {
        "Action": ["sagemaker:DescribeMlflowApp"],
        "Resource": [f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/*"],
    },
    "AllowFindModelPackagesAndApps": {
        "Action": ["sagemaker:ListMlflowApps", "sagemaker:ListModelPackageGroups"],
        "Resource": ["*"],
    },
    "AllowDeleteImages": {
        "Action": ["ecr:BatchDeleteImage", "ecr:DescribeImages"],
        "Resource": [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/mlflow-staging-serving"],
    },
    "AllowReadBuilds": {
        "Action": ["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject"],
        "Resource": [f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/mlflow-staging-serving-image"],
    },
}

Statements = dict[str, dict[str, Any]]


def tracking(planner: Planner, level: str, root: str = "staging") -> Statements:
    return statements(planner.plan(root), f'module.platform.module.mlflow.aws_iam_policy.client["{level}"]')


def artifacts(planner: Planner, level: str, root: str = "staging") -> Statements:
    return statements(planner.plan(root), f'module.platform.module.mlflow.aws_iam_policy.artifacts["{level}"]')


def granted(found: Statements) -> set[str]:
    """The actions of the tracking server that a policy allows."""
    patterns = [
        pattern for statement in found.values() if statement["Effect"] == "Allow" for pattern in statement["Action"]
    ]
    return {
        action for action in actions("sagemaker-mlflow") if any(fnmatchcase(action, pattern) for pattern in patterns)
    }


def allowed(expected: Statements) -> Statements:
    return {sid: allow(statement) for sid, statement in expected.items()}


def test_a_reader_may_read_runs_and_artifacts_and_open_the_ui(planner: Planner) -> None:
    read = {"AllowReadTracking": {"Action": sorted([*READ_TRACKING, OPEN_UI]), "Resource": [SERVER]}}
    assert tracking(planner, "reader") == allowed(SEE | read)
    assert artifacts(planner, "reader") == allowed(READ_ARTIFACTS)


def test_a_reader_without_the_ui_may_not_open_it(planner: Planner) -> None:
    found = tracking(planner, "reader", "existing_bucket")
    assert found["AllowReadTracking"]["Action"] == sorted(READ_TRACKING)
    assert found["AllowListServers"]["Action"] == ["sagemaker:ListMlflowTrackingServers"]


def test_a_reader_may_decrypt_through_s3_below_the_prefix(planner: Planner) -> None:
    found = artifacts(planner, "reader", "existing_bucket")
    assert set(found) == {*READ_ARTIFACTS, "AllowDecryptArtifacts"}
    assert found["AllowReadArtifacts"]["Resource"] == ["arn:aws:s3:::data-lake/mlflow/churn/*"]
    assert found["AllowDecryptArtifacts"] == allow(
        {"Action": ["kms:Decrypt"], "Resource": [KEY], "Condition": THROUGH_S3}
    )


def test_a_writer_may_also_log_and_register_but_not_write_backups(planner: Planner) -> None:
    found = tracking(planner, "writer")
    written = found.pop("AllowReadAndWriteTracking")
    assert written["Resource"] == [SERVER]
    assert {*READ_TRACKING, OPEN_UI} < set(written["Action"])
    assert found == allowed(SEE)
    assert artifacts(planner, "writer") == allowed(READ_ARTIFACTS | {"AllowWriteArtifacts": WRITE_ARTIFACTS}) | {
        "DenyBackupWrites": DENY_BACKUP_WRITES
    }


def test_writers_and_admins_share_the_deployment_policy(planner: Planner) -> None:
    found = statements(planner.plan("staging"), "module.platform.module.mlflow.aws_iam_policy.deployment[0]")
    assert found == allowed(DEPLOY)


def test_the_deployment_policy_can_limit_instance_types(planner: Planner) -> None:
    found = statements(planner.plan("isolated"), "module.platform.module.mlflow.aws_iam_policy.deployment[0]")
    assert found["DenyOtherInstanceTypes"] == {
        "Effect": "Deny",
        "Action": ["sagemaker:CreateEndpointConfig", "sagemaker:CreateTransformJob"],
        "Resource": ["*"],
        "Condition": {"ForAnyValue:StringNotLike": {"sagemaker:InstanceTypes": ["ml.m5.large", "ml.c7i.*"]}},
    }


def test_a_writer_may_open_the_ui_without_readers_and_encrypts_through_s3(planner: Planner) -> None:
    assert OPEN_UI in tracking(planner, "writer", "existing_bucket")["AllowReadAndWriteTracking"]["Action"]
    assert artifacts(planner, "writer", "existing_bucket")["AllowEncryptArtifacts"] == allow(
        {"Action": ["kms:GenerateDataKey"], "Resource": [KEY], "Condition": THROUGH_S3}
    )


def test_an_admin_may_also_delete_recover_start_and_stop_but_not_delete_the_server(planner: Planner) -> None:
    found = tracking(planner, "admin")
    administer = found.pop("AllowAdministerTracking")
    assert administer == allow(
        {
            "Action": sorted(
                [
                    "sagemaker-mlflow:*",
                    OPEN_UI,
                    "sagemaker:DescribeMlflowTrackingServer",
                    *(f"sagemaker:{verb}MlflowTrackingServer" for verb in ("Start", "Stop", "Update")),
                ]
            ),
            "Resource": [SERVER],
        }
    )
    assert found == allowed(SEE)
    assert artifacts(planner, "admin") == (
        allowed(READ_ARTIFACTS | {"AllowWriteArtifacts": WRITE_ARTIFACTS} | ADMINISTER) | ADMIN_LIMITS
    )


def test_an_admin_lists_versions_below_the_prefix_only(planner: Planner) -> None:
    assert artifacts(planner, "admin", "existing_bucket")["AllowListArtifactVersions"]["Condition"] == BELOW_PREFIX


def test_the_examples_boundary_permits_what_the_client_policies_grant(planner: Planner) -> None:
    document = planned_resources(planner.plan("enhanced-security"))["aws_iam_policy.boundary"]["policy"]
    bounds = json.loads(document)["Statement"][0]["Action"]
    given = {
        pattern
        for level in LEVELS
        for kind in (tracking, artifacts)
        for statement in kind(planner, level, "existing_bucket").values()
        for pattern in statement["Action"]
    }
    assert [action for action in sorted(given) if not any(fnmatchcase(action, bound) for bound in bounds)] == []


def test_the_levels_cover_all_actions_of_a_server_and_only_admins_delete(planner: Planner) -> None:
    reader, writer, admin = (granted(tracking(planner, level)) for level in LEVELS)
    assert reader < writer < admin == set(actions("sagemaker-mlflow"))
    takes_away = ("Delete", "Rename", "Restore")
    assert admin - writer == {action for action in admin if action.partition(":")[2].startswith(takes_away)}
    reads = ("Get", "List", "Search", "AccessUI")
    assert {action.partition(":")[2] for action in reader} == {
        name for action in admin if (name := action.partition(":")[2]).startswith(reads)
    }


POLICIES = [
    *(f'client["{level}"]' for level in LEVELS),
    *(f'artifacts["{level}"]' for level in LEVELS),
    "deployment[0]",
]


@pytest.mark.parametrize("name", POLICIES)
def test_the_longest_names_a_key_and_all_versions_keep_policies_below_iams_limit(planner: Planner, name: str) -> None:
    document = planned_resources(planner.plan("longest_names"))[f"module.platform.module.mlflow.aws_iam_policy.{name}"][
        "policy"
    ]
    assert len(re.sub(r"\s", "", document)) <= LIMIT


@pytest.mark.parametrize("level", LEVELS)
def test_ten_more_upgrades_keep_the_tracking_policy_below_iams_limit(planner: Planner, level: str) -> None:
    resources = planned_resources(planner.plan("longest_names"))
    document = resources[f'module.platform.module.mlflow.aws_iam_policy.client["{level}"]']["policy"]
    servers = [
        arn
        for statement in json.loads(document)["Statement"]
        for arn in statement["Resource"]
        if "mlflow-tracking-server" in arn
    ]
    assert len(servers) == len(set(servers)) == 3  # Each upgrade adds one ARN, not one to each statement.
    assert len(re.sub(r"\s", "", document)) + 10 * (len(max(servers, key=len)) + len('"",')) <= LIMIT
