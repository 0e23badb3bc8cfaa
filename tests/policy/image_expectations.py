"""Serving images: the permissions of the builds, and of the identity that builds and pushes."""

from tests.policy.asking import (
    BUCKET,
    DIRECTLY,
    KEY,
    LOGS,
    OBJECT,
    OTHER_ACCOUNT,
    OTHER_BUCKET,
    OTHER_KEY,
    REPOSITORIES,
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

CODEBUILD = "codebuild.amazonaws.com"
PROJECT = "arn:aws:codebuild:{region}:{account}:project/{name}-serving-image"
LOG = LOGS + "/aws/codebuild/{name}-serving-image:log-stream:a"
SOURCE = "arn:aws:s3:::{bucket}/images/py3.12-0123.zip"
REPOSITORY, OTHER_REPOSITORY = REPOSITORIES + "/{repository}", REPOSITORIES + "/other"
CODEBUILD_PAGE = "https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html"
PUSH_PAGE = "https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html"
KMS_PAGE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"
PUSH = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
BUILD = ("codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild")
OURS = {"aws:SourceAccount": "{account}", "aws:SourceArn": PROJECT}

IMAGES_DOCUMENTED = (
    *(
        Documented(subject, PUSH_PAGE, (*on("*", "ecr:GetAuthorizationToken"), *on(REPOSITORY, *PUSH)))
        for subject in ("image_builder", "image_pusher")
    ),
    Documented(
        "image_builder",
        CODEBUILD_PAGE,
        (
            *on(LOG, "logs:CreateLogStream", "logs:PutLogEvents"),
            *on(SOURCE, "s3:GetObject", "s3:GetObjectVersion"),
            *on(BUCKET, "s3:GetBucketLocation"),
        ),
    ),
    Documented("image_builder", KMS_PAGE, (Ask("kms:Decrypt", KEY, THROUGH_S3),), with_key=True),
    Documented(
        "image_pusher",
        "https://docs.aws.amazon.com/codebuild/latest/userguide/auth-and-access-control-permissions-reference.html",
        (
            *on(PROJECT, *BUILD),
            *on(LOG, "logs:GetLogEvents"),
            *on(SOURCE, "s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject"),
        ),
    ),
    Documented("image_pusher", KMS_PAGE, (Ask("kms:GenerateDataKey", KEY, THROUGH_S3),), with_key=True),
    # Finding the image of a model.
    *(
        Documented(subject, "src/mlflow_platform/images/repository.py", on(REPOSITORY, "ecr:DescribeImages"))
        for subject in ("writer", "admin", "image_pusher")
    ),
    # A clean-up deletes what nothing in the account uses, so it must see every use.
    Documented(
        "admin",
        "src/mlflow_platform/cleanup/hosting.py",
        (
            *on(REPOSITORY, "ecr:BatchDeleteImage"),
            *on(SAGEMAKER + ":endpoint/other", "sagemaker:DescribeEndpoint"),
            *on(SAGEMAKER + ":endpoint-config/other", "sagemaker:DescribeEndpointConfig"),
            *on(SAGEMAKER + ":model/other", "sagemaker:DescribeModel"),
            *on(SAGEMAKER + ":model-package/other/1", "sagemaker:DescribeModelPackage"),
            *on(SAGEMAKER + ":mlflow-app/app-1A2B", "sagemaker:DescribeMlflowApp"),
            *on("*", "sagemaker:ListMlflowApps", "sagemaker:ListModelPackageGroups"),
        ),
    ),
    Documented(
        "admin",
        "src/mlflow_platform/monthly_cost/builds.py",
        on(PROJECT, "codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject"),
    ),
    Documented(CODEBUILD, CODEBUILD_PAGE, (Ask("sts:AssumeRole", ROLES + "/{image_builder_role}", OURS),)),
)

IMAGES_DENIED = (
    *(
        Denied("Use another image repository", subject, on(OTHER_REPOSITORY, *PUSH, "ecr:DescribeImages"))
        for subject in ("image_builder", "image_pusher", "writer", "admin")
    ),
    *(
        Denied(
            "Delete images, or make tags mutable",
            subject,
            on(REPOSITORY, "ecr:BatchDeleteImage", "ecr:PutImageTagMutability"),
        )
        for subject in ("image_builder", "image_pusher", "writer")
    ),
    Denied(
        "Make tags mutable, or delete other images",
        "admin",
        (*on(REPOSITORY, "ecr:PutImageTagMutability"), *on(OTHER_REPOSITORY, "ecr:BatchDeleteImage")),
    ),
    Denied(
        "Look at another region's models and Apps",
        "admin",
        tuple(
            Ask(f"sagemaker:Describe{operation}", f"arn:aws:sagemaker:ap-south-2:{{account}}:{kind}/other")
            for operation, kind in (
                ("Endpoint", "endpoint"),
                ("EndpointConfig", "endpoint-config"),
                ("Model", "model"),
                ("ModelPackage", "model-package"),
                ("MlflowApp", "mlflow-app"),
            )
        ),
    ),
    *(Denied("Push images", subject, on(REPOSITORY, "ecr:PutImage")) for subject in ("reader", "writer", "admin")),
    *(
        Denied(
            "Read artifacts, or write them", subject, on(OBJECT, "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject")
        )
        for subject in ("image_builder", "image_pusher")
    ),
    Denied("Change what images are built from", "image_builder", on(SOURCE, "s3:PutObject", "s3:DeleteObject")),
    Denied("Delete artifacts, or tag them", "image_pusher", on(OBJECT, "s3:DeleteObject", "s3:PutObjectTagging")),
    Denied("Find another bucket", "image_builder", on(OTHER_BUCKET, "s3:GetBucketLocation")),
    Denied(
        "Use another log",
        "image_builder",
        on(LOGS + "/aws/codebuild/other:log-stream:a", "logs:CreateLogStream", "logs:PutLogEvents"),
    ),
    Denied("Read another log", "image_pusher", on(LOGS + "/aws/codebuild/other:log-stream:a", "logs:GetLogEvents")),
    Denied("Start builds", "admin", on(PROJECT, "codebuild:StartBuild", "codebuild:StopBuild")),
    Denied(
        "Read another project's builds",
        "admin",
        on(PROJECT + "-other", "codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject"),
    ),
    Denied("Start or change builds", "image_builder", on(PROJECT, *BUILD, "codebuild:UpdateProject")),
    Denied(
        "Use another project, or change this one",
        "image_pusher",
        (
            *on(PROJECT + "-other", *BUILD),
            *on(PROJECT, "codebuild:UpdateProject", "codebuild:DeleteProject"),
        ),
    ),
    *(
        Denied("Pass a role", subject, (Ask("iam:PassRole", ROLES + "/{image_builder_role}", TO_SAGEMAKER),))
        for subject in ("image_builder", "image_pusher")
    ),
    *(
        Denied("Use the tracking server", subject, on(SERVER, "sagemaker-mlflow:GetRun", "sagemaker-mlflow:SearchRuns"))
        for subject in ("image_builder", "image_pusher")
    ),
    *(
        Denied(title, subject, (Ask(action, key, context),), with_key=True)
        for subject, action in (("image_builder", "kms:Decrypt"), ("image_pusher", "kms:GenerateDataKey"))
        for title, key, context in (
            ("Use the key directly, not through S3", KEY, DIRECTLY),
            ("Use another key", OTHER_KEY, THROUGH_S3),
        )
    ),
    Denied(
        "Assume the image builder's role for another account or source, or as another service",
        CODEBUILD,
        tuple(
            Ask(
                "sts:AssumeRole",
                ROLES + "/{image_builder_role}",
                {"aws:SourceAccount": account, "aws:SourceArn": source},
                by=by,
            )
            for account, source, by in (
                (OTHER_ACCOUNT, PROJECT, None),
                ("{account}", PROJECT + "-other", None),
                ("{account}", None, None),
                ("{account}", PROJECT, "lambda.amazonaws.com"),
            )
        ),
    ),
)
