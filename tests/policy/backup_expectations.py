"""The nightly backup: the permissions that its job and its schedule need, and those that they must not have."""

from tests.policy.asking import (
    ARCHIVE,
    BUCKET,
    DIRECTLY,
    FORMER_KEY,
    KEY,
    LOGS,
    NO_TLS,
    OBJECT,
    OTHER_ACCOUNT,
    OTHER_BUCKET,
    OTHER_KEY,
    OTHER_SERVER,
    ROLES,
    SERVER,
    THROUGH_S3,
    TO_SAGEMAKER,
    TOOL,
    Denied,
    Documented,
    on,
)
from tests.policy.judging import Ask

CODEBUILD_SERVICE = "codebuild.amazonaws.com"
SCHEDULER_SERVICE = "scheduler.amazonaws.com"
PROJECT = "arn:aws:codebuild:{region}:{account}:project/{name}-mlflow-backup"
LOG = LOGS + "/aws/codebuild/{name}-mlflow-backup:log-stream:a"
CODEBUILD_PAGE = "https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html"
GROUP = "arn:aws:scheduler:{region}:{account}:schedule-group/default"
QUEUE = "arn:aws:sqs:{region}:{account}:{name}-mlflow-backup-failures"
# The service that assumes each role, the source that AWS documents for it, and the page of the documentation.
TAKERS = {
    "backup_role": (CODEBUILD_SERVICE, PROJECT, CODEBUILD_PAGE),
    "backup_schedule_role": (
        SCHEDULER_SERVICE,
        GROUP,
        "https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html",
    ),
}

BACKUP_DOCUMENTED = (
    Documented(
        "backup",
        CODEBUILD_PAGE,
        (
            *on(LOG, "logs:CreateLogStream", "logs:PutLogEvents"),
            *on(TOOL, "s3:GetObject", "s3:GetObjectVersion"),
            *on(BUCKET, "s3:GetBucketLocation", "s3:ListBucket"),
        ),
    ),
    Documented(
        "backup",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html",
        on(ARCHIVE + "files/a", "s3:AbortMultipartUpload"),
    ),
    Documented(
        "backup",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html",
        (
            *(Ask(action, KEY, THROUGH_S3) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
            Ask("kms:Decrypt", FORMER_KEY, THROUGH_S3),
        ),
        with_key=True,
    ),
    Documented(
        "backup_schedule",
        "https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html",
        (*on(PROJECT, "codebuild:StartBuild"), *on(QUEUE, "sqs:SendMessage")),
    ),
    # Terraform replaces the tool, and deletes it with all its versions.
    Documented(
        "administrator",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html",
        on(TOOL, "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"),
    ),
    *(
        Documented(
            service,
            page,
            (
                Ask(
                    "sts:AssumeRole", f"{ROLES}/{{{role}}}", {"aws:SourceAccount": "{account}", "aws:SourceArn": source}
                ),
            ),
        )
        for role, (service, source, page) in TAKERS.items()
    ),
)

BACKUP_DENIED = (
    Denied(
        "Change the server that it backs up",
        "backup",
        (
            *on(SERVER, "sagemaker-mlflow:CreateRun", "sagemaker-mlflow:LogBatch", "sagemaker-mlflow:DeleteRun"),
            *on(SERVER, "sagemaker:StopMlflowTrackingServer", "sagemaker:DeleteMlflowTrackingServer"),
            *on(OBJECT, "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"),
        ),
    ),
    Denied("Change the backup tool", "backup", on(TOOL, "s3:PutObject", "s3:DeleteObject")),
    Denied("Read overwritten versions", "backup", on(OBJECT, "s3:GetObjectVersion")),
    Denied("Delete a version of a backup", "backup", on(ARCHIVE + "files/a", "s3:DeleteObjectVersion")),
    Denied(
        "Use another server or its backups",
        "backup",
        (
            *on(OTHER_SERVER, "sagemaker-mlflow:GetRun", "sagemaker-mlflow:SearchRuns"),
            *on(OTHER_SERVER, "sagemaker:DescribeMlflowTrackingServer"),
            *on("arn:aws:s3:::{bucket}/backups/other/files/a", "s3:PutObject", "s3:DeleteObject"),
        ),
    ),
    Denied(
        "Use another bucket",
        "backup",
        (
            *on(OTHER_BUCKET + "/a", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectVersion"),
            *on(OTHER_BUCKET, "s3:ListBucket", "s3:GetBucketLocation"),
        ),
    ),
    Denied("Use another log", "backup", on(LOGS + "/aws/codebuild/other:log-stream:a", "logs:PutLogEvents")),
    Denied("Start or change builds", "backup", on(PROJECT, "codebuild:StartBuild", "codebuild:UpdateProject")),
    Denied("Pass a role", "backup", (Ask("iam:PassRole", ROLES + "/{backup_role}", TO_SAGEMAKER),)),
    Denied("Call without TLS", "backup", (Ask("s3:GetObject", OBJECT, NO_TLS),)),
    Denied(
        "Use the key directly, not through S3",
        "backup",
        tuple(Ask(action, KEY, DIRECTLY) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
        with_key=True,
    ),
    Denied(
        "Use another key",
        "backup",
        tuple(Ask(action, OTHER_KEY, THROUGH_S3) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
        with_key=True,
    ),
    Denied("Encrypt with a former key", "backup", (Ask("kms:GenerateDataKey", FORMER_KEY, THROUGH_S3),), with_key=True),
    # A write there would change what the job runs with its role's permissions, or what a later restore returns.
    *(
        Denied(
            "Write backups or the backup tool",
            subject,
            tuple(
                Ask(action, resource)
                for resource in (ARCHIVE + "index.json", TOOL)
                for action in (
                    "s3:PutObject",
                    "s3:AbortMultipartUpload",
                    "s3:DeleteObject",
                    "s3:DeleteObjectVersion",
                    "s3:PutObjectTagging",
                )
            ),
        )
        for subject in ("server", "endpoint", "reader", "writer")
    ),
    Denied(
        "Change the backup tool",
        "admin",
        on(TOOL, "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectTagging"),
    ),
    *(
        Denied(
            "Delete a version of a backup, or expire it with a tag",
            subject,
            on(ARCHIVE + "files/a", "s3:DeleteObjectVersion", "s3:PutObjectTagging"),
        )
        for subject in ("admin", "administrator")
    ),
    Denied("Read backups", "endpoint", on(ARCHIVE + "files/a", "s3:GetObject")),
    Denied("Send to another queue", "backup_schedule", on(QUEUE + "-other", "sqs:SendMessage")),
    Denied("Read or purge the queue", "backup_schedule", on(QUEUE, "sqs:ReceiveMessage", "sqs:PurgeQueue")),
    Denied("Call without TLS", "backup_schedule", (Ask("sqs:SendMessage", QUEUE, NO_TLS),)),
    Denied("Start another project", "backup_schedule", on(PROJECT + "-other", "codebuild:StartBuild")),
    Denied(
        "Change or delete the project, or stop its builds",
        "backup_schedule",
        on(PROJECT, "codebuild:UpdateProject", "codebuild:DeleteProject", "codebuild:StopBuild"),
    ),
    Denied(
        "Use the permissions of the backup job",
        "backup_schedule",
        (*on(OBJECT, "s3:GetObject"), *on(SERVER, "sagemaker-mlflow:GetRun")),
    ),
    *(
        Denied(
            "Assume the backup's roles for another account or source, or as another service",
            service,
            tuple(
                Ask(
                    "sts:AssumeRole", f"{ROLES}/{{{role}}}", {"aws:SourceAccount": account, "aws:SourceArn": arn}, by=by
                )
                for account, arn, by in (
                    (OTHER_ACCOUNT, source, None),
                    ("{account}", source + "-other", None),
                    ("{account}", None, None),
                    ("{account}", source, "lambda.amazonaws.com"),
                )
            ),
        )
        for role, (service, source, _) in TAKERS.items()
    ),
)
