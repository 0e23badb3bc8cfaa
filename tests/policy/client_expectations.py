"""What readers, writers and admins must be able to do beside the recorded calls, and what they must not."""

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
    SAGEMAKER,
    SERVER,
    THROUGH_S3,
    TO_SAGEMAKER,
    Denied,
    Documented,
    on,
)
from tests.policy.judging import Ask

DEPLOYED = "endpoints/{name}-iris/{id}/model.tar.gz"
ENDPOINT = SAGEMAKER + ":endpoint/{name}-iris"
OTHER_ENDPOINT = SAGEMAKER + ":endpoint/other-iris"
ALIKE = SAGEMAKER + ":endpoint/{name}-2-iris"
LOG = LOGS + "/aws/sagemaker/Endpoints/{name}-iris:log-stream:AllTraffic/i-1"
CLIENTS = ("reader", "writer", "admin")
WRITERS = ("writer", "admin")
ACTIONS_PAGE = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerwithmlflow.html"
KMS_PAGE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"
VERSIONS_PAGE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/RetrievingObjectVersions.html"

CLIENTS_DOCUMENTED = (
    *(
        row
        for client in CLIENTS
        for row in (
            Documented(
                client,
                ACTIONS_PAGE,
                (
                    *on(
                        SERVER,
                        "sagemaker-mlflow:GetRun",
                        "sagemaker-mlflow:ListArtifacts",
                        "sagemaker-mlflow:SearchRuns",
                        "sagemaker:CreatePresignedMlflowTrackingServerUrl",
                    ),
                    *on("*", "sagemaker-mlflow:AccessUI", "sagemaker:ListMlflowTrackingServers"),
                    *on(BUCKET, "s3:GetBucketLocation", "s3:ListBucket"),
                    *on(OBJECT, "s3:GetObject"),
                ),
            ),
            Documented(
                client,
                KMS_PAGE,
                tuple(Ask("kms:Decrypt", key, THROUGH_S3) for key in (KEY, FORMER_KEY)),
                with_key=True,
            ),
        )
    ),
    *(
        row
        for client in WRITERS
        for row in (
            Documented(client, KMS_PAGE, (Ask("kms:GenerateDataKey", KEY, THROUGH_S3),), with_key=True),
            Documented(
                client,
                "https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html",
                on(LOG, "logs:GetLogEvents"),
            ),
            Documented(
                client,
                "https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html",
                on(OBJECT, "s3:AbortMultipartUpload"),
            ),
        )
    ),
    Documented(
        "admin",
        ACTIONS_PAGE,
        (
            *on(SERVER, "sagemaker-mlflow:DeleteRun", "sagemaker-mlflow:RestoreRun"),
            *on(SERVER, "sagemaker:StartMlflowTrackingServer", "sagemaker:StopMlflowTrackingServer"),
            *on(SERVER, "sagemaker:UpdateMlflowTrackingServer"),
        ),
    ),
    Documented(
        "admin",
        VERSIONS_PAGE,
        (
            *on(BUCKET, "s3:ListBucketVersions"),
            *on(OBJECT, "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObjectVersion"),
            *on(OBJECT, "s3:GetObjectTagging", "s3:PutObjectTagging"),
        ),
    ),
    # `make backup` by hand, which also deletes old backups; their versions stay.
    Documented("admin", VERSIONS_PAGE, on(ARCHIVE + "files/a", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")),
)

CLIENTS_DENIED = (
    Denied(
        "Write",
        "reader",
        (
            *on(SERVER, "sagemaker-mlflow:CreateRun", "sagemaker-mlflow:LogBatch", "sagemaker-mlflow:SetTag"),
            *on(SERVER, "sagemaker-mlflow:CreateModelVersion", "sagemaker-mlflow:SetRegisteredModelAlias"),
            *on(OBJECT, "s3:PutObject"),
        ),
    ),
    Denied("Deploy or ask an endpoint", "reader", on(ENDPOINT, "sagemaker:CreateEndpoint", "sagemaker:InvokeEndpoint")),
    Denied("Hand on a role", "reader", (Ask("iam:PassRole", ROLES + "/{endpoint_role}", TO_SAGEMAKER),)),
    *(
        Denied(
            "Delete",
            client,
            (
                *on(SERVER, "sagemaker-mlflow:DeleteRun", "sagemaker-mlflow:DeleteExperiment"),
                *on(SERVER, "sagemaker-mlflow:DeleteRegisteredModel", "sagemaker-mlflow:DeleteModelVersion"),
                *on(OBJECT, "s3:DeleteObject", "s3:DeleteObjectVersion"),
            ),
        )
        for client in ("reader", "writer")
    ),
    *(
        Denied(
            "Start, stop or change the server",
            client,
            on(
                SERVER,
                "sagemaker:StartMlflowTrackingServer",
                "sagemaker:StopMlflowTrackingServer",
                "sagemaker:UpdateMlflowTrackingServer",
            ),
        )
        for client in ("reader", "writer")
    ),
    *(
        row
        for client in CLIENTS
        for row in (
            Denied(
                "Make or delete a server",
                client,
                on(SERVER, "sagemaker:CreateMlflowTrackingServer", "sagemaker:DeleteMlflowTrackingServer"),
            ),
            Denied(
                "Loosen the bucket",
                client,
                on(
                    BUCKET,
                    "s3:PutBucketPolicy",
                    "s3:DeleteBucket",
                    "s3:PutBucketVersioning",
                    "s3:PutLifecycleConfiguration",
                    "s3:PutEncryptionConfiguration",
                ),
            ),
            Denied(
                "Another server",
                client,
                (
                    *on(OTHER_SERVER, "sagemaker-mlflow:GetRun", "sagemaker-mlflow:CreateRun"),
                    *on(OTHER_SERVER, "sagemaker-mlflow:DeleteRun", "sagemaker:StopMlflowTrackingServer"),
                    *on(OTHER_SERVER, "sagemaker:DescribeMlflowTrackingServer"),
                    *on(OTHER_SERVER, "sagemaker:CreatePresignedMlflowTrackingServerUrl"),
                ),
            ),
            Denied(
                "Another account's server",
                client,
                on(
                    f"arn:aws:sagemaker:{{region}}:{OTHER_ACCOUNT}:mlflow-tracking-server/{{server}}",
                    "sagemaker-mlflow:GetRun",
                ),
            ),
            Denied(
                "Another bucket",
                client,
                (
                    *on(OTHER_BUCKET + "/" + DEPLOYED, "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
                    *on(OTHER_BUCKET, "s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"),
                ),
            ),
            Denied(
                "Another environment's endpoint",
                client,
                (
                    *on(
                        OTHER_ENDPOINT,
                        "sagemaker:CreateEndpoint",
                        "sagemaker:DeleteEndpoint",
                        "sagemaker:InvokeEndpoint",
                    ),
                ),
            ),
            Denied(
                "An endpoint tagged for another environment",
                client,
                (
                    Ask("sagemaker:DeleteEndpoint", ALIKE, {"aws:ResourceTag/environment": "other"}),
                    Ask("sagemaker:CreateEndpoint", ALIKE, {"aws:RequestTag/environment": "other"}),
                    Ask("sagemaker:UpdateEndpoint", ALIKE, {"aws:ResourceTag/project": "other"}),
                ),
            ),
            Denied("Another log", client, on(f"{LOGS}/aws/lambda/other:log-stream:a", "logs:GetLogEvents")),
            Denied("Without TLS", client, (Ask("s3:GetObject", OBJECT, NO_TLS),)),
            Denied(
                "Hand a role to another service",
                client,
                (Ask("iam:PassRole", ROLES + "/{endpoint_role}", {"iam:PassedToService": "lambda.amazonaws.com"}),),
            ),
            Denied(
                "Hand on another role",
                client,
                (
                    Ask("iam:PassRole", ROLES + "/other", TO_SAGEMAKER),
                    Ask("iam:PassRole", ROLES + "/{server_role}", TO_SAGEMAKER),
                ),
            ),
            Denied(
                "The key by itself, not through S3",
                client,
                tuple(Ask(action, KEY, DIRECTLY) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
                with_key=True,
            ),
            Denied(
                "Another key",
                client,
                tuple(Ask(action, OTHER_KEY, THROUGH_S3) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
                with_key=True,
            ),
            Denied(
                "Encrypt under a former key",
                client,
                (Ask("kms:GenerateDataKey", FORMER_KEY, THROUGH_S3),),
                with_key=True,
            ),
        )
    ),
)
