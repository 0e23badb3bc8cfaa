"""The permissions that readers, writers and admins need beyond the recorded calls, and those they must not have."""

from tests.policy.asking import (
    ALARMS,
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
TRANSFORM = SAGEMAKER + ":transform-job/{name}-iris-0123"
PACKAGE_GROUP = SAGEMAKER + ":model-package-group/{name}-iris"
PACKAGE, OTHER_PACKAGE = SAGEMAKER + ":model-package/{name}-iris/1", SAGEMAKER + ":model-package/other-iris/1"
OTHER_ENDPOINT = SAGEMAKER + ":endpoint/other-iris"
ALIKE = SAGEMAKER + ":endpoint/{name}-2-iris"
LOG = LOGS + "/aws/sagemaker/Endpoints/{name}-iris:log-stream:AllTraffic/i-1"
ALARM = ALARMS + ":{name}-iris-AllTraffic-errors"
SCALED = SAGEMAKER.replace(":sagemaker:", ":application-autoscaling:") + ":scalable-target/{id}"
SCALED_ELSEWHERE = SCALED.replace("{region}", "eu-west-3")
SERVICE = "application-autoscaling:service-namespace"
SCALING_ROLE = ROLES + (
    "/aws-service-role/sagemaker.application-autoscaling.amazonaws.com"
    "/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
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
            Documented(client, ACTIONS_PAGE, on(SERVER, "sagemaker-mlflow:DeleteModelVersionTag")),
            # batch_predict.py
            Documented(
                client,
                "https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html",
                (
                    *on(TRANSFORM, "sagemaker:CreateTransformJob", "sagemaker:AddTags"),
                    *on(TRANSFORM, "sagemaker:DescribeTransformJob", "sagemaker:StopTransformJob"),
                    *on(LOGS + "/aws/sagemaker/TransformJobs", "logs:DescribeLogStreams"),
                    *on(LOGS + "/aws/sagemaker/TransformJobs:log-stream:{name}-a/i-1", "logs:GetLogEvents"),
                ),
            ),
            # deploy_model.py --autoscale and --async
            Documented(
                client,
                "https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html",
                (
                    *(
                        Ask(f"application-autoscaling:{action}", SCALED, {SERVICE: "sagemaker"})
                        for action in (
                            "DeleteScalingPolicy",
                            "DeregisterScalableTarget",
                            "PutScalingPolicy",
                            "RegisterScalableTarget",
                        )
                    ),
                    Ask(
                        "application-autoscaling:TagResource",
                        SCALED,
                        {"aws:RequestTag/project": "{project}", "aws:RequestTag/environment": "{environment}"},
                    ),
                    *on(
                        "*",
                        "application-autoscaling:DescribeScalableTargets",
                        "application-autoscaling:DescribeScalingPolicies",
                    ),
                    *on(SCALING_ROLE, "iam:CreateServiceLinkedRole"),
                    *on(ENDPOINT, "sagemaker:UpdateEndpointWeightsAndCapacities", "sagemaker:InvokeEndpointAsync"),
                    *on(
                        ALARMS + ":TargetTracking-endpoint/{name}-iris/variant/AllTraffic-AlarmHigh-{id}",
                        "cloudwatch:PutMetricAlarm",
                        "cloudwatch:DeleteAlarms",
                    ),
                ),
            ),
            # promote.py: the registry of SageMaker.
            Documented(
                client,
                "https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry.html",
                (
                    *on(PACKAGE_GROUP, "sagemaker:CreateModelPackageGroup", "sagemaker:DescribeModelPackageGroup"),
                    *on(PACKAGE_GROUP, "sagemaker:CreateModelPackage", "sagemaker:AddTags", "sagemaker:ListTags"),
                    *on(PACKAGE, "sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"),
                    *on(PACKAGE, "sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages", "sagemaker:ListTags"),
                    *on(PACKAGE, "sagemaker:AddTags"),
                ),
            ),
            Documented(
                client,
                "https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html",
                (
                    *on(ALARM, "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:DeleteAlarms"),
                    *on("*", "cloudwatch:DescribeAlarms"),
                ),
            ),
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
    # A manual `make backup`, which also deletes old backups. Their versions remain.
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
    Denied(
        "Deploy or invoke an endpoint", "reader", on(ENDPOINT, "sagemaker:CreateEndpoint", "sagemaker:InvokeEndpoint")
    ),
    *(
        Denied(
            "Change another environment's model packages",
            client,
            on(OTHER_PACKAGE, "sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"),
        )
        for client in CLIENTS
    ),
    Denied("Approve a model package", "reader", on(PACKAGE, "sagemaker:UpdateModelPackage")),
    Denied("Pass a role", "reader", (Ask("iam:PassRole", ROLES + "/{endpoint_role}", TO_SAGEMAKER),)),
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
                "Create or delete a server",
                client,
                on(SERVER, "sagemaker:CreateMlflowTrackingServer", "sagemaker:DeleteMlflowTrackingServer"),
            ),
            Denied(
                "Weaken the protection of the bucket",
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
                "Use another server",
                client,
                (
                    *on(OTHER_SERVER, "sagemaker-mlflow:GetRun", "sagemaker-mlflow:CreateRun"),
                    *on(OTHER_SERVER, "sagemaker-mlflow:DeleteRun", "sagemaker:StopMlflowTrackingServer"),
                    *on(OTHER_SERVER, "sagemaker:DescribeMlflowTrackingServer"),
                    *on(OTHER_SERVER, "sagemaker:CreatePresignedMlflowTrackingServerUrl"),
                ),
            ),
            Denied(
                "Use another account's server",
                client,
                on(
                    f"arn:aws:sagemaker:{{region}}:{OTHER_ACCOUNT}:mlflow-tracking-server/{{server}}",
                    "sagemaker-mlflow:GetRun",
                ),
            ),
            Denied(
                "Use another bucket",
                client,
                (
                    *on(OTHER_BUCKET + "/" + DEPLOYED, "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
                    *on(OTHER_BUCKET, "s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"),
                ),
            ),
            Denied(
                "Use another environment's endpoint",
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
                "Change an endpoint with another environment's tag",
                client,
                (
                    Ask("sagemaker:DeleteEndpoint", ALIKE, {"aws:ResourceTag/environment": "other"}),
                    Ask("sagemaker:CreateEndpoint", ALIKE, {"aws:RequestTag/environment": "other"}),
                    Ask("sagemaker:UpdateEndpoint", ALIKE, {"aws:ResourceTag/project": "other"}),
                ),
            ),
            Denied("Untag models elsewhere", client, on(OTHER_SERVER, "sagemaker-mlflow:DeleteModelVersionTag")),
            Denied(
                "Change other alarms",
                client,
                on(ALARMS + ":other-errors", "cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"),
            ),
            Denied(
                "Scale something else",
                client,
                (
                    Ask("application-autoscaling:PutScalingPolicy", SCALED, {SERVICE: "ecs"}),
                    *(
                        Ask(
                            "application-autoscaling:RegisterScalableTarget",
                            SCALED,
                            {SERVICE: "sagemaker", f"aws:ResourceTag/{tag}": "other"},
                        )
                        for tag in ("project", "environment")
                    ),
                    Ask("application-autoscaling:PutScalingPolicy", SCALED_ELSEWHERE, {SERVICE: "sagemaker"}),
                    Ask("application-autoscaling:TagResource", SCALED, {"aws:RequestTag/project": "other"}),
                    Ask(
                        "application-autoscaling:TagResource",
                        SCALED_ELSEWHERE,
                        {"aws:RequestTag/project": "{project}", "aws:RequestTag/environment": "{environment}"},
                    ),
                    *on(OTHER_ENDPOINT, "sagemaker:UpdateEndpointWeightsAndCapacities"),
                    *on(SCALING_ROLE + "_Other", "iam:CreateServiceLinkedRole"),
                ),
            ),
            Denied("Use another log", client, on(f"{LOGS}/aws/lambda/other:log-stream:a", "logs:GetLogEvents")),
            Denied("Call without TLS", client, (Ask("s3:GetObject", OBJECT, NO_TLS),)),
            Denied(
                "Pass a role to another service",
                client,
                (Ask("iam:PassRole", ROLES + "/{endpoint_role}", {"iam:PassedToService": "lambda.amazonaws.com"}),),
            ),
            Denied(
                "Pass another role",
                client,
                (
                    Ask("iam:PassRole", ROLES + "/other", TO_SAGEMAKER),
                    Ask("iam:PassRole", ROLES + "/{server_role}", TO_SAGEMAKER),
                ),
            ),
            Denied(
                "Use the key directly, not through S3",
                client,
                tuple(Ask(action, KEY, DIRECTLY) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
                with_key=True,
            ),
            Denied(
                "Use another key",
                client,
                tuple(Ask(action, OTHER_KEY, THROUGH_S3) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
                with_key=True,
            ),
            Denied(
                "Encrypt with a former key",
                client,
                (Ask("kms:GenerateDataKey", FORMER_KEY, THROUGH_S3),),
                with_key=True,
            ),
        )
    ),
)
