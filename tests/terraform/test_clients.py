"""What clients may do: the three policies as AWS would get them, and that together they leave no action out."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.localaws.iam.reference import actions
from tests.terraform.inventory import planned_resources
from tests.terraform.planning import Planner
from tests.terraform.test_policies import BELOW_PREFIX, BUCKET, THROUGH_S3, allow, statements
from tests.terraform.variations import ACCOUNT, KEY

REGION = "us-east-1"
SERVER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/mlflow-staging-3-0"
DEPLOYED = [
    f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/mlflow-staging-*" for kind in ("endpoint-config", "endpoint", "model")
]
OURS = {"environment": "staging", "project": "mlflow"}
LEVELS = ("reader", "writer", "admin")
# A managed policy's size without white space, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LIMIT = 6144

READ_MLFLOW = ["sagemaker-mlflow:Get*", "sagemaker-mlflow:List*", "sagemaker-mlflow:Search*"]
SEE = {
    "FindEnvironment": {
        "Action": ["ssm:GetParametersByPath"],
        "Resource": [f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/mlflow/staging"],
    },
    "SeeServer": {"Action": ["sagemaker:DescribeMlflowTrackingServer"], "Resource": [SERVER]},
    "FindBucket": {"Action": ["s3:GetBucketLocation"], "Resource": [BUCKET]},
    "ListArtifacts": {"Action": ["s3:ListBucket"], "Resource": [BUCKET]},
    "ReadArtifacts": {"Action": ["s3:GetObject"], "Resource": [f"{BUCKET}/*"]},
}
UI = {
    "LinkToUI": {"Action": ["sagemaker:CreatePresignedMlflowTrackingServerUrl"], "Resource": [SERVER]},
    "OpenUI": {"Action": ["sagemaker-mlflow:AccessUI"], "Resource": ["*"]},
}
DEPLOY = {
    "DeployModels": {
        "Action": [
            "sagemaker:AddTags",
            "sagemaker:CreateEndpoint",
            "sagemaker:CreateEndpointConfig",
            "sagemaker:CreateModel",
            "sagemaker:DeleteEndpoint",
            "sagemaker:DeleteEndpointConfig",
            "sagemaker:DeleteModel",
            "sagemaker:DeleteTags",
            "sagemaker:UpdateEndpoint",
        ],
        "Resource": DEPLOYED,
        "Condition": {
            "StringEqualsIfExists": {
                f"aws:{whose}Tag/{key}": value for whose in ("Resource", "Request") for key, value in OURS.items()
            }
        },
    },
    "UseModels": {
        "Action": [
            "sagemaker:DescribeEndpoint",
            "sagemaker:DescribeEndpointConfig",
            "sagemaker:DescribeModel",
            "sagemaker:InvokeEndpoint",
            "sagemaker:ListTags",
        ],
        "Resource": DEPLOYED,
    },
    "FindModels": {"Action": ["sagemaker:ListEndpointConfigs", "sagemaker:ListModels"], "Resource": ["*"]},
    "GiveEndpointsTheirRole": {
        "Action": ["iam:PassRole"],
        "Resource": [f"arn:aws:iam::{ACCOUNT}:role/mlflow-staging-endpoint-role"],
        "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    },
    "ReadEndpointLogs": {
        "Action": ["logs:DescribeLogStreams", "logs:GetLogEvents"],
        "Resource": [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/mlflow-staging-*"],
    },
    "ReplaceArchives": {
        "Action": ["s3:DeleteObject", "s3:PutObjectTagging"],
        "Resource": [f"{BUCKET}/endpoints/mlflow-staging-*"],
    },
}
WRITE_ARTIFACTS = {"Action": ["s3:AbortMultipartUpload", "s3:PutObject"], "Resource": [f"{BUCKET}/*"]}
LEAVE_BACKUPS = WRITE_ARTIFACTS | {"Effect": "Deny", "Resource": [f"{BUCKET}/backups/*"]}
LEAVE_BACKUP_TOOL = {
    "Effect": "Deny",
    "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject", "s3:PutObjectTagging"],
    "Resource": [f"{BUCKET}/backups/tool/*"],
}
ADMINISTER = {
    "AdministerMLflow": {"Action": ["sagemaker-mlflow:*"], "Resource": [SERVER]},
    "RunServer": {
        "Action": [f"sagemaker:{verb}MlflowTrackingServer" for verb in ("Start", "Stop", "Update")],
        "Resource": [SERVER],
    },
    "FindOldArtifacts": {"Action": ["s3:ListBucketVersions"], "Resource": [BUCKET]},
    "DeleteAndRecoverArtifacts": {
        "Action": [
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:GetObjectTagging",
            "s3:GetObjectVersion",
            "s3:PutObjectTagging",
        ],
        "Resource": [f"{BUCKET}/*"],
    },
}


def policy(planner: Planner, level: str, root: str = "staging") -> dict[str, dict[str, Any]]:
    return statements(planner.plan(root), f'module.platform.module.mlflow.aws_iam_policy.client["{level}"]')


def granted(found: dict[str, dict[str, Any]]) -> set[str]:
    """The actions of the tracking server that a policy allows."""
    patterns = [
        pattern for statement in found.values() if statement["Effect"] == "Allow" for pattern in statement["Action"]
    ]
    return {
        action for action in actions("sagemaker-mlflow") if any(fnmatchcase(action, pattern) for pattern in patterns)
    }


def allowed(expected: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {sid: allow(statement) for sid, statement in expected.items()}


def test_a_reader_may_read_and_open_the_ui(planner: Planner) -> None:
    read = {"ReadMLflow": {"Action": READ_MLFLOW, "Resource": [SERVER]}}
    assert policy(planner, "reader") == allowed(SEE | UI | read)


def test_a_reader_without_the_ui_and_with_a_key_may_decrypt_through_s3(planner: Planner) -> None:
    found = policy(planner, "reader", "readers_without_ui")
    assert set(found) == {*SEE, "ReadMLflow", "DecryptArtifactsThroughS3"}
    assert found["ReadArtifacts"]["Resource"] == ["arn:aws:s3:::data-lake/mlflow/churn/*"]
    assert found["DecryptArtifactsThroughS3"] == allow(
        {"Action": ["kms:Decrypt"], "Resource": [KEY], "Condition": THROUGH_S3}
    )


def test_a_writer_may_also_log_register_and_deploy(planner: Planner) -> None:
    found = policy(planner, "writer")
    written = found.pop("ReadAndWriteMLflow")
    assert written["Resource"] == [SERVER]
    assert set(READ_MLFLOW) < set(written["Action"])
    assert found == allowed(SEE | UI | DEPLOY | {"WriteArtifacts": WRITE_ARTIFACTS}) | {"LeaveBackups": LEAVE_BACKUPS}


def test_a_writer_has_the_ui_even_where_readers_have_not_and_encrypts_through_s3(planner: Planner) -> None:
    found = policy(planner, "writer", "readers_without_ui")
    assert set(UI) < set(found)
    assert found["EncryptArtifactsThroughS3"] == allow(
        {"Action": ["kms:GenerateDataKey"], "Resource": [KEY], "Condition": THROUGH_S3}
    )


def test_an_admin_may_also_delete_recover_start_and_stop_but_not_delete_the_server(planner: Planner) -> None:
    found = policy(planner, "admin")
    writer = policy(planner, "writer")
    del writer["ReadAndWriteMLflow"], writer["LeaveBackups"]
    assert found == writer | allowed(ADMINISTER) | {"LeaveBackupTool": LEAVE_BACKUP_TOOL}


def test_an_admin_sees_old_versions_below_the_prefix_only(planner: Planner) -> None:
    assert policy(planner, "admin", "existing_bucket")["FindOldArtifacts"]["Condition"] == BELOW_PREFIX


def test_the_examples_boundary_lets_people_do_what_their_policies_say(planner: Planner) -> None:
    document = planned_resources(planner.plan("enhanced-security"))["aws_iam_policy.boundary"]["policy"]
    bounds = json.loads(document)["Statement"][0]["Action"]
    given = {
        pattern
        for level in LEVELS
        for sid, statement in policy(planner, level, "existing_bucket").items()
        if sid not in DEPLOY  # The example deploys nothing.
        for pattern in statement["Action"]
    }
    assert [action for action in sorted(given) if not any(fnmatchcase(action, bound) for bound in bounds)] == []


def test_every_action_of_a_tracking_server_is_somebodys_and_what_deletes_is_the_admins(planner: Planner) -> None:
    reader, writer, admin = (granted(policy(planner, level)) for level in LEVELS)
    assert reader < writer < admin == set(actions("sagemaker-mlflow"))
    takes_away = ("Delete", "Rename", "Restore")
    assert admin - writer == {action for action in admin if action.partition(":")[2].startswith(takes_away)}
    reads = ("Get", "List", "Search", "AccessUI")
    assert {action.partition(":")[2] for action in reader} == {
        name for action in admin if (name := action.partition(":")[2]).startswith(reads)
    }


@pytest.mark.parametrize("level", LEVELS)
def test_the_longest_names_make_no_policy_that_iam_refuses(planner: Planner, level: str) -> None:
    plan = planner.plan("longest_names")
    document = planned_resources(plan)[f'module.platform.module.mlflow.aws_iam_policy.client["{level}"]']["policy"]
    assert len(json.dumps(json.loads(document), separators=(",", ":"))) <= LIMIT
