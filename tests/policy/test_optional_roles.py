"""Roles of optional features: a backup in a VPC that writes to another bucket, replication, monitoring, training."""

import json

import pytest

from tests.policy.asking import on
from tests.policy.image_expectations import PUSH
from tests.policy.rendered import Document, rendered
from tests.policy.role_policies import RolePolicy, asked
from tests.policy.scenarios import ACCOUNT, REGION
from tests.terraform.planning import Planner
from tests.terraform.variations import COPY_KEY, DESTINATION_KEY, KEY

SERVER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/churn-dev-3-0"
BUCKET = "arn:aws:s3:::churn-dev-mlflow-artifacts-isolated"
DESTINATION = "arn:aws:s3:::acme-backups"
ARCHIVE = f"{DESTINATION}/mlflow/churn-dev-3-0/files/a"
COPIES = "arn:aws:s3:::acme-copies"
LOG = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/codebuild/churn-dev-mlflow-backup:log-stream:a"
IMAGES = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/churn-dev-serving"
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
SUBNET = f"{EC2}:subnet/subnet-0123456789abcdef0"
INTERFACE = f"{EC2}:network-interface/eni-1"
GROUP = f"{EC2}:security-group/sg-0123456789abcdef0"
RESULTS = f"arn:aws:sns:{REGION}:{ACCOUNT}:results"
MANAGE = (
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
GIVE = "ec2:CreateNetworkInterfacePermission"
TO_CODEBUILD: dict[str, str | None] = {"ec2:AuthorizedService": "codebuild.amazonaws.com", "ec2:Subnet": SUBNET}
THROUGH_S3: dict[str, str | None] = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
THROUGH_S3_ELSEWHERE: dict[str, str | None] = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
SAGEMAKER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
REPOSITORY = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/churn-dev-serving"
JOB = f"{SAGEMAKER}:processing-job/churn-dev-monitor-d32c5kddcf5bb8c3"
JOB_ROLE = f"arn:aws:iam::{ACCOUNT}:role/churn-dev-monitor-role"
JOB_LOG = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/ProcessingJobs:log-stream:a"
TRAINING_ROLE = f"arn:aws:iam::{ACCOUNT}:role/churn-dev-pipeline-role"
TRAINING_JOB = f"{SAGEMAKER}:training-job/pipelines-d32c5kddcf5b-Train-1a2b3c4d5e"
PREPARING_JOB = f"{SAGEMAKER}:processing-job/pipelines-d32c5kddcf5b-Prepare-1a2b3c4d5e"
PIPELINE = f"{SAGEMAKER}:pipeline/churn-dev-iris"
TUNING_JOB = f"{SAGEMAKER}:hyper-parameter-tuning-job/sweep-d32c5kddcf5bb8c3"
TRAINING_LOG = JOB_LOG.replace("ProcessingJobs", "TrainingJobs")
TRAINING_IMAGES = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/training"
TO_SAGEMAKER: dict[str, str | None] = {"iam:PassedToService": "sagemaker.amazonaws.com"}
JOB_VERBS = ("Create", "Describe", "Stop")
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
WRITE_LOG = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
RUN_PIPELINE = (
    "sagemaker:AddTags",
    "sagemaker:CreatePipeline",
    "sagemaker:DescribePipeline",
    "sagemaker:StartPipelineExecution",
    "sagemaker:UpdatePipeline",
)
FOLLOW_PIPELINE = (
    "sagemaker:DescribePipelineExecution",
    "sagemaker:ListPipelineExecutionSteps",
    "sagemaker:ListPipelineExecutions",
    "sagemaker:StopPipelineExecution",
)
RUN_TUNING = (
    "sagemaker:AddTags",
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:DescribeHyperParameterTuningJob",
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
    "sagemaker:StopHyperParameterTuningJob",
)
FAILURES = f"arn:aws:sqs:{REGION}:{ACCOUNT}:churn-dev-monitor-failures"
# https://docs.aws.amazon.com/codebuild/latest/userguide/auth-and-access-control-iam-identity-based-access-control.html
ATTACH = (
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)


POLICIES = (
    RolePolicy(
        "role churn-dev-endpoint-role/EndpointOptions",
        # https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
        needed=(
            *on(SUBNET, "ec2:CreateNetworkInterface"),
            *on(f"{SUBNET[:-1]}1", "ec2:CreateNetworkInterface"),
            *on(GROUP, "ec2:CreateNetworkInterface"),
            *on(INTERFACE, "ec2:CreateNetworkInterface"),
            *asked({"ec2:Subnet": SUBNET}, INTERFACE, *MANAGE),
            *asked({"ec2:Subnet": f"{SUBNET[:-1]}1"}, INTERFACE, *MANAGE),
            *on(
                "*",
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcEndpoints",
                "ec2:DescribeVpcs",
            ),
            *on(RESULTS, "sns:Publish"),
        ),
        refused=(
            *on(f"{SUBNET}-other", "ec2:CreateNetworkInterface"),
            *on(f"{GROUP}-other", "ec2:CreateNetworkInterface"),
            *on(INTERFACE.replace(ACCOUNT, "210987654321"), "ec2:CreateNetworkInterface"),
            *asked({"ec2:Subnet": f"{SUBNET}-other"}, INTERFACE, *MANAGE),
            *asked({"ec2:Subnet": SUBNET}, INTERFACE.replace(ACCOUNT, "210987654321"), *MANAGE),
            *on(f"{RESULTS}-other", "sns:Publish"),
        ),
    ),
    RolePolicy(
        "role churn-dev-mlflow-backup-role/MLflowBackup",
        needed=(
            *on(
                SERVER,
                "sagemaker-mlflow:GetMetricHistory",
                "sagemaker-mlflow:GetRun",
                "sagemaker-mlflow:SearchExperiments",
                "sagemaker-mlflow:SearchLoggedModels",
                "sagemaker-mlflow:SearchModelVersions",
                "sagemaker-mlflow:SearchRegisteredModels",
                "sagemaker-mlflow:SearchRuns",
                "sagemaker-mlflow:SearchTraces",
                "sagemaker:DescribeMlflowTrackingServer",
            ),
            *on(BUCKET, "s3:GetBucketLocation", "s3:ListBucket"),
            *on(f"{BUCKET}/1/a", "s3:GetObject"),
            *on(f"{BUCKET}/backups/tool/tool.json.gz", "s3:GetObjectVersion"),
            *on(ARCHIVE, "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
            *on(DESTINATION, "s3:GetBucketLocation"),
            *asked({"s3:prefix": "mlflow/churn-dev-3-0/files/"}, DESTINATION, "s3:ListBucket"),
            *on(LOG, "logs:CreateLogStream", "logs:PutLogEvents"),
            *on("*", *ATTACH),
            *asked(TO_CODEBUILD, INTERFACE, GIVE),
            *asked(THROUGH_S3, KEY, "kms:Decrypt"),
            *asked(THROUGH_S3, DESTINATION_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
        ),
        refused=(
            *on(f"{SERVER}-other", "sagemaker-mlflow:GetRun"),
            *on(f"{BUCKET}/1/a", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectVersion"),
            *on(f"{BUCKET}/backups/churn-dev-3-0/a", "s3:PutObject"),
            *on(f"{BUCKET}-other", "s3:GetBucketLocation", "s3:ListBucket"),
            *on(f"{BUCKET}-other/1/a", "s3:GetObject"),
            *on(f"{DESTINATION}/mlflow/other/a", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
            *on(ARCHIVE, "s3:DeleteObjectVersion"),
            *on(DESTINATION, "s3:ListBucket"),
            *asked({"s3:prefix": "payroll/"}, DESTINATION, "s3:ListBucket"),
            *on(f"{DESTINATION}-other", "s3:GetBucketLocation"),
            *asked({"s3:prefix": "mlflow/churn-dev-3-0/"}, f"{DESTINATION}-other", "s3:ListBucket"),
            *on(LOG.replace("churn-dev", "other"), "logs:PutLogEvents"),
            *asked(TO_CODEBUILD | {"ec2:AuthorizedService": "lambda.amazonaws.com"}, INTERFACE, GIVE),
            *asked(TO_CODEBUILD | {"ec2:Subnet": f"{SUBNET}-other"}, INTERFACE, GIVE),
            *asked(TO_CODEBUILD, INTERFACE.replace(ACCOUNT, "210987654321"), GIVE),
            *on(KEY, "kms:Decrypt"),
            *asked(THROUGH_S3, KEY, "kms:GenerateDataKey"),
            *on(DESTINATION_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
            *asked(THROUGH_S3, COPY_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
        ),
    ),
    RolePolicy(
        "role churn-dev-image-builder/BuildImages",
        needed=(
            *on("*", "ecr:GetAuthorizationToken", *ATTACH),
            *on(IMAGES, *PUSH),
            *on(f"{BUCKET}/images/a.zip", "s3:GetObject", "s3:GetObjectVersion"),
            *on(BUCKET, "s3:GetBucketLocation"),
            *on(LOG.replace("-mlflow-backup:", "-serving-image:"), "logs:CreateLogStream", "logs:PutLogEvents"),
            *asked(TO_CODEBUILD, INTERFACE, GIVE),
            *asked(THROUGH_S3, KEY, "kms:Decrypt"),
        ),
        refused=(
            *on(f"{IMAGES}-other", *PUSH),
            *on(f"{BUCKET}/1/a", "s3:GetObject", "s3:GetObjectVersion"),
            *on(f"{BUCKET}-other", "s3:GetBucketLocation"),
            *on(LOG, "logs:CreateLogStream", "logs:PutLogEvents"),
            *asked(TO_CODEBUILD | {"ec2:AuthorizedService": "lambda.amazonaws.com"}, INTERFACE, GIVE),
            *asked(TO_CODEBUILD | {"ec2:Subnet": f"{SUBNET}-other"}, INTERFACE, GIVE),
            *asked(TO_CODEBUILD, INTERFACE.replace(ACCOUNT, "210987654321"), GIVE),
            *on(KEY, "kms:Decrypt"),
            *asked(THROUGH_S3, COPY_KEY, "kms:Decrypt"),
        ),
    ),
    RolePolicy(
        "role churn-dev-mlflow-replication-role/ReplicateArtifacts",
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-requirements.html
        needed=(
            *on(BUCKET, "s3:GetReplicationConfiguration", "s3:ListBucket"),
            *on(
                f"{BUCKET}/1/a",
                "s3:GetObjectLegalHold",
                "s3:GetObjectRetention",
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionTagging",
            ),
            *on(f"{COPIES}/1/a", "s3:ObjectOwnerOverrideToBucketOwner", "s3:ReplicateObject", "s3:ReplicateTags"),
            *asked(THROUGH_S3, KEY, "kms:Decrypt"),
            *asked(THROUGH_S3_ELSEWHERE, COPY_KEY, "kms:Encrypt", "kms:GenerateDataKey"),
        ),
        refused=(
            *on(f"{BUCKET}/1/a", "s3:GetObject", "s3:PutObject", "s3:DeleteObjectVersion"),
            *on(f"{COPIES}/1/a", "s3:GetObject", "s3:ReplicateDelete"),
            *on(f"{BUCKET}-other", "s3:ListBucket", "s3:GetReplicationConfiguration"),
            *on(f"{BUCKET}-other/1/a", "s3:GetObjectVersionForReplication"),
            *on(f"{COPIES}-other/1/a", "s3:ReplicateObject"),
            *on(KEY, "kms:Decrypt"),
            *asked(THROUGH_S3, DESTINATION_KEY, "kms:Decrypt"),
            *on(COPY_KEY, "kms:Encrypt"),
            *asked(THROUGH_S3_ELSEWHERE, DESTINATION_KEY, "kms:Encrypt"),
        ),
    ),
    RolePolicy(
        "role churn-dev-monitor-role/MLflowMonitoring",
        # https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createprocessingjob-perms
        needed=(
            *on("*", "ecr:GetAuthorizationToken", "sagemaker:ListEndpoints"),
            *on(REPOSITORY, "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
            *on(f"{SAGEMAKER}:endpoint/churn-dev-iris", "sagemaker:DescribeEndpoint", "sagemaker:ListTags"),
            *on(f"{SAGEMAKER}:endpoint-config/churn-dev-iris-1", "sagemaker:DescribeEndpointConfig"),
            *on(f"{SAGEMAKER}:model/churn-dev-iris-1", "sagemaker:DescribeModel", "sagemaker:ListTags"),
            *on(
                SERVER,
                "sagemaker-mlflow:GetRun",
                "sagemaker-mlflow:ListArtifacts",
                "sagemaker-mlflow:LogBatch",
                "sagemaker-mlflow:SearchLoggedModels",
                "sagemaker:DescribeMlflowTrackingServer",
            ),
            *on(BUCKET, "s3:GetBucketLocation", "s3:ListBucket"),
            *on(f"{BUCKET}/1/run/artifacts/evaluation/training.csv", "s3:GetObject"),
            *on(f"{BUCKET}/backups/monitoring-tool/run.py", "s3:GetObject"),
            *on(f"{BUCKET}/monitoring/churn-dev-iris/status.json", "s3:AbortMultipartUpload", "s3:PutObject"),
            *on(f"{BUCKET}/1/run/artifacts/monitoring/e/v/report.html", "s3:AbortMultipartUpload", "s3:PutObject"),
            *asked({"cloudwatch:namespace": "MLflowPlatform/Monitoring"}, "*", "cloudwatch:PutMetricData"),
            *on(
                JOB_LOG,
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ),
            *asked(THROUGH_S3, KEY, "kms:Decrypt", "kms:GenerateDataKey"),
        ),
        refused=(
            *on(REPOSITORY.replace("churn", "other"), "ecr:BatchGetImage"),
            *on(REPOSITORY, "ecr:PutImage"),
            *on(f"{SAGEMAKER}:endpoint/other-dev-iris", "sagemaker:DescribeEndpoint"),
            *on(f"{SAGEMAKER}:endpoint-config/other-dev-iris", "sagemaker:DescribeEndpointConfig"),
            *on(f"{SAGEMAKER}:model/other-dev-iris", "sagemaker:DescribeModel"),
            *on(f"{SAGEMAKER}:endpoint/churn-dev-iris", "sagemaker:InvokeEndpoint", "sagemaker:DeleteEndpoint"),
            *on(f"{SERVER}-other", "sagemaker-mlflow:GetRun", "sagemaker-mlflow:LogBatch"),
            *on(SERVER, "sagemaker-mlflow:DeleteRun"),
            *on(f"{BUCKET}-other", "s3:ListBucket", "s3:GetBucketLocation"),
            *on(f"{BUCKET}-other/1/a", "s3:GetObject"),
            *on(f"{BUCKET}/backups/churn-dev-3-0/a", "s3:GetObject", "s3:PutObject"),
            *on(f"{BUCKET}/backups/monitoring-tool/run.py", "s3:PutObject"),
            *on(f"{BUCKET}/1/run/artifacts/model/MLmodel", "s3:PutObject"),
            *on(f"{BUCKET}-other/monitoring/a", "s3:PutObject"),
            *on(f"{BUCKET}/monitoring/a", "s3:DeleteObject"),
            *on("*", "cloudwatch:PutMetricData"),
            *asked({"cloudwatch:namespace": "AWS/SageMaker"}, "*", "cloudwatch:PutMetricData"),
            *on(JOB_LOG.replace("ProcessingJobs", "TrainingJobs"), "logs:PutLogEvents"),
            *on(KEY, "kms:Decrypt", "kms:GenerateDataKey"),
            *asked(THROUGH_S3, COPY_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
        ),
    ),
    RolePolicy(
        "role churn-dev-monitor-schedule-role/CreateMonitoringJobs",
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
        needed=(
            *on(JOB, "sagemaker:AddTags", "sagemaker:CreateProcessingJob"),
            *asked({"iam:PassedToService": "sagemaker.amazonaws.com"}, JOB_ROLE, "iam:PassRole"),
            *on(FAILURES, "sqs:SendMessage"),
        ),
        refused=(
            *on(JOB.replace("-monitor-", "-other-"), "sagemaker:CreateProcessingJob", "sagemaker:AddTags"),
            *on(JOB_ROLE, "iam:PassRole"),
            *asked({"iam:PassedToService": "ec2.amazonaws.com"}, JOB_ROLE, "iam:PassRole"),
            *asked({"iam:PassedToService": "sagemaker.amazonaws.com"}, f"{JOB_ROLE}-other", "iam:PassRole"),
            *on(f"{FAILURES}-other", "sqs:SendMessage"),
        ),
    ),
    RolePolicy(
        "role churn-dev-pipeline-role/RunTrainingJobs",
        # https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-access.html
        needed=(
            *on(TRAINING_JOB, "sagemaker:AddTags", *(f"sagemaker:{verb}TrainingJob" for verb in JOB_VERBS)),
            *on(PREPARING_JOB, "sagemaker:AddTags", *(f"sagemaker:{verb}ProcessingJob" for verb in JOB_VERBS)),
            *asked(TO_SAGEMAKER, TRAINING_ROLE, "iam:PassRole"),
            *on("*", "ecr:GetAuthorizationToken"),
            *on(TRAINING_IMAGES, *PULL),
            *on(BUCKET, "s3:GetBucketLocation", "s3:ListBucket"),
            *on(f"{BUCKET}/pipelines/churn-dev-iris/code/1a2b/job.py", "s3:GetObject"),
            *on(f"{BUCKET}/pipelines/churn-dev-iris/executions/a", "s3:AbortMultipartUpload", "s3:PutObject"),
            *on(f"{BUCKET}/1/models/m-1/artifacts/MLmodel", "s3:GetObject", "s3:PutObject"),
            *on(JOB_LOG, *WRITE_LOG),
            *on(TRAINING_LOG, *WRITE_LOG),
            *asked(THROUGH_S3, KEY, "kms:Decrypt", "kms:GenerateDataKey"),
        ),
        refused=(
            *on(
                TRAINING_JOB.replace("pipelines-", "other-"), "sagemaker:CreateTrainingJob", "sagemaker:StopTrainingJob"
            ),
            *on(PREPARING_JOB.replace("pipelines-", "other-"), "sagemaker:CreateProcessingJob", "sagemaker:AddTags"),
            *on(TRAINING_ROLE, "iam:PassRole"),
            *asked({"iam:PassedToService": "ec2.amazonaws.com"}, TRAINING_ROLE, "iam:PassRole"),
            *asked(TO_SAGEMAKER, f"{TRAINING_ROLE}-other", "iam:PassRole"),
            *on(REPOSITORY, *PULL),
            *on(TRAINING_IMAGES, "ecr:PutImage"),
            *on(f"{BUCKET}-other", "s3:ListBucket", "s3:GetBucketLocation"),
            *on(f"{BUCKET}-other/1/a", "s3:GetObject", "s3:PutObject"),
            *on(f"{BUCKET}/1/a", "s3:DeleteObject"),
            *on(f"{BUCKET}/backups/churn-dev-3-0/a", "s3:GetObject", "s3:PutObject"),
            *on(f"{BUCKET}/endpoints/churn-dev-iris/a", "s3:PutObject"),
            *on(f"{BUCKET}/images/a.zip", "s3:PutObject"),
            *on(f"{BUCKET}/pipelines/churn-dev-iris/code/1a2b/job.py", "s3:PutObject"),
            *on(f"{SAGEMAKER}:endpoint/churn-dev-iris", "sagemaker:UpdateEndpoint"),
            *on(JOB_LOG.replace("ProcessingJobs", "Endpoints/a"), "logs:PutLogEvents"),
            *on(KEY, "kms:Decrypt", "kms:GenerateDataKey"),
            *asked(THROUGH_S3, COPY_KEY, "kms:Decrypt", "kms:GenerateDataKey"),
        ),
    ),
    RolePolicy(
        "policy churn-dev-pipeline-runner",
        needed=(
            *on(PIPELINE, *RUN_PIPELINE, "sagemaker:ListPipelineExecutions"),
            *on(f"{PIPELINE}/execution/abcdefghijkl", *FOLLOW_PIPELINE),
            *on(TUNING_JOB, *RUN_TUNING),
            *on(PREPARING_JOB, "sagemaker:DescribeProcessingJob"),
            *on(JOB_LOG, "logs:DescribeLogStreams", "logs:GetLogEvents"),
            *on(TRAINING_LOG, "logs:DescribeLogStreams", "logs:GetLogEvents"),
            *asked(TO_SAGEMAKER, TRAINING_ROLE, "iam:PassRole"),
            *on(BUCKET, "s3:ListBucket"),
            *on(f"{BUCKET}/pipelines/churn-dev-iris/code/1a2b/job.py", "s3:PutObject"),
            *asked(THROUGH_S3, KEY, "kms:GenerateDataKey"),
        ),
        refused=(
            *on(PIPELINE.replace("churn", "other"), *RUN_PIPELINE, *FOLLOW_PIPELINE),
            *on(PIPELINE, "sagemaker:DeletePipeline"),
            *on(TUNING_JOB.replace("sweep-", "other-"), *RUN_TUNING),
            *on(TUNING_JOB, "sagemaker:DeleteHyperParameterTuningJob"),
            *on(PREPARING_JOB.replace("pipelines-", "other-"), "sagemaker:DescribeProcessingJob"),
            *on(PREPARING_JOB, "sagemaker:CreateProcessingJob"),
            *on(JOB_LOG.replace("ProcessingJobs", "Endpoints/a"), "logs:GetLogEvents", "logs:DescribeLogStreams"),
            *on(TRAINING_ROLE, "iam:PassRole"),
            *asked({"iam:PassedToService": "ec2.amazonaws.com"}, TRAINING_ROLE, "iam:PassRole"),
            *asked(TO_SAGEMAKER, f"{TRAINING_ROLE}-other", "iam:PassRole"),
            *on(f"{BUCKET}-other", "s3:ListBucket"),
            *on(f"{BUCKET}/1/a", "s3:PutObject"),
            *on(f"{BUCKET}-other/pipelines/a", "s3:PutObject"),
            *on(KEY, "kms:GenerateDataKey"),
            *asked(THROUGH_S3, COPY_KEY, "kms:GenerateDataKey"),
        ),
    ),
)


@pytest.fixture(scope="module")
def documents(planner: Planner) -> dict[str, Document]:
    return rendered(planner.plan("isolated"), account=ACCOUNT, region=REGION).documents()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name.rpartition("/")[2])
def test_the_role_may_do_what_its_feature_needs_and_nothing_else(
    policy: RolePolicy, documents: dict[str, Document]
) -> None:
    assert list(policy.wrong(documents[policy.name])) == []


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name.rpartition("/")[2])
def test_no_part_of_the_policy_can_be_removed_or_widened_unnoticed(
    policy: RolePolicy, documents: dict[str, Document]
) -> None:
    assert policy.unnoticed(documents[policy.name]) == []


def test_replication_is_assumed_by_s3_for_this_bucket_only(documents: dict[str, Document]) -> None:
    [statement] = documents["role churn-dev-mlflow-replication-role/trust"]["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnEquals": {"aws:SourceArn": BUCKET},
    }


def test_the_printed_bucket_policy_allows_the_job_only_its_archive(planner: Planner) -> None:
    document = json.loads(planner.plan("isolated")["output_changes"]["backup_destination_policy"]["after"])
    assert {statement["Condition"]["ArnEquals"]["aws:PrincipalArn"] for statement in document["Statement"]} == {
        f"arn:aws:iam::{ACCOUNT}:role/churn-dev-mlflow-backup-role"
    }
    assert {statement["Resource"] for statement in document["Statement"]} == {
        DESTINATION,
        f"{DESTINATION}/mlflow/churn-dev-3-0/*",
    }


@pytest.mark.parametrize(
    ("role", "service", "source"),
    [
        ("monitor-role", "sagemaker.amazonaws.com", f"{SAGEMAKER}:*"),
        ("pipeline-role", "sagemaker.amazonaws.com", f"{SAGEMAKER}:*"),
        (
            "monitor-schedule-role",
            "scheduler.amazonaws.com",
            f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/default",
        ),
    ],
)
def test_roles_of_jobs_and_schedules_are_assumed_by_one_service_for_one_source(
    role: str, service: str, source: str, documents: dict[str, Document]
) -> None:
    [statement] = documents[f"role churn-dev-{role}/trust"]["Statement"]
    assert statement["Principal"] == {"Service": service}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": source},
    }


def test_reader_accounts_only_read_the_group_and_its_packages(documents: dict[str, Document]) -> None:
    sagemaker = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
    group, packages = documents[f"resource {sagemaker}:model-package-group/churn-dev-iris"]["Statement"]
    for statement, resource, read in (
        (group, f"{sagemaker}:model-package-group/churn-dev-iris", "sagemaker:DescribeModelPackageGroup"),
        (packages, f"{sagemaker}:model-package/churn-dev-iris/*", "sagemaker:DescribeModelPackage"),
    ):
        assert statement["Principal"] == {"AWS": "arn:aws:iam::210987654321:root"}
        assert (statement["Effect"], statement["Resource"]) == ("Allow", resource)
        assert sorted(statement["Action"]) == [read, "sagemaker:ListModelPackages"]
