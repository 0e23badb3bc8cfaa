"""What each subject must be able to do, and what it must not: the place to write down what a new policy is for.

A subject is a role of the modules (`ROLES` in judging.py names them), a managed policy whose name ends in
`-reader`, `-writer` or `-admin`, an `administrator` of the account, or a service by its host name. Rows about a subject
that a plan does not have, or about a key where there is none, are passed over.
"""

from dataclasses import dataclass

from tests.policy.judging import Ask

OTHER_ACCOUNT = "210987654321"
OBJECT = "arn:aws:s3:::{bucket}/1/{id}/artifacts/file"
BUCKET = "arn:aws:s3:::{bucket}"
OTHER_BUCKET = "arn:aws:s3:::{bucket}-other"
SAGEMAKER_SERVICE = "sagemaker.amazonaws.com"
SAGEMAKER = "arn:aws:sagemaker:{region}:{account}"
SERVER = SAGEMAKER + ":mlflow-tracking-server/{server}"
OTHER_SERVER = SAGEMAKER + ":mlflow-tracking-server/other"
REPOSITORIES = "arn:aws:ecr:{region}:{account}:repository"
LOGS = "arn:aws:logs:{region}:{account}:log-group:"
ROLES = "arn:aws:iam::{account}:role"
KEY = "{key}"
OTHER_KEY = "arn:aws:kms:{region}:{account}:key/99999999-8888-7777-6666-555555555555"
THROUGH_S3: dict[str, str | None] = {"kms:ViaService": "s3.{region}.amazonaws.com"}
NO_TLS: dict[str, str | None] = {"aws:SecureTransport": "false", "s3:TlsVersion": None}
TO_SAGEMAKER: dict[str, str | None] = {"iam:PassedToService": "sagemaker.amazonaws.com"}

# Which parts of the recorded road (road.json) each subject must be able to walk.
WALKS: dict[str, tuple[str, ...]] = {
    "server": ("server",),
    "endpoint": ("endpoint",),
    SAGEMAKER_SERVICE: ("sagemaker",),
    "reader": ("server ui",),
    "writer": ("log_run", "deploy_model", "validate_endpoint", "server ui", "deploy_model --delete"),
    "admin": ("log_run", "deploy_model", "validate_endpoint", "server ui", "deploy_model --delete"),
}


@dataclass(frozen=True)
class Documented:
    """What a subject must be able to do though localaws's road never asks for it, and who says so."""

    subject: str
    source: str
    asks: tuple[Ask, ...]
    with_key: bool = False


@dataclass(frozen=True)
class Denied:
    """What a subject must not be able to do."""

    title: str
    subject: str
    asks: tuple[Ask, ...]
    with_key: bool = False


def on(resource: str, *actions: str) -> tuple[Ask, ...]:
    """Several actions on one resource."""
    return tuple(Ask(action, resource) for action in actions)


DOCUMENTED = (
    Documented(
        "server",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html",
        (
            *on(OBJECT, "s3:PutObject", "s3:ListMultipartUploadParts"),
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
        "server",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html",
        tuple(Ask(action, KEY, THROUGH_S3) for action in ("kms:GenerateDataKey", "kms:Decrypt")),
        with_key=True,
    ),
    Documented(
        "endpoint",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html",
        (Ask("kms:Decrypt", KEY, THROUGH_S3),),
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
        on(KEY, "kms:DescribeKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"),
        with_key=True,
    ),
)

DENIED = (
    Denied("Another bucket", "server", on(OTHER_BUCKET + "/a", "s3:GetObject", "s3:PutObject")),
    Denied("Another bucket", "server", on(OTHER_BUCKET, "s3:ListBucket")),
    Denied("Delete what was logged", "server", on(OBJECT, "s3:DeleteObject", "s3:DeleteObjectVersion")),
    Denied(
        "Loosen its own bucket",
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
        "Another account's registry",
        "server",
        on(f"arn:aws:sagemaker:{{region}}:{OTHER_ACCOUNT}:model-package-group/m", "sagemaker:CreateModelPackageGroup"),
    ),
    Denied(
        "Another region's registry",
        "server",
        on("arn:aws:sagemaker:eu-west-1:{account}:model-package-group/m", "sagemaker:CreateModelPackageGroup"),
    ),
    Denied("Tag what is no model package", "server", on(SERVER, "sagemaker:AddTags")),
    Denied("Approve or delete models", "server", on(SAGEMAKER + ":model-package/m/1", "sagemaker:DeleteModelPackage")),
    Denied(
        "Deploy",
        "server",
        on(SAGEMAKER + ":endpoint/{name}-iris", "sagemaker:CreateEndpoint", "sagemaker:DeleteEndpoint"),
    ),
    Denied(
        "Hand on a role",
        "server",
        tuple(Ask("iam:PassRole", f"{ROLES}/{{{role}}}", TO_SAGEMAKER) for role in ("server_role", "endpoint_role")),
    ),
    Denied("Without TLS", "server", (Ask("s3:GetObject", OBJECT, NO_TLS), Ask("s3:ListBucket", BUCKET, NO_TLS))),
    Denied(
        "The key by itself, not through S3",
        "server",
        (Ask("kms:Decrypt", KEY), Ask("kms:Decrypt", KEY, {"kms:ViaService": "ecr.{region}.amazonaws.com"})),
        with_key=True,
    ),
    Denied("Another key", "server", (Ask("kms:GenerateDataKey", OTHER_KEY, THROUGH_S3),), with_key=True),
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
        "Another bucket",
        "endpoint",
        (*on(OTHER_BUCKET + "/a", "s3:GetObject"), *on(OTHER_BUCKET, "s3:ListBucket", "s3:GetBucketLocation")),
    ),
    Denied("Write or delete artifacts", "endpoint", on(OBJECT, "s3:PutObject", "s3:DeleteObject")),
    Denied(
        "Another image repository",
        "endpoint",
        on(f"{REPOSITORIES}/other", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
    ),
    Denied("Push images", "endpoint", on(REPOSITORIES + "/{repository}", "ecr:PutImage", "ecr:InitiateLayerUpload")),
    Denied(
        "Another log",
        "endpoint",
        on(f"{LOGS}/aws/lambda/other:log-stream:a", "logs:PutLogEvents", "logs:CreateLogStream"),
    ),
    Denied(
        "Read or delete its log",
        "endpoint",
        on(LOGS + "/aws/sagemaker/Endpoints/{name}-iris:log-stream:a", "logs:GetLogEvents", "logs:DeleteLogStream"),
    ),
    Denied("The tracking server", "endpoint", on(SERVER, "sagemaker-mlflow:GetRun", "sagemaker-mlflow:SearchRuns")),
    Denied("Without TLS", "endpoint", (Ask("s3:GetObject", OBJECT, NO_TLS),)),
    Denied("Encrypt under the key", "endpoint", (Ask("kms:GenerateDataKey", KEY, THROUGH_S3),), with_key=True),
    Denied("The key by itself, not through S3", "endpoint", (Ask("kms:Decrypt", KEY),), with_key=True),
    Denied("Another key", "endpoint", (Ask("kms:Decrypt", OTHER_KEY, THROUGH_S3),), with_key=True),
    Denied("Without TLS", "administrator", (Ask("s3:GetObject", OBJECT, NO_TLS), Ask("s3:PutObject", OBJECT, NO_TLS))),
    Denied(
        "Take up the roles for another account",
        SAGEMAKER_SERVICE,
        tuple(
            Ask("sts:AssumeRole", f"{ROLES}/{{{role}}}", {"aws:SourceAccount": OTHER_ACCOUNT})
            for role in ("server_role", "endpoint_role")
        ),
    ),
    Denied(
        "Another service in SageMaker's place",
        SAGEMAKER_SERVICE,
        tuple(
            Ask("sts:AssumeRole", f"{ROLES}/{{{role}}}", {"aws:SourceAccount": "{account}"}, by="lambda.amazonaws.com")
            for role in ("server_role", "endpoint_role")
        ),
    ),
    Denied(
        "Write",
        "reader",
        (
            *on(
                SERVER, "sagemaker-mlflow:CreateRun", "sagemaker-mlflow:LogBatch", "sagemaker-mlflow:CreateModelVersion"
            ),
            *on(OBJECT, "s3:PutObject"),
        ),
    ),
    Denied(
        "Delete",
        "reader",
        (
            *on(
                SERVER,
                "sagemaker-mlflow:DeleteRun",
                "sagemaker-mlflow:DeleteExperiment",
                "sagemaker-mlflow:DeleteRegisteredModel",
            ),
            *on(OBJECT, "s3:DeleteObject"),
        ),
    ),
    Denied(
        "Delete",
        "writer",
        (
            *on(SERVER, "sagemaker-mlflow:DeleteExperiment", "sagemaker-mlflow:DeleteRegisteredModel"),
            *on(OBJECT, "s3:DeleteObject", "s3:DeleteObjectVersion"),
            *on(SERVER, "sagemaker:DeleteMlflowTrackingServer"),
        ),
    ),
    *(
        row
        for client in ("reader", "writer", "admin")
        for row in (
            Denied(
                "Another server",
                client,
                on(
                    OTHER_SERVER,
                    "sagemaker-mlflow:GetRun",
                    "sagemaker-mlflow:CreateRun",
                    "sagemaker:CreatePresignedMlflowTrackingServerUrl",
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
                (*on(OTHER_BUCKET + "/a", "s3:GetObject", "s3:PutObject"), *on(OTHER_BUCKET, "s3:ListBucket")),
            ),
            Denied("Without TLS", client, (Ask("s3:GetObject", OBJECT, NO_TLS),)),
            Denied(
                "Hand a role to another service",
                client,
                (Ask("iam:PassRole", ROLES + "/{endpoint_role}", {"iam:PassedToService": "lambda.amazonaws.com"}),),
            ),
            Denied("Hand on another role", client, (Ask("iam:PassRole", f"{ROLES}/other", TO_SAGEMAKER),)),
            Denied("The key by itself, not through S3", client, (Ask("kms:Decrypt", KEY),), with_key=True),
        )
    ),
)
