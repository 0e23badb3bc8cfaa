"""The permissions that each subject needs, and those it must not have. Add the purpose of a new policy here.

A subject is a role of the modules (`ROLES` in judging.py names them), a managed policy whose name ends in `-reader`,
`-writer`, `-admin` or `-image-pusher`, an `administrator` of the account, or a service by its host name. Rows about a
subject that a plan does not have, or about a key that it does not have, are skipped.
"""

from tests.policy.asking import (
    ALARMS,
    BUCKET,
    DIRECTLY,
    ENCRYPTION,
    FOR_ANOTHER_BUCKET,
    FORMER_KEY,
    KEY,
    KEY_OF_REQUEST,
    LOGS,
    NO_TLS,
    OBJECT,
    OLD_TLS,
    OTHER_ACCOUNT,
    OTHER_BUCKET,
    OTHER_KEY,
    REPOSITORIES,
    ROLES,
    SAGEMAKER,
    SAGEMAKER_SERVICE,
    SERVER,
    THROUGH_S3,
    TO_SAGEMAKER,
    Denied,
    Documented,
    on,
)
from tests.policy.backup_expectations import BACKUP_DENIED, BACKUP_DOCUMENTED
from tests.policy.client_expectations import CLIENTS_DENIED, CLIENTS_DOCUMENTED
from tests.policy.image_expectations import IMAGES_DENIED, IMAGES_DOCUMENTED
from tests.policy.judging import Ask
from tests.policy.operations_expectations import OPERATIONS_DENIED, OPERATIONS_DOCUMENTED

# The source ARN with which SageMaker assumes a role. The star is part of AWS's value.
ANY = SAGEMAKER + ":*"
TRANSFORM_LOG = LOGS + "/aws/sagemaker/TransformJobs:log-stream:{name}-iris-batch-0123-1/i-1"
READS = ("server ui", "mlflow reads")
WRITES = ("log_run", "deploy_model", "validate_endpoint", "deploy_model --delete", "mlflow writes")
# The recorded calls (demo_calls.json) that each subject must be able to make, by step.
WALKS: dict[str, tuple[str, ...]] = {
    "server": ("server",),
    "endpoint": ("endpoint",),
    "backup": ("backup",),
    SAGEMAKER_SERVICE: ("sagemaker",),
    "reader": READS,
    "writer": (*READS, *WRITES),
    "admin": (*READS, *WRITES, "mlflow deletes"),
}

DOCUMENTED = (
    Documented(
        "server",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html",
        (
            *on(OBJECT, "s3:PutObject"),
            *on(BUCKET, "s3:ListBucket", "s3:GetBucketLocation"),
            *on(SAGEMAKER + ":model-package/m-{id}/1", "sagemaker:UpdateModelPackage", "sagemaker:AddTags"),
            *on(SAGEMAKER + ":model-package-group/m-{id}", "sagemaker:AddTags"),
        ),
    ),
    Documented(
        "endpoint",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html",
        (
            *on("*", "ecr:GetAuthorizationToken"),
            *on(
                REPOSITORIES + "/{repository}",
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ),
            *on(BUCKET, "s3:ListBucket", "s3:GetBucketLocation"),
            *on(LOGS + "/aws/sagemaker/Endpoints/{name}-iris:log-stream:", "logs:DescribeLogStreams"),
        ),
    ),
    Documented(
        "endpoint",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html",
        on("arn:aws:s3:::{bucket}/captured/{name}-iris/AllTraffic/a.jsonl", "s3:PutObject"),
    ),
    Documented(
        "endpoint",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html",
        (Ask("kms:GenerateDataKey", KEY, THROUGH_S3),),
        with_key=True,
    ),
    Documented(
        "endpoint",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html",
        (
            *on("arn:aws:s3:::{bucket}/async/{name}-iris/out/a.out", "s3:PutObject"),
            *on("arn:aws:s3:::{bucket}/batch/{name}-iris-batch-0123-1/out/a.jsonl.out", "s3:PutObject"),
            *on(TRANSFORM_LOG, "logs:CreateLogStream", "logs:PutLogEvents"),
            *on(LOGS + "/aws/sagemaker/TransformJobs", "logs:CreateLogGroup", "logs:DescribeLogStreams"),
        ),
    ),
    Documented(
        "endpoint",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html",
        on(ALARMS + ":{name}-iris-AllTraffic-errors", "cloudwatch:DescribeAlarms"),
    ),
    Documented(
        "server",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html",
        (
            *(Ask(action, KEY, THROUGH_S3) for action in ("kms:GenerateDataKey", "kms:Decrypt")),
            Ask("kms:Decrypt", FORMER_KEY, THROUGH_S3),
        ),
        with_key=True,
    ),
    Documented(
        "endpoint",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html",
        tuple(Ask("kms:Decrypt", key, THROUGH_S3) for key in (KEY, FORMER_KEY)),
        with_key=True,
    ),
    Documented(
        "administrator",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html",
        (*on(OBJECT, "s3:GetObject", "s3:PutObject"), *on(BUCKET, "s3:ListBucket", "s3:GetBucketPolicy")),
    ),
    Documented(
        "administrator",
        "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html",
        on(KEY, "kms:DescribeKey", "kms:PutKeyPolicy", "kms:CancelKeyDeletion"),
        with_key=True,
    ),
    Documented(
        "administrator",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html",
        (
            Ask("s3:PutObject", OBJECT, {ENCRYPTION: "aws:kms", KEY_OF_REQUEST: KEY}),
            *(Ask(action, KEY, THROUGH_S3) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
        ),
        with_key=True,
    ),
    *CLIENTS_DOCUMENTED,
    *OPERATIONS_DOCUMENTED,
    *BACKUP_DOCUMENTED,
    *IMAGES_DOCUMENTED,
)

DENIED = (
    Denied("Use another bucket", "server", on(OTHER_BUCKET + "/a", "s3:GetObject", "s3:PutObject")),
    Denied("Use another bucket", "server", on(OTHER_BUCKET, "s3:ListBucket", "s3:GetBucketLocation")),
    Denied("Delete logged artifacts", "server", on(OBJECT, "s3:DeleteObject", "s3:DeleteObjectVersion")),
    Denied(
        "Share or tag an artifact, or read its old versions",
        "server",
        on(OBJECT, "s3:PutObjectAcl", "s3:PutObjectTagging", "s3:GetObjectVersion"),
    ),
    Denied(
        "Read its bucket's configuration", "server", on(BUCKET, "s3:GetBucketPolicy", "s3:GetEncryptionConfiguration")
    ),
    Denied(
        "Weaken the protection of its own bucket",
        "server",
        on(
            BUCKET,
            "s3:PutBucketPolicy",
            "s3:DeleteBucketPolicy",
            "s3:PutEncryptionConfiguration",
            "s3:PutBucketVersioning",
            "s3:PutBucketPublicAccessBlock",
            "s3:DeleteBucket",
        ),
    ),
    Denied(
        "Use another account's registry",
        "server",
        on(f"arn:aws:sagemaker:{{region}}:{OTHER_ACCOUNT}:model-package-group/m", "sagemaker:CreateModelPackageGroup"),
    ),
    Denied(
        "Use another Region's registry",
        "server",
        on("arn:aws:sagemaker:eu-west-1:{account}:model-package-group/m", "sagemaker:CreateModelPackageGroup"),
    ),
    Denied("Tag resources other than model packages", "server", on(SERVER, "sagemaker:AddTags")),
    Denied("Approve or delete models", "server", on(SAGEMAKER + ":model-package/m/1", "sagemaker:DeleteModelPackage")),
    Denied(
        "Deploy",
        "server",
        on(SAGEMAKER + ":endpoint/{name}-iris", "sagemaker:CreateEndpoint", "sagemaker:DeleteEndpoint"),
    ),
    Denied(
        "Pass a role",
        "server",
        tuple(Ask("iam:PassRole", f"{ROLES}/{{{role}}}", TO_SAGEMAKER) for role in ("server_role", "endpoint_role")),
    ),
    Denied("Call without TLS", "server", (Ask("s3:GetObject", OBJECT, NO_TLS), Ask("s3:ListBucket", BUCKET, NO_TLS))),
    Denied(
        "Use the key directly, not through S3",
        "server",
        (
            *(Ask(action, KEY, DIRECTLY) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
            Ask("kms:Decrypt", KEY, THROUGH_S3 | {"kms:ViaService": "ecr.{region}.amazonaws.com"}),
        ),
        with_key=True,
    ),
    Denied(
        "Use another key",
        "server",
        tuple(Ask(action, OTHER_KEY, THROUGH_S3) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
        with_key=True,
    ),
    Denied("Encrypt with a former key", "server", (Ask("kms:GenerateDataKey", FORMER_KEY, THROUGH_S3),), with_key=True),
    Denied(
        "Change the key",
        "server",
        tuple(
            Ask(action, KEY, THROUGH_S3)
            for action in ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:CreateGrant")
        ),
        with_key=True,
    ),
    Denied(
        "Use another bucket",
        "endpoint",
        (*on(OTHER_BUCKET + "/a", "s3:GetObject"), *on(OTHER_BUCKET, "s3:ListBucket", "s3:GetBucketLocation")),
    ),
    Denied("Write or delete artifacts", "endpoint", on(OBJECT, "s3:PutObject", "s3:DeleteObject")),
    Denied(
        "Pull from another image repository",
        "endpoint",
        on(f"{REPOSITORIES}/other", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
    ),
    Denied("Read other alarms", "endpoint", on(ALARMS + ":other-errors", "cloudwatch:DescribeAlarms")),
    Denied("Push images", "endpoint", on(REPOSITORIES + "/{repository}", "ecr:PutImage", "ecr:InitiateLayerUpload")),
    Denied(
        "Use another log",
        "endpoint",
        (
            *on(f"{LOGS}/aws/lambda/other:log-stream:a", "logs:PutLogEvents", "logs:CreateLogStream"),
            *on(
                f"{LOGS}/aws/sagemaker/Endpoints/other-iris:log-stream:a",
                "logs:PutLogEvents",
                "logs:CreateLogGroup",
                "logs:DescribeLogStreams",
            ),
        ),
    ),
    Denied(
        "Read or delete its log",
        "endpoint",
        on(LOGS + "/aws/sagemaker/Endpoints/{name}-iris:log-stream:a", "logs:GetLogEvents", "logs:DeleteLogStream"),
    ),
    Denied("Use the tracking server", "endpoint", on(SERVER, "sagemaker-mlflow:GetRun", "sagemaker-mlflow:SearchRuns")),
    Denied("Call without TLS", "endpoint", (Ask("s3:GetObject", OBJECT, NO_TLS),)),
    Denied("Encrypt with another key", "endpoint", (Ask("kms:GenerateDataKey", OTHER_KEY, THROUGH_S3),), with_key=True),
    Denied(
        "Overwrite models and the captured data of others",
        "endpoint",
        (
            *on("arn:aws:s3:::{bucket}/endpoints/{name}-iris/{id}/model.tar.gz", "s3:PutObject"),
            *on("arn:aws:s3:::{bucket}/captured/other-iris/AllTraffic/a.jsonl", "s3:PutObject"),
        ),
    ),
    Denied(
        "Use the key directly, not through S3",
        "endpoint",
        tuple(Ask(action, KEY, DIRECTLY) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
        with_key=True,
    ),
    Denied(
        "Encrypt with a former key", "endpoint", (Ask("kms:GenerateDataKey", FORMER_KEY, THROUGH_S3),), with_key=True
    ),
    Denied("Use another key", "endpoint", (Ask("kms:Decrypt", OTHER_KEY, THROUGH_S3),), with_key=True),
    Denied(
        "Call without TLS", "administrator", (Ask("s3:GetObject", OBJECT, NO_TLS), Ask("s3:PutObject", OBJECT, NO_TLS))
    ),
    Denied(
        "Call with TLS 1.1",
        "administrator",
        (Ask("s3:GetObject", OBJECT, OLD_TLS), Ask("s3:ListBucket", BUCKET, OLD_TLS)),
    ),
    Denied(
        "Encrypt an artifact with a customer-provided key (SSE-C)",
        "administrator",
        (Ask("s3:PutObject", OBJECT, {f"{ENCRYPTION}-customer-algorithm": "AES256"}),),
    ),
    Denied(
        "Encrypt an artifact with another key",
        "administrator",
        (Ask("s3:PutObject", OBJECT, {ENCRYPTION: "aws:kms", KEY_OF_REQUEST: OTHER_KEY}),),
    ),
    Denied(
        "Encrypt an artifact with an S3 managed key (SSE-S3)",
        "administrator",
        (Ask("s3:PutObject", OBJECT, {ENCRYPTION: "AES256"}),),
        with_key=True,
    ),
    Denied(
        "Encrypt an artifact with the AWS managed key aws/s3",
        "administrator",
        (Ask("s3:PutObject", OBJECT, {ENCRYPTION: "aws:kms"}),),
        with_key=True,
    ),
    Denied(
        "Use the key directly, not through S3",
        "administrator",
        tuple(Ask(action, KEY, DIRECTLY) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
        with_key_policy=True,
    ),
    Denied(
        "Use the key for another bucket",
        "administrator",
        (Ask("kms:Decrypt", KEY, FOR_ANOTHER_BUCKET),),
        with_key_policy=True,
    ),
    Denied(
        "Assume the roles for another account",
        SAGEMAKER_SERVICE,
        tuple(
            Ask("sts:AssumeRole", f"{ROLES}/{{{role}}}", {"aws:SourceAccount": OTHER_ACCOUNT, "aws:SourceArn": ANY})
            for role in ("server_role", "endpoint_role")
        ),
    ),
    Denied(
        "Assume the endpoints' role for another Region, or without a source ARN",
        SAGEMAKER_SERVICE,
        tuple(
            Ask(
                "sts:AssumeRole",
                ROLES + "/{endpoint_role}",
                {"aws:SourceAccount": "{account}", "aws:SourceArn": source},
            )
            for source in ("arn:aws:sagemaker:eu-west-1:{account}:*", None)
        ),
    ),
    Denied(
        "Assume the roles as another service",
        SAGEMAKER_SERVICE,
        tuple(
            Ask(
                "sts:AssumeRole",
                f"{ROLES}/{{{role}}}",
                {"aws:SourceAccount": "{account}", "aws:SourceArn": ANY},
                by="lambda.amazonaws.com",
            )
            for role in ("server_role", "endpoint_role")
        ),
    ),
    *CLIENTS_DENIED,
    *OPERATIONS_DENIED,
    *BACKUP_DENIED,
    *IMAGES_DENIED,
)
