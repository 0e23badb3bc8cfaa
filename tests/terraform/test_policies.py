"""The complete policies that AWS would get: an extra statement is as wrong as a missing one."""

import json
from typing import Any

import pytest
import tftest

from tests.terraform.inventory import planned_resources
from tests.terraform.planning import Planner
from tests.terraform.variations import ACCOUNT, ADMINISTRATORS, FORMER_KEY, KEY

BUCKET = "arn:aws:s3:::mlflow-staging-mlflow-artifacts-zali-staging"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/mlflow-staging-*"
TRANSFORMS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/sagemaker/TransformJobs"

LOG_IN = {"Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]}
WRITE_LOG = {
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
    "Resource": [LOGS, TRANSFORMS, f"{TRANSFORMS}:log-stream:mlflow-staging-*"],
}
REGISTER = {
    "Action": [
        "sagemaker:AddTags",
        "sagemaker:CreateModelPackage",
        "sagemaker:CreateModelPackageGroup",
        "sagemaker:DescribeModelPackageGroup",
        "sagemaker:UpdateModelPackage",
    ],
    "Resource": [
        f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package-group/*",
        f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package/*",
    ],
}
LAKE = "arn:aws:s3:::data-lake"
BELOW_PREFIX = {"StringLike": {"s3:prefix": "mlflow/churn/*"}}
THROUGH_S3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}


def pull(*repositories: str) -> dict[str, Any]:
    return {
        "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Resource": sorted(f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}" for name in repositories),
    }


def statements(plan: tftest.TerraformPlanOutput, address: str, field: str = "policy") -> dict[str, dict[str, Any]]:
    """The statements of a planned policy by their Sid, with actions and resources as sorted lists."""
    found = {}
    for statement in json.loads(planned_resources(plan)[address][field])["Statement"]:
        for key in ("Action", "Resource"):
            if key in statement:
                value = statement[key]
                statement[key] = sorted([value] if isinstance(value, str) else value)
        found[statement.pop("Sid")] = statement
    return found


SERVER_POLICY = "module.platform.module.mlflow.aws_iam_role_policy.basic_access[0]"


def allow(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Effect": "Allow", **statement}


def test_the_server_may_use_its_bucket_and_register_models_and_nothing_else(planner: Planner) -> None:
    policy = statements(planner.plan("staging_hardened"), SERVER_POLICY)
    assert policy == {
        "AllowFindBucket": allow({"Action": ["s3:GetBucketLocation"], "Resource": [BUCKET]}),
        "AllowListArtifacts": allow({"Action": ["s3:ListBucket"], "Resource": [BUCKET]}),
        "AllowReadArtifacts": allow({"Action": ["s3:GetObject"], "Resource": [f"{BUCKET}/*"]}),
        "AllowWriteArtifacts": allow({"Action": ["s3:PutObject"], "Resource": [f"{BUCKET}/*"]}),
        "DenyBackupWrites": {"Effect": "Deny", "Action": ["s3:PutObject"], "Resource": [f"{BUCKET}/backups/*"]},
        "AllowRegisterModels": allow(REGISTER),
        "AllowDecryptArtifacts": allow({"Action": ["kms:Decrypt"], "Resource": [FORMER_KEY], "Condition": THROUGH_S3}),
    }


def test_in_an_existing_bucket_the_server_may_use_its_prefix_and_the_key_through_s3_only(planner: Planner) -> None:
    policy = statements(planner.plan("existing_bucket"), SERVER_POLICY)
    assert policy == {
        "AllowFindBucket": allow({"Action": ["s3:GetBucketLocation"], "Resource": [LAKE]}),
        "AllowListArtifacts": allow({"Action": ["s3:ListBucket"], "Resource": [LAKE], "Condition": BELOW_PREFIX}),
        "AllowReadArtifacts": allow({"Action": ["s3:GetObject"], "Resource": [f"{LAKE}/mlflow/churn/*"]}),
        "AllowWriteArtifacts": allow({"Action": ["s3:PutObject"], "Resource": [f"{LAKE}/mlflow/churn/*"]}),
        "DenyBackupWrites": {
            "Effect": "Deny",
            "Action": ["s3:PutObject"],
            "Resource": [f"{LAKE}/mlflow/churn/backups/*"],
        },
        "AllowRegisterModels": allow(REGISTER),
        "AllowDecryptArtifacts": allow({"Action": ["kms:Decrypt"], "Resource": [KEY], "Condition": THROUGH_S3}),
        "AllowEncryptArtifacts": allow({"Action": ["kms:GenerateDataKey"], "Resource": [KEY], "Condition": THROUGH_S3}),
    }


def test_by_default_the_server_has_the_rights_that_aws_documents_but_not_the_settings_of_the_bucket(
    planner: Planner,
) -> None:
    policy = statements(planner.plan("staging"), SERVER_POLICY)
    assert policy["AllowArtifactAccess"] == allow(
        {"Action": ["s3:Get*", "s3:List*", "s3:Put*"], "Resource": [BUCKET, f"{BUCKET}/*"]}
    )
    # Also inventories, which would list the bucket's content elsewhere.
    assert policy["DenyBucketSettings"] == {
        "Effect": "Deny",
        "Action": ["s3:Put*Configuration", "s3:PutBucket*"],
        "Resource": [BUCKET],
    }
    assert policy["DenyBackupWrites"] == {
        "Effect": "Deny",
        "Action": ["s3:Put*"],
        "Resource": [f"{BUCKET}/backups/*"],
    }
    assert policy["AllowRegisterModels"] == allow(REGISTER)


def test_by_default_the_servers_trust_policy_is_the_one_that_aws_documents(planner: Planner) -> None:
    role = "module.platform.module.mlflow.aws_iam_role.server[0]"
    [statement] = statements(planner.plan("staging"), role, "assume_role_policy").values()
    assert statement == allow({"Action": ["sts:AssumeRole"], "Principal": {"Service": "sagemaker.amazonaws.com"}})


def test_an_endpoint_may_pull_read_capture_and_log_and_nothing_else(planner: Planner) -> None:
    policy = statements(planner.plan("staging"), "module.platform.module.serving.aws_iam_role_policy.endpoint")
    assert policy == {
        "AllowLogInToRegistry": allow(LOG_IN),
        "AllowPullImages": allow(pull("mlflow-staging-serving", "mlflow-pyfunc")),
        "AllowFindBucket": allow({"Action": ["s3:GetBucketLocation"], "Resource": [BUCKET]}),
        "AllowListModels": allow({"Action": ["s3:ListBucket"], "Resource": [BUCKET]}),
        "AllowReadModels": allow({"Action": ["s3:GetObject"], "Resource": [f"{BUCKET}/*"]}),
        "AllowWriteCapturedData": allow(
            {
                "Action": ["s3:PutObject"],
                "Resource": [f"{BUCKET}/{folder}/mlflow-staging-*" for folder in ("async", "batch", "captured")],
            }
        ),
        "AllowReadRollbackAlarms": allow(
            {
                "Action": ["cloudwatch:DescribeAlarms"],
                "Resource": [f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:mlflow-staging-*"],
            }
        ),
        "DenyReadBackups": {"Effect": "Deny", "Action": ["s3:GetObject"], "Resource": [f"{BUCKET}/backups/*"]},
        "AllowWriteLogs": allow(WRITE_LOG),
    }


def test_an_endpoint_may_read_and_write_with_the_given_key(planner: Planner) -> None:
    policy = statements(planner.plan("existing_bucket"), "module.platform.module.serving.aws_iam_role_policy.endpoint")
    assert policy["AllowReadModels"] == allow({"Action": ["s3:GetObject"], "Resource": [f"{LAKE}/mlflow/churn/*"]})
    assert policy["AllowDecryptModels"] == allow(
        {"Action": ["kms:Decrypt"], "Resource": [KEY], "Condition": THROUGH_S3}
    )
    assert policy["AllowEncryptCapturedData"] == allow(
        {"Action": ["kms:GenerateDataKey"], "Resource": [KEY], "Condition": THROUGH_S3}
    )


@pytest.mark.parametrize(
    ("address", "sid"),
    [
        ("module.platform.module.mlflow.aws_iam_role_policy.basic_access[0]", "AllowDecryptArtifacts"),
        ('module.platform.module.mlflow.aws_iam_policy.artifacts["reader"]', "AllowDecryptArtifacts"),
        ("module.platform.module.serving.aws_iam_role_policy.endpoint", "AllowDecryptModels"),
    ],
)
def test_artifacts_under_a_former_key_can_be_read_without_a_current_key(
    planner: Planner, address: str, sid: str
) -> None:
    policy = statements(planner.plan("staging_hardened"), address)
    assert policy[sid] == allow({"Action": ["kms:Decrypt"], "Resource": [FORMER_KEY], "Condition": THROUGH_S3})
    assert not [sid for sid in policy if "Encrypt" in sid]


@pytest.mark.parametrize(
    ("role", "source"),
    [
        ("module.platform.module.mlflow.aws_iam_role.server[0]", {}),  # AWS does not say which ARN it sends.
        (
            "module.platform.module.serving.aws_iam_role.endpoint",
            {"ArnLike": {"aws:SourceArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:*"}},
        ),
    ],
)
def test_only_sagemaker_of_this_account_may_assume_the_role(
    planner: Planner, role: str, source: dict[str, Any]
) -> None:
    assert statements(planner.plan("staging_hardened"), role, "assume_role_policy") == {
        "SageMakerOfThisAccount": {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole"],
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, **source},
        }
    }


EVERYTHING = {"Effect": "Deny", "Principal": "*", "Action": ["s3:*"]}
UPLOAD = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject"]}
SSE = "s3:x-amz-server-side-encryption"
ALWAYS_REFUSED = {
    "DenyWithoutTLS": {**EVERYTHING, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    "DenyOldTLS": {**EVERYTHING, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
    "DenyCustomerProvidedKeys": {**UPLOAD, "Condition": {"Null": {f"{SSE}-customer-algorithm": "false"}}},
    "DenyOtherKeys": {**UPLOAD, "Condition": {"Null": {f"{SSE}-aws-kms-key-id": "false"}}},
}
REFUSED_UNDER_A_KEY = {
    "DenyOtherKeys": {
        **UPLOAD,
        "Condition": {
            "Null": {f"{SSE}-aws-kms-key-id": "false"},
            "StringNotEquals": {f"{SSE}-aws-kms-key-id": KEY},
        },
    },
    "DenyOtherEncryption": {
        **UPLOAD,
        "Condition": {"Null": {SSE: "false"}, "StringNotEquals": {SSE: "aws:kms"}},
    },
    "DenyAWSManagedKey": {
        **UPLOAD,
        "Condition": {"Null": {f"{SSE}-aws-kms-key-id": "true"}, "StringEquals": {SSE: "aws:kms"}},
    },
}


def of_bucket(bucket: str, name: str, refused: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """An environment's bucket policy: refusals of all actions cover the bucket too, the others only objects."""
    of_objects = {
        sid: {
            **statement,
            "Resource": [bucket, f"{bucket}/*"] if statement["Action"] == ["s3:*"] else [f"{bucket}/*"],
        }
        for sid, statement in refused.items()
    }
    return of_objects | {
        "DenyBackupVersionDeletion": {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:DeleteObjectVersion", "s3:PutObjectTagging"],
            "Resource": [f"{bucket}/backups/{name}-*"],
        }
    }


def test_the_bucket_refuses_weak_tls_foreign_keys_and_the_deletion_of_backup_versions(planner: Planner) -> None:
    policy = statements(planner.plan("staging"), "module.platform.module.mlflow.aws_s3_bucket_policy.artifacts[0]")
    assert policy == of_bucket(BUCKET, "mlflow-staging", ALWAYS_REFUSED)


def test_a_bucket_with_a_customer_key_refuses_uploads_under_any_other(planner: Planner) -> None:
    policy = statements(planner.plan("keyed"), "module.platform.module.mlflow.aws_s3_bucket_policy.artifacts[0]")
    bucket = "arn:aws:s3:::churn-dev-mlflow-artifacts-keyed"
    del policy["DenyBackupVersionDeletion"]
    expected = of_bucket(bucket, "churn-dev", ALWAYS_REFUSED | REFUSED_UNDER_A_KEY)
    assert policy == {sid: one for sid, one in expected.items() if sid != "DenyBackupVersionDeletion"}


def test_the_backups_of_a_server_with_a_name_of_its_own_are_protected_too(planner: Planner) -> None:
    address = "module.platform.module.mlflow.aws_s3_bucket_policy.artifacts[0]"
    denied = statements(planner.plan("keyed"), address)["DenyBackupVersionDeletion"]
    backups = "arn:aws:s3:::churn-dev-mlflow-artifacts-keyed/backups"
    assert sorted(denied["Resource"]) == [f"{backups}/by-hand/*", f"{backups}/churn-dev-*"]


def test_the_switches_permit_the_aws_managed_key_and_the_deletion_of_backup_versions(planner: Planner) -> None:
    policy = statements(planner.plan("permissive"), "module.platform.module.mlflow.aws_s3_bucket_policy.artifacts[0]")
    kept = {sid for sid in ALWAYS_REFUSED | REFUSED_UNDER_A_KEY if sid != "DenyAWSManagedKey"}
    assert set(policy) == kept


READ_BY_TERRAFORM = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
RESCUE = sorted({*READ_BY_TERRAFORM, "kms:CancelKeyDeletion", "kms:EnableKey", "kms:ListAliases", "kms:PutKeyPolicy"})
THE_ACCOUNT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
BY_THE_KEY = "module.platform.module.mlflow.aws_kms_key.artifacts[0]"


def test_the_key_can_be_used_through_s3_for_its_bucket_only(planner: Planner) -> None:
    bucket = "arn:aws:s3:::mlflow-prod-mlflow-artifacts-zali-prod"
    policy = statements(planner.plan("prod"), BY_THE_KEY)
    assert policy.pop("UseThroughS3ForThisBucket") == {
        "Effect": "Allow",
        "Principal": THE_ACCOUNT,
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": ["*"],
        "Condition": {
            "StringEquals": {"kms:CallerAccount": ACCOUNT, "kms:ViaService": "s3.us-east-1.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]},
        },
    }
    assert list(policy) == ["AccountKeepsKey"]


def test_without_administrators_the_account_administers_the_key_but_does_not_decrypt(planner: Planner) -> None:
    policy = statements(planner.plan("prod"), BY_THE_KEY)["AccountKeepsKey"]
    assert (policy["Principal"], policy["Resource"]) == (THE_ACCOUNT, ["*"])
    assert {*RESCUE, "kms:ScheduleKeyDeletion", "kms:DisableKey"} < set(policy["Action"])
    assert not any(
        "crypt" in action or "Generate" in action or "Grant" in action
        for action in policy["Action"]
        if action not in ("kms:ListGrants", "kms:RevokeGrant")
    )


def test_with_administrators_the_account_can_only_read_and_rescue_the_key_and_they_cannot_use_it(
    planner: Planner,
) -> None:
    alone = statements(planner.plan("prod"), BY_THE_KEY)["AccountKeepsKey"]
    policy = statements(planner.plan("app"), BY_THE_KEY)
    assert policy["AccountKeepsKey"] == {**alone, "Action": RESCUE}
    administer = policy["AdministerKey"]
    assert administer == {**alone, "Principal": administer["Principal"]}
    assert sorted(administer["Principal"]["AWS"]) == ADMINISTRATORS
