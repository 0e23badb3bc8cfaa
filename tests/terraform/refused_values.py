"""Wrong inputs of the mlflow module that its validations refuse: each with the message that says what to write."""

from typing import Any

from mlflow_platform.mlflow_versions import supported_versions

NEW = {"bucket_name_suffix": "acme"}
APP = {"backend": "serverless"}
OLD = {"create_s3_bucket": False, "artifact_store_uri": "s3://data-lake"}
KEY = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
ROLE = "arn:aws:iam::111122223333:role/a"
POLICY = "arn:aws:iam::111122223333:policy/a"
ALIAS = "alias/trails"
SUPPORTED = ", ".join(supported_versions())
NETWORK = {"vpc_id": "vpc-0123456789abcdef0", "subnet_ids": ["subnet-0123456789abcdef0"]}
DAYTIME = {"start": "cron(0 8 ? * MON-FRI *)", "stop": "cron(0 20 ? * MON-FRI *)"}
A_BUCKET = 'bucket_name_override must be a bucket\'s name, such as "acme-ml"'

# The inputs and the expected message by the name of the case.
VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "a project's name with capitals": (NEW | {"project_name": "Churn"}, 'project_name is "Churn": use lower-case'),
    "an environment with capitals": (NEW | {"environment": "Dev"}, 'environment is "Dev": use lower-case'),
    "a suffix with capitals": (
        {"bucket_name_suffix": "Acme"},
        "bucket_name_suffix must be lower-case letters, digits and single hyphens",
    ),
    "a patch version": (
        NEW | {"mlflow_version": "3.0.0"},
        'mlflow_version is "3.0.0": write major.minor only, such as "3.0".',
    ),
    "an unknown version retained": (
        NEW | {"retained_mlflow_versions": ["2.14"]},
        f"retained_mlflow_versions must be supported versions, as major.minor: {SUPPORTED}.",
    ),
    "an unknown active version": (
        NEW | {"mlflow_version": "3.1"},
        f'mlflow_version is "3.1", which is not in mlflow_versions.json: use one of {SUPPORTED}',
    ),
    "a version retained twice": (
        NEW | {"retained_mlflow_versions": ["2.13", "2.13"]},
        "retained_mlflow_versions names a version twice",
    ),
    "an unknown size": (NEW | {"tracking_server_size": "small"}, 'is "small": use "Small", "Medium" or "Large".'),
    "an unknown backend": (NEW | {"backend": "app"}, 'backend is "app": use "server" for a tracking server or'),
    "a window without a day": (
        NEW | {"weekly_maintenance_window_start": "03:30"},
        'a day and a 24-hour UTC time, such as "Tue:03:30"',
    ),
    "a window outside the day": (
        NEW | {"weekly_maintenance_window_start": "Tue:24:00"},
        'a day and a 24-hour UTC time, such as "Tue:03:30"',
    ),
    "an address that is not S3": (
        {"create_s3_bucket": False, "artifact_store_uri": "data-lake/mlflow"},
        'artifact_store_uri must look like "s3://bucket"',
    ),
    "a store in a folder with a fragment": (
        {"create_s3_bucket": False, "artifact_store_uri": "s3://data-lake/a#b"},
        'artifact_store_uri must look like "s3://bucket"',
    ),
    "a store in a bucket like an IP address": (
        {"create_s3_bucket": False, "artifact_store_uri": "s3://10.0.0.1/mlflow"},
        'artifact_store_uri must look like "s3://bucket"',
    ),
    "a former store in a bucket with two periods": (
        NEW | {"former_artifact_store_uris": ["s3://good", "s3://old..bucket/mlflow"]},
        "former_artifact_store_uris must look like",
    ),
    "a copy in a bucket with two periods": (
        NEW | {"replication": {"bucket_arn": "arn:aws:s3:::acme..copies"}},
        "replication.bucket_arn must be a bucket's ARN",
    ),
    "backups in a bucket with two periods": (
        NEW | {"backup": {"destination_uri": "s3://acme..backups/mlflow"}},
        "backup.destination_uri must look like",
    ),
    "an empty prefix of logs": (
        NEW | {"access_logs": {"bucket": "logs", "prefix": ""}},
        "access_logs.prefix must be a key prefix of 1 to 900 characters",
    ),
    "versions kept for no time": (
        NEW | {"noncurrent_version_expiration_days": 0},
        "noncurrent_version_expiration_days must be a whole number of days",
    ),
    "half a day": (
        NEW | {"deleted_artifact_expiration_days": 0.5},
        "deleted_artifact_expiration_days must be a whole number of days",
    ),
    "a class that must be restored first": (
        NEW | {"artifact_transition": {"days": 90, "storage_class": "DEEP_ARCHIVE"}},
        "artifacts in another archive class cannot be read until they are restored",
    ),
    "a class that takes no young objects": (
        NEW | {"artifact_transition": {"days": 29, "storage_class": "STANDARD_IA"}},
        "30 or more for STANDARD_IA, which S3 takes no younger objects into",
    ),
    "a log bucket by its address": (
        NEW | {"access_logs": {"bucket": "s3://acme-access-logs"}},
        'access_logs.bucket must be a bucket\'s name, such as "acme-access-logs"',
    ),
    "a bucket of data events by its address": (
        NEW | {"data_events": {"bucket": "s3://acme-trails"}},
        'data_events.bucket must be a bucket\'s name, such as "acme-trails"',
    ),
    "a prefix of data events with a slash at its end": (
        NEW | {"data_events": {"bucket": "acme-trails", "prefix": "mlflow/"}},
        "data_events.prefix must be a key prefix of up to 200 characters without a slash at its ends",
    ),
    "an alias for the logs of data events": (
        NEW | {"data_events": {"bucket": "acme-trails", "kms_key_arn": ALIAS}},
        "data_events.kms_key_arn must be a key's ARN",
    ),
    "an origin without TLS": (
        NEW | {"cors_allowed_origins": ["http://studio.acme.example"]},
        "cors_allowed_origins must be https origins without a path",
    ),
    "every origin": (
        NEW | {"cors_allowed_origins": ["*"]},
        "cors_allowed_origins must be https origins without a path",
    ),
    "an alias as the key's id": (NEW | {"kms_key_id": "alias/data-lake"}, "For an alias, use kms = { alias = ... }."),
    "a former store that is not S3": (
        NEW | {"former_artifact_store_uris": ["old-bucket"]},
        "former_artifact_store_uris must look like",
    ),
    "a tag that AWS reserves": (NEW | {"tags": {"AWS:team": "ml"}}, 'tags must not begin with "aws:"'),
    "a tag with a character that AWS refuses": (
        NEW | {"tags": {"team": "ml & data"}},
        "tags must have keys of 1 to 127",
    ),
    "a tag that is too long": (NEW | {"tags": {"team": "a" * 256}}, "tags must have keys of 1 to 127"),
    "too many tags": (NEW | {"tags": {f"tag-{n}": "" for n in range(51)}}, "tags has 51 entries, and AWS allows 50"),
    "a role of Identity Center": (
        NEW | {"writer_role_names": ["AWSReservedSSO_DataScientist_0123456789abcdef"]},
        "reference the policies of output client_policy_names in the permission set",
    ),
    "an unknown attribute of notifications": (
        NEW | {"notifications": {"topic": "a"}},
        "notifications must be an object with the attributes topic_arn and emails",
    ),
    "a topic that is null": (
        NEW | {"notifications": {"topic_arn": None}},
        "a FIFO topic receives no events. For a new",
    ),
    "a role by its name": (
        NEW | {"create_role": False, "role_arn": "mlflow-server"},
        "role_arn must be a role's ARN, such as",
    ),
    "a policy that is none": (
        NEW | {"additional_role_policies": {"lineage": "lineage"}},
        "additional_role_policies must map names to policy ARNs",
    ),
    "a boundary that is not a policy": (
        NEW | {"permissions_boundary_arn": "boundary"},
        "permissions_boundary_arn must be a policy's ARN",
    ),
    "a reader by its ARN": (NEW | {"reader_role_names": [ROLE]}, 'such as "analysts", not their ARNs.'),
    "a writer by its ARN": (NEW | {"writer_role_names": [ROLE]}, 'such as "data-scientists", not their ARNs.'),
    "an admin by its ARN": (NEW | {"admin_role_names": [ROLE]}, 'such as "mlops", not their ARNs.'),
    "a protected role by its ARN": (
        NEW | {"deletion_protected_from_role_names": [ROLE]},
        'deletion_protected_from_role_names must be names of roles, such as "terraform", not their ARNs.',
    ),
    "protection from a role of Identity Center": (
        NEW | {"deletion_protected_from_role_names": ["AWSReservedSSO_DataScientist_0123456789abcdef"]},
        "copy output deletion_protection_policy into the inline policy of the permission set.",
    ),
    "a deployment policy that is none": (
        NEW | {"deployment_policy_document": "arn:aws:iam::111122223333:policy/deploy"},
        "deployment_policy_document must be a policy in JSON",
    ),
    "a backup at no time": (
        NEW | {"backup": {"schedule_expression": "every night"}},
        "backup.schedule_expression must be a rate expression",
    ),
    "a backup by both days": (
        NEW | {"backup": {"schedule_expression": "cron(30 2 * * * *)"}},
        "backup.schedule_expression must be a rate expression",
    ),
    "a backup at 25:00": (
        NEW | {"backup": {"schedule_expression": "cron(0 25 * * ? *)"}},
        "backup.schedule_expression must be a rate expression",
    ),
    "a backup a week with the alarm of a nightly one": (
        NEW | {"backup": {"schedule_expression": "rate(7 days)"}},
        'backup.schedule_expression is "rate(7 days)" and backup.alarm_after_hours is 26',
    ),
    "a backup as often as its alarm": (
        NEW | {"backup": {"schedule_expression": "rate(1560 minutes)"}},
        'backup.schedule_expression is "rate(1560 minutes)" and backup.alarm_after_hours is 26',
    ),
    "no backup kept": (NEW | {"backup": {"keep": 0}}, "backup.keep must be a whole number of backups"),
    "a schedule without a year": (
        NEW | {"schedule": DAYTIME | {"start": "cron(0 8 ? * MON)"}},
        "schedule.start and schedule.stop must be cron expressions with six fields",
    ),
    "a schedule at minute 60": (
        NEW | {"schedule": DAYTIME | {"stop": "cron(60 20 ? * MON-FRI *)"}},
        "schedule.start and schedule.stop must be cron expressions with six fields",
    ),
    "a schedule by both days": (
        NEW | {"schedule": DAYTIME | {"start": "cron(0 8 * * MON-FRI *)"}},
        "schedule.start and schedule.stop must be cron expressions with six fields",
    ),
    "a schedule on a day that does not exist": (
        NEW | {"schedule": DAYTIME | {"start": "cron(0 8 ? * FOO *)"}},
        "schedule.start and schedule.stop must be cron expressions with six fields",
    ),
    "a schedule in a time zone that does not exist": (
        NEW | {"schedule": DAYTIME | {"time_zone": "Europe/Munich"}},
        "schedule.time_zone must be a name of the IANA time zone database",
    ),
    "a backup on the 32nd": (
        NEW | {"backup": {"schedule_expression": "cron(30 2 32 * ? *)"}},
        "backup.schedule_expression must be a rate expression",
    ),
    "a backup in a time zone that does not exist": (
        NEW | {"backup": {"timezone": "Europe/Munich"}},
        "backup.timezone must be a name of the IANA time zone database",
    ),
    "more backups than a number holds": (
        NEW | {"backup": {"keep": 1e30}},
        "backup.keep must be a whole number of backups",
    ),
    "backups below a policy variable": (
        NEW | {"backup": {"destination_uri": "s3://acme-backups/${aws:username}"}},
        "backup.destination_uri must look like",
    ),
    "backups through six security groups": (
        NEW | {"backup": {"vpc": NETWORK | {"security_group_ids": [f"sg-{n}" for n in range(6)]}}},
        "backup.vpc must name a VPC, 1 to 16 subnets and 1 to 5 security groups",
    ),
    "packages from a command": (
        NEW | {"backup": {"package_index_url": "https://x/$(id)"}},
        "backup.package_index_url must be an https address",
    ),
    "a role of a service": (
        NEW | {"deletion_protected_from_role_names": ["AWSServiceRoleForSageMaker"]},
        "copy output deletion_protection_policy into the inline policy of the permission set.",
    ),
    "a role that is null": (
        NEW | {"writer_role_names": [None]},
        'such as "data-scientists", not their ARNs.',
    ),
    "a policy twice": (
        NEW | {"additional_role_policies": {"a": POLICY, "b": POLICY}},
        "additional_role_policies names a policy twice",
    ),
    "a boundary of another partition": (
        NEW | {"permissions_boundary_arn": POLICY.replace("arn:aws:", "arn:aws-cn:")},
        "permissions_boundary_arn must be a policy's ARN",
    ),
    "a path of 600 characters": (NEW | {"iam_path": f"/{'a' * 600}/"}, 'iam_path is "/aaaaaaaa'),
    "an origin with two wildcards": (
        NEW | {"cors_allowed_origins": ["https://*a*.acme.example"]},
        "cors_allowed_origins must be https origins without a path",
    ),
    "a budget of more than there is": (
        NEW | {"monthly_budget_usd": 1e30},
        "monthly_budget_usd must be a number of US dollars",
    ),
    "a thousand million years": (
        NEW | {"noncurrent_version_expiration_days": 1e12},
        "noncurrent_version_expiration_days must be a whole number of days",
    ),
    "a start and a stop at once": (
        NEW | {"schedule": DAYTIME | {"stop": DAYTIME["start"]}},
        "the server would be started and stopped at once",
    ),
    "a time zone by its offset": (
        NEW | {"schedule": DAYTIME | {"time_zone": "+01:00"}},
        "schedule.time_zone must be a name of the IANA time zone database",
    ),
    "a FIFO topic": (
        NEW | {"notifications": {"topic_arn": "arn:aws:sns:us-east-1:111122223333:platform.fifo"}},
        "a FIFO topic receives no events. For a new",
    ),
    "a topic of another region": (
        NEW | {"notifications": {"topic_arn": "arn:aws:sns:eu-west-1:111122223333:platform"}},
        "notifications.topic_arn is a topic of another region",
    ),
    "a key of another region": (
        NEW | {"kms_key_id": KEY.replace("us-east-1", "eu-west-1")},
        "kms_key_id is a key of another region",
    ),
    "an address without a host": (
        NEW | {"notifications": {"emails": ["team"]}},
        "notifications.emails must be a list of e-mail addresses",
    ),
    "a path without a slash at its end": (
        NEW | {"iam_path": "/ml"},
        'iam_path is "/ml": begin and end it with a slash',
    ),
    "a prefix with a slash": (NEW | {"global_name_prefix": "ml/"}, 'global_name_prefix is "ml/": use up to 31 letters'),
    "an override for a patch version": (
        NEW | {"tracking_server_name_override": {"3.0.0": "by-hand"}},
        "The keys of tracking_server_name_override must be supported versions",
    ),
    "a server by its ARN": (
        NEW | {"tracking_server_name_override": {"3.0": "mlflow-tracking-server/by-hand"}},
        "must map MLflow versions to names of tracking servers",
    ),
    "a server that is overridden twice": (
        NEW | {"retained_mlflow_versions": ["2.16"], "tracking_server_name_override": {"3.0": "a", "2.16": "a"}},
        "tracking_server_name_override names a server twice",
    ),
    "a bucket by its address": (
        NEW | {"bucket_name_override": "s3://acme"},
        A_BUCKET,
    ),
    "a bucket with two periods": (NEW | {"bucket_name_override": "acme..ml"}, A_BUCKET),
    "a bucket like an IP address": (NEW | {"bucket_name_override": "192.168.5.4"}, A_BUCKET),
    "a role to adopt by its ARN": (NEW | {"role_name_override": ROLE}, "It is not the role's ARN."),
    "a budget of nothing": (NEW | {"monthly_budget_usd": 0.5}, "monthly_budget_usd must be a number of US dollars"),
}
