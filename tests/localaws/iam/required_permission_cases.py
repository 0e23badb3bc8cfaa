"""Calls with the permissions that they require."""

from typing import Any

US = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{US}:key/k"
KEY_ID = "12345678-1234-1234-1234-123456789012"
SM = f"arn:aws:sagemaker:us-east-1:{US}"
ROLE = f"arn:aws:iam::{US}:role/job"
FILE = {"Bucket": "data", "Key": "a/b"}
BOUNDARY = f"arn:aws:iam::{US}:policy/boundary"
TAGS = [{"Key": "project", "Value": "mlflow"}]
TRUST = '{"Version": "2012-10-17", "Statement": []}'


S3 = "arn:aws:s3:::data"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{US}:trail"
CASES: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
    ("s3", "create_bucket", {"Bucket": "data"}, [("s3:CreateBucket", S3)]),
    (
        "s3",
        "create_bucket",
        {"Bucket": "data", "CreateBucketConfiguration": {"Tags": [{"Key": "a", "Value": "b"}]}},
        [("s3:CreateBucket", S3), ("s3:TagResource", S3)],
    ),
    ("s3", "head_bucket", {"Bucket": "data"}, [("s3:ListBucket", S3)]),
    ("s3", "list_objects_v2", {"Bucket": "data"}, [("s3:ListBucket", S3)]),
    ("s3", "list_object_versions", {"Bucket": "data"}, [("s3:ListBucketVersions", S3)]),
    ("s3", "list_multipart_uploads", {"Bucket": "data"}, [("s3:ListBucketMultipartUploads", S3)]),
    ("s3", "get_bucket_location", {"Bucket": "data"}, [("s3:GetBucketLocation", S3)]),
    ("s3", "get_bucket_encryption", {"Bucket": "data"}, [("s3:GetEncryptionConfiguration", S3)]),
    ("s3", "get_public_access_block", {"Bucket": "data"}, [("s3:GetBucketPublicAccessBlock", S3)]),
    ("s3", "get_bucket_policy", {"Bucket": "data"}, [("s3:GetBucketPolicy", S3)]),
    ("s3", "get_object", FILE, [("s3:GetObject", f"{S3}/a/b")]),
    ("s3", "get_object", FILE | {"VersionId": "v"}, [("s3:GetObjectVersion", f"{S3}/a/b")]),
    ("s3", "head_object", FILE, [("s3:GetObject", f"{S3}/a/b")]),
    ("s3", "get_object", FILE | {"Key": "no"}, [("s3:GetObject", f"{S3}/no"), ("s3:ListBucket", S3)]),
    ("s3", "put_object", FILE, [("s3:PutObject", f"{S3}/a/b")]),
    (
        "s3",
        "put_object",
        FILE | {"Tagging": "a=b", "ACL": "private"},
        [("s3:PutObject", f"{S3}/a/b"), ("s3:PutObjectAcl", f"{S3}/a/b"), ("s3:PutObjectTagging", f"{S3}/a/b")],
    ),
    (
        "s3",
        "copy_object",
        {"Bucket": "data", "Key": "c", "CopySource": "other/x y?versionId=1"},
        [("s3:PutObject", f"{S3}/c"), ("s3:GetObjectVersion", "arn:aws:s3:::other/x y")],
    ),
    ("s3", "create_multipart_upload", FILE, [("s3:PutObject", f"{S3}/a/b")]),
    ("s3", "upload_part", FILE | {"UploadId": "u", "PartNumber": 1}, [("s3:PutObject", f"{S3}/a/b")]),
    ("s3", "complete_multipart_upload", FILE | {"UploadId": "u"}, [("s3:PutObject", f"{S3}/a/b")]),
    ("s3", "abort_multipart_upload", FILE | {"UploadId": "u"}, [("s3:AbortMultipartUpload", f"{S3}/a/b")]),
    ("s3", "list_parts", FILE | {"UploadId": "u"}, [("s3:ListMultipartUploadParts", f"{S3}/a/b")]),
    ("s3", "delete_object", FILE, [("s3:DeleteObject", f"{S3}/a/b")]),
    ("s3", "delete_object", FILE | {"VersionId": "v"}, [("s3:DeleteObjectVersion", f"{S3}/a/b")]),
    (
        "s3",
        "delete_objects",
        {"Bucket": "data", "Delete": {"Objects": [{"Key": "a&b"}, {"Key": "c", "VersionId": "v"}]}},
        [("s3:DeleteObject", f"{S3}/a&b"), ("s3:DeleteObjectVersion", f"{S3}/c")],
    ),
    (
        "s3",
        "delete_object",
        FILE | {"VersionId": "v", "BypassGovernanceRetention": True},
        [("s3:DeleteObjectVersion", f"{S3}/a/b"), ("s3:BypassGovernanceRetention", f"{S3}/a/b")],
    ),
    (
        "s3",
        "put_object",
        FILE | {"GrantRead": "id=1", "GrantFullControl": "id=2"},
        [("s3:PutObject", f"{S3}/a/b"), ("s3:PutObjectAcl", f"{S3}/a/b")],
    ),
    (
        "s3",
        "put_bucket_replication",
        {"Bucket": "data", "ReplicationConfiguration": {"Role": ROLE, "Rules": []}},
        [("s3:PutReplicationConfiguration", S3), ("iam:PassRole", ROLE)],
    ),
    ("sts", "get_caller_identity", {}, []),
    (
        "sts",
        "assume_role",
        {"RoleArn": ROLE, "RoleSessionName": "now"},
        [("sts:AssumeRole", ROLE)],
    ),
    ("iam", "get_role", {"RoleName": "job"}, [("iam:GetRole", ROLE)]),
    (
        "iam",
        "create_role",
        {"RoleName": "job", "AssumeRolePolicyDocument": TRUST, "Tags": TAGS},
        [("iam:CreateRole", ROLE), ("iam:TagRole", ROLE)],
    ),
    (
        "iam",
        "attach_role_policy",
        {"RoleName": "job", "PolicyArn": f"arn:aws:iam::{US}:policy/writer"},
        [("iam:AttachRolePolicy", ROLE)],
    ),
    (
        "iam",
        "add_user_to_group",
        {"UserName": "own", "GroupName": "admins"},
        [("iam:AddUserToGroup", f"arn:aws:iam::{US}:group/admins")],
    ),
    (
        "iam",
        "remove_role_from_instance_profile",
        {"RoleName": "job", "InstanceProfileName": "other"},
        [("iam:RemoveRoleFromInstanceProfile", f"arn:aws:iam::{US}:instance-profile/other")],
    ),
    (
        "iam",
        "add_role_to_instance_profile",
        {"RoleName": "job", "InstanceProfileName": "own"},
        [
            ("iam:AddRoleToInstanceProfile", f"arn:aws:iam::{US}:instance-profile/own"),
            ("iam:PassRole", ROLE),
        ],
    ),
    ("iam", "get_role", {"RoleName": "filed"}, [("iam:GetRole", f"arn:aws:iam::{US}:role/team/filed")]),
    (
        "iam",
        "create_user",
        {"UserName": "new", "Path": "/team/"},
        [("iam:CreateUser", f"arn:aws:iam::{US}:user/team/new")],
    ),
    (
        "iam",
        "create_policy",
        {"PolicyName": "new", "PolicyDocument": TRUST, "Path": "/team/"},
        [("iam:CreatePolicy", f"arn:aws:iam::{US}:policy/team/new")],
    ),
    (
        "sts",
        "assume_role",
        {"RoleArn": ROLE, "RoleSessionName": "now", "Tags": TAGS, "SourceIdentity": "me"},
        [("sts:AssumeRole", ROLE), ("sts:TagSession", ROLE), ("sts:SetSourceIdentity", ROLE)],
    ),
    (
        "iam",
        "create_policy",
        {"PolicyName": "writer", "PolicyDocument": TRUST},
        [("iam:CreatePolicy", f"arn:aws:iam::{US}:policy/writer")],
    ),
    ("kms", "describe_key", {"KeyId": "k"}, [("kms:DescribeKey", KEY)]),
    (
        "kms",
        "create_alias",
        {"AliasName": "alias/a", "TargetKeyId": "k"},
        [("kms:CreateAlias", KEY), ("kms:CreateAlias", f"arn:aws:kms:us-east-1:{US}:alias/a")],
    ),
    ("kms", "decrypt", {"CiphertextBlob": KEY_ID.encode() + b"moto"}, [("kms:Decrypt", KEY[:-1] + KEY_ID)]),
    (
        "kms",
        "decrypt",
        {"CiphertextBlob": KEY_ID.encode() + b"moto", "KeyId": "k"},
        [("kms:Decrypt", KEY), ("kms:Decrypt", KEY[:-1] + KEY_ID)],
    ),
    (
        "kms",
        "re_encrypt",
        {"CiphertextBlob": KEY_ID.encode() + b"moto", "DestinationKeyId": "k"},
        [("kms:ReEncryptTo", KEY), ("kms:ReEncryptFrom", KEY[:-1] + KEY_ID)],
    ),
    (
        "kms",
        "delete_alias",
        {"AliasName": "alias/known"},
        [("kms:DeleteAlias", KEY), ("kms:DeleteAlias", f"arn:aws:kms:us-east-1:{US}:alias/known")],
    ),
    ("ecr", "get_authorization_token", {}, [("ecr:GetAuthorizationToken", "*")]),
    (
        "codebuild",
        "batch_get_builds",
        {"ids": ["a:1f", "b:2f"]},
        [
            ("codebuild:BatchGetBuilds", f"arn:aws:codebuild:us-east-1:{US}:project/a"),
            ("codebuild:BatchGetBuilds", f"arn:aws:codebuild:us-east-1:{US}:project/b"),
        ],
    ),
    (
        "codebuild",
        "stop_build",
        {"id": "a:1f"},
        [("codebuild:StopBuild", f"arn:aws:codebuild:us-east-1:{US}:project/a")],
    ),
    (
        "codebuild",
        "start_build",
        {"projectName": "a", "serviceRoleOverride": ROLE},
        [("codebuild:StartBuild", f"arn:aws:codebuild:us-east-1:{US}:project/a"), ("iam:PassRole", ROLE)],
    ),
    (
        "cloudtrail",
        "create_trail",
        {"Name": "t", "S3BucketName": "data", "CloudWatchLogsRoleArn": ROLE},
        [("cloudtrail:CreateTrail", f"{TRAIL}/t"), ("iam:PassRole", ROLE)],
    ),
    (
        "events",
        "put_rule",
        {"Name": "r", "EventBusName": "own", "ScheduleExpression": "rate(1 day)", "Tags": TAGS},
        [
            ("events:PutRule", f"arn:aws:events:us-east-1:{US}:rule/own/r"),
            ("events:TagResource", f"arn:aws:events:us-east-1:{US}:rule/own/r"),
        ],
    ),
    (
        "events",
        "put_targets",
        {"Rule": "r", "EventBusName": "default", "Targets": [{"Id": "1", "Arn": "arn:aws:sqs", "RoleArn": ROLE}]},
        [("events:PutTargets", f"arn:aws:events:us-east-1:{US}:rule/r"), ("iam:PassRole", ROLE)],
    ),
    (
        "events",
        "put_events",
        {"Entries": [{"Source": "a", "EventBusName": "own"}, {"Source": "b"}]},
        [("events:PutEvents", f"arn:aws:events:us-east-1:{US}:event-bus/{name}") for name in ("own", "default")],
    ),
    (
        "cloudwatch",
        "put_metric_alarm",
        {"AlarmName": "a", "EvaluationPeriods": 1, "ComparisonOperator": "LessThanThreshold", "Tags": TAGS},
        [
            ("cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:us-east-1:{US}:alarm:a"),
            ("cloudwatch:TagResource", f"arn:aws:cloudwatch:us-east-1:{US}:alarm:a"),
        ],
    ),
    (
        "ssm",
        "put_parameter",
        {"Name": "/mlflow/a", "Value": "b", "Tags": TAGS},
        [
            ("ssm:PutParameter", f"arn:aws:ssm:us-east-1:{US}:parameter/mlflow/a"),
            ("ssm:AddTagsToResource", f"arn:aws:ssm:us-east-1:{US}:parameter/mlflow/a"),
        ],
    ),
    (
        "codebuild",
        "batch_get_projects",
        {"names": ["a"]},
        [("codebuild:BatchGetProjects", f"arn:aws:codebuild:us-east-1:{US}:project/a")],
    ),
    (
        "ecr",
        "batch_get_image",
        {"repositoryName": "serving", "imageIds": [{"imageTag": "1"}]},
        [("ecr:BatchGetImage", f"arn:aws:ecr:us-east-1:{US}:repository/serving")],
    ),
    (
        "logs",
        "put_log_events",
        {"logGroupName": "/aws/x", "logStreamName": "v/i", "logEvents": [{"timestamp": 1, "message": "m"}]},
        [("logs:PutLogEvents", f"arn:aws:logs:us-east-1:{US}:log-group:/aws/x:log-stream:v/i")],
    ),
    (
        "logs",
        "describe_log_streams",
        {"logGroupName": "/aws/x"},
        [("logs:DescribeLogStreams", f"arn:aws:logs:us-east-1:{US}:log-group:/aws/x:log-stream:")],
    ),
    (
        "logs",
        "filter_log_events",
        {"logGroupIdentifier": f"arn:aws:logs:us-east-1:{US}:log-group:/aws/x"},
        [("logs:FilterLogEvents", f"arn:aws:logs:us-east-1:{US}:log-group:/aws/x:log-stream:")],
    ),
    (
        "logs",
        "start_query",
        {"logGroupNames": ["/aws/x", "/aws/y"], "startTime": 1, "endTime": 2, "queryString": "fields @message"},
        [("logs:StartQuery", f"arn:aws:logs:us-east-1:{US}:log-group:/aws/{name}:log-stream:") for name in "xy"],
    ),
    (
        "ssm",
        "get_parameters",
        {"Names": ["/mlflow/a", "/mlflow/b"]},
        [("ssm:GetParameters", f"arn:aws:ssm:us-east-1:{US}:parameter/mlflow/{name}") for name in "ab"],
    ),
    (
        "lambda",
        "create_function",
        {"FunctionName": "f", "Role": ROLE, "Code": {"ZipFile": b"zip"}, "Tags": {"project": "mlflow"}},
        [
            ("lambda:CreateFunction", f"arn:aws:lambda:us-east-1:{US}:function:f"),
            ("lambda:TagResource", f"arn:aws:lambda:us-east-1:{US}:function:f"),
            ("iam:PassRole", ROLE),
        ],
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": f"arn:aws:lambda:us-east-1:{US}:function:f"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{US}:function:f")],
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": f"{US}:function:f", "Qualifier": "1"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{US}:function:f:1")],
    ),
    (
        "sagemaker",
        "list_pipeline_versions",
        {"PipelineName": "p"},
        [("sagemaker:ListPipelineVersions", f"{SM}:pipeline/p")],
    ),
    (
        "sagemaker",
        "update_pipeline_version",
        {"PipelineArn": f"{SM}:pipeline/p", "PipelineVersionId": 1},
        [("sagemaker:UpdatePipelineVersion", f"{SM}:pipeline/p")],
    ),
    ("sagemaker", "list_models", {}, [("sagemaker:ListModels", "*")]),
    (
        "sagemaker",
        "list_pipeline_executions",
        {"PipelineName": "p"},
        [("sagemaker:ListPipelineExecutions", f"{SM}:pipeline/p")],
    ),
    (
        "sagemaker",
        "list_pipeline_execution_steps",
        {"PipelineExecutionArn": f"{SM}:pipeline/p/execution/abcdefghijkl"},
        [("sagemaker:ListPipelineExecutionSteps", f"{SM}:pipeline/p/execution/abcdefghijkl")],
    ),
    (
        "cloudtrail",
        "create_trail",
        {"Name": "t-1", "S3BucketName": "logs", "TagsList": TAGS},
        [("cloudtrail:CreateTrail", f"{TRAIL}/t-1"), ("cloudtrail:AddTags", f"{TRAIL}/t-1")],
    ),
    (
        "cloudtrail",
        "put_event_selectors",
        {"TrailName": f"{TRAIL}/t-1", "AdvancedEventSelectors": []},
        [("cloudtrail:PutEventSelectors", f"{TRAIL}/t-1")],
    ),
    ("cloudtrail", "list_tags", {"ResourceIdList": [f"{TRAIL}/t-1"]}, [("cloudtrail:ListTags", f"{TRAIL}/t-1")]),
    ("sagemaker", "describe_endpoint", {"EndpointName": "e"}, [("sagemaker:DescribeEndpoint", f"{SM}:endpoint/e")]),
    (
        "sagemaker",
        "create_endpoint",
        {"EndpointName": "e", "EndpointConfigName": "c", "Tags": TAGS},
        [
            ("sagemaker:CreateEndpoint", f"{SM}:endpoint/e"),
            ("sagemaker:CreateEndpoint", f"{SM}:endpoint-config/c"),
            ("sagemaker:AddTags", f"{SM}:endpoint/e"),
        ],
    ),
    (
        "sagemaker",
        "create_model",
        {"ModelName": "m", "ExecutionRoleArn": ROLE},
        [("sagemaker:CreateModel", f"{SM}:model/m"), ("iam:PassRole", ROLE)],
    ),
    (
        "sagemaker",
        "create_mlflow_tracking_server",
        {"TrackingServerName": "t", "ArtifactStoreUri": "s3://data", "RoleArn": ROLE},
        [("sagemaker:CreateMlflowTrackingServer", f"{SM}:mlflow-tracking-server/t"), ("iam:PassRole", ROLE)],
    ),
    (
        "sagemaker",
        "create_presigned_mlflow_tracking_server_url",
        {"TrackingServerName": "t"},
        [("sagemaker:CreatePresignedMlflowTrackingServerUrl", f"{SM}:mlflow-tracking-server/t")],
    ),
    (
        "sagemaker",
        "create_model_package",
        {"ModelPackageGroupName": "g"},
        [
            ("sagemaker:CreateModelPackage", f"{SM}:model-package/g/*"),
            ("sagemaker:CreateModelPackage", f"{SM}:model-package-group/g"),
        ],
    ),
    (
        "sagemaker",
        "add_tags",
        {"ResourceArn": f"{SM}:model/m", "Tags": TAGS},
        [("sagemaker:AddTags", f"{SM}:model/m")],
    ),
    (
        "sagemaker-runtime",
        "invoke_endpoint",
        {"EndpointName": "e", "Body": b"{}"},
        [("sagemaker:InvokeEndpoint", f"{SM}:endpoint/e")],
    ),
    (
        "scheduler",
        "create_schedule",
        {
            "Name": "night",
            "ScheduleExpression": "rate(1 day)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:stopMlflowTrackingServer", "RoleArn": ROLE},
        },
        [
            ("scheduler:CreateSchedule", f"arn:aws:scheduler:us-east-1:{US}:schedule/default/night"),
            ("iam:PassRole", ROLE),
        ],
    ),
    (
        "events",
        "put_targets",
        {"Rule": "r", "Targets": [{"Id": "1", "Arn": f"arn:aws:sns:us-east-1:{US}:t", "RoleArn": ROLE}]},
        [("events:PutTargets", f"arn:aws:events:us-east-1:{US}:rule/r"), ("iam:PassRole", ROLE)],
    ),
    (
        "sqs",
        "get_queue_attributes",
        {"QueueUrl": f"http://127.0.0.1/{US}/dead"},
        [("sqs:GetQueueAttributes", f"arn:aws:sqs:us-east-1:{US}:dead")],
    ),
    ("sns", "create_topic", {"Name": "t"}, [("sns:CreateTopic", f"arn:aws:sns:us-east-1:{US}:t")]),
]
