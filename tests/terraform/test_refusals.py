"""Wrong inputs: each gets one error that says what is wrong and what to write instead."""

from typing import Any

import pytest

from mlflow_platform.mlflow_versions import supported_versions
from tests.terraform.planning import Planner
from tests.terraform.variations import Variation

NEW = {"bucket_name_suffix": "acme"}
APP = {"backend": "serverless"}
OLD = {"create_s3_bucket": False, "artifact_store_uri": "s3://data-lake"}
KEY = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
ROLE = "arn:aws:iam::111122223333:role/a"
POLICY = "arn:aws:iam::111122223333:policy/a"
ALIAS = "alias/trails"
SUPPORTED = ", ".join(supported_versions())
DAYTIME = {"start": "cron(0 8 ? * MON-FRI *)", "stop": "cron(0 20 ? * MON-FRI *)"}
A_BUCKET = 'bucket_name_override must be a bucket\'s name, such as "acme-ml"'

# The inputs and the expected message by the name of the case. First the cases that a variable's own validation refuses.
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
        "tags must have keys of 1 to 128",
    ),
    "a tag that is too long": (NEW | {"tags": {"team": "a" * 257}}, "tags must have keys of 1 to 128"),
    "too many tags": (NEW | {"tags": {f"tag-{n}": "" for n in range(51)}}, "tags has 51 entries, and AWS allows 50"),
    "a role of Identity Center": (
        NEW | {"writer_role_names": ["AWSReservedSSO_DataScientist_0123456789abcdef"]},
        "Reference the policies of output client_policy_names in the permission set",
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
        "Copy output deletion_protection_policy into the inline policy of the permission set.",
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
        'must have a "?" for either the day of month or the day of week',
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
# Refused by the rules between inputs (preconditions.tf), which Terraform checks only if each value is valid by itself.
RULES: dict[str, tuple[dict[str, Any], str]] = {
    "a bucket's name of 70 characters": (
        {"bucket_name_suffix": "a-suffix-that-somebody-made-rather-too-long"},
        'named "churn-dev-mlflow-artifacts-a-suffix-that-somebody-made-rather-too-long", which is 70 characters '
        "long, and S3 allows 63. Shorten project_name, environment or bucket_name_suffix by 7.",
    ),
    "a bucket's name of 64 characters": (
        {"bucket_name_suffix": "acme-67890-234567890-234567890-234567"},
        "which is 64 characters long, and S3 allows 63",
    ),
    "a role's name of 65 characters": (
        OLD | {"project_name": "churn-7890-234567890-234567890-234567890-23456789"},
        "which is 65 characters long, and IAM allows 64. Shorten project_name, environment or global_name_prefix by 1.",
    ),
    "an App whose stack's name would begin with a digit": (
        NEW | APP | {"project_name": "3d-models"},
        'project_name is "3d-models", and CloudFormation',
    ),
    "an App with the settings of a server": (
        NEW | APP | {"mlflow_version": "2.16", "retained_mlflow_versions": ["3.0"], "tracking_server_size": "Large"},
        "no mlflow_version (AWS chooses the version), no retained_mlflow_versions, no tracking_server_size. Remove",
    ),
    "an App with what runs at night": (
        NEW | APP | {"schedule": DAYTIME, "backup": {}},
        'backend = "serverless" has no schedule (an idle App costs nothing), no backup (run `make backup`).',
    ),
    "an App with readers": (
        NEW | APP | {"reader_role_names": ["analysts"], "verify_client_roles": False},
        "has no reader_role_names (IAM has one action for everything, so who may read may delete). Remove these inputs",
    ),
    "another name for a bucket that is left alone": (
        OLD | {"bucket_name_override": "acme-ml"},
        "bucket_name_override names a bucket that the module manages, and with create_s3_bucket = false",
    ),
    "another name for a role that is left alone": (
        NEW | {"create_role": False, "role_arn": ROLE, "role_name_override": "by-hand"},
        "role_name_override names a role that the module manages, and with create_role = false",
    ),
    "the active version retained": (
        NEW | {"mlflow_version": "3.0", "retained_mlflow_versions": ["3.0"]},
        "retained_mlflow_versions names 3.0, which is the active version",
    ),
    "the name of another version's server": (
        NEW | {"retained_mlflow_versions": ["2.16"], "tracking_server_name_override": {"2.16": "churn-dev-3-0"}},
        'would have the same tracking server: 2.16 would be "churn-dev-3-0", 3.0 would be "churn-dev-3-0".',
    ),
    "both buckets": (
        NEW | {"artifact_store_uri": "s3://data-lake"},
        "Both a new and an existing artifact bucket are configured",
    ),
    "no bucket": ({"create_s3_bucket": False}, "There is no artifact bucket. Set artifact_store_uri"),
    "no suffix": ({}, "A new artifact bucket needs bucket_name_suffix"),
    "logs in the artifact bucket": (
        NEW | {"access_logs": {"bucket": "churn-dev-mlflow-artifacts-acme"}},
        "access_logs.bucket is the artifact bucket itself",
    ),
    "data events in the artifact bucket": (
        NEW | {"data_events": {"bucket": "churn-dev-mlflow-artifacts-acme"}},
        "data_events.bucket is an artifact bucket, present or former, so each log file would be an event",
    ),
    "data events in a former artifact bucket": (
        NEW | {"data_events": {"bucket": "old"}, "former_artifact_store_uris": ["s3://older/a", "s3://old/mlflow"]},
        "data_events.bucket is an artifact bucket, present or former, so each log file would be an event",
    ),
    "settings of a bucket that is left alone": (
        OLD | {"access_logs": {"bucket": "logs"}},
        "are settings of a new bucket, and the module does not change an existing one",
    ),
    "a reserved bucket name": (
        {"project_name": "sthree-churn", "bucket_name_suffix": "acme"},
        'and S3 reserves names that begin with "amzn-s3-demo-"',
    ),
    "a bucket name of an account's own namespace": (
        {"bucket_name_suffix": "acme-an"},
        'and S3 reserves names that begin with "amzn-s3-demo-"',
    ),
    "replication of the bucket to itself": (
        NEW | {"replication": {"bucket_arn": "arn:aws:s3:::churn-dev-mlflow-artifacts-acme"}},
        "replication.bucket_arn is the artifact bucket itself",
    ),
    "more policies than IAM allows": (
        NEW | {"additional_role_policies": {f"policy-{n}": f"{POLICY}{n}" for n in range(11)}},
        "additional_role_policies names 11 policies, and IAM allows 10 on a role",
    ),
    "no role": (NEW | {"create_role": False}, "Set role_arn together with create_role = false, or neither."),
    "both roles": (NEW | {"role_arn": ROLE}, "Set role_arn together with create_role = false, or neither."),
    "policies for a role that is left alone": (
        NEW | {"create_role": False, "role_arn": ROLE, "additional_role_policies": {"a": POLICY}},
        "additional_role_policies are attached to a new role",
    ),
}
# Validations that compare several variables. Terraform skips them where one of those variables is invalid in any case.
KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "another region's key among the settings": (
        NEW | {"kms": {"key_id": KEY.replace("us-east-1", "eu-west-1")}},
        "kms.key_id is a key of another region",
    ),
    "an alias as kms.key_id": (NEW | {"kms": {"key_id": "alias/data-lake"}}, "For an alias, use kms.alias."),
    "an id as the key's alias": (NEW | {"kms": {"alias": KEY}}, "For a key's ARN or id, use kms.key_id."),
    "a deletion window of 6 days": (
        NEW | {"kms": {"create": True, "deletion_window_days": 6}},
        "kms.deletion_window_days must be a whole number of days from 7 to 30",
    ),
    "a deletion window of 31 days": (
        NEW | {"kms": {"create": True, "deletion_window_days": 31}},
        "kms.deletion_window_days must be a whole number of days from 7 to 30",
    ),
    "a former key by its id": (
        NEW | {"kms": {"former_key_arns": ["11111111-2222-3333-4444-555555555555"]}},
        "kms.former_key_arns must be key ARNs",
    ),
    "wildcards among administrators": (
        NEW | {"kms": {"create": True, "administrator_arns": ["arn:aws:iam::111122223333:role/*"]}},
        "kms.administrator_arns must be ARNs of roles or users",
    ),
    "a new and an existing key": (NEW | {"kms": {"create": True, "key_id": KEY}}, "kms names more than one key."),
    "a new key and kms_key_id": (NEW | {"kms": {"create": True}, "kms_key_id": KEY}, "kms names more than one key."),
    "a key by its id and its alias": (
        NEW | {"kms": {"alias": "alias/data-lake"}, "kms_key_id": KEY},
        "kms names more than one key.",
    ),
    "a key for no bucket": (OLD | {"kms": {"create": True}}, "kms.create makes a key for a new bucket"),
    "administrators of no key": (
        NEW | {"kms": {"administrator_arns": [ROLE]}},
        "kms.administrator_arns applies to a new key, and none is created.",
    ),
}
# What depends on the caller and on the account, checked after the rules.
LOOKUPS: dict[str, tuple[dict[str, Any], str]] = {
    "a key that its creator could not administer": (
        NEW | {"kms": {"create": True, "administrator_arns": [ROLE]}},
        "kms.administrator_arns does not name the caller, arn:aws:iam::123456789012:user/localaws",
    ),
    "a key whose administrator has the caller's name in another account": (
        NEW | {"kms": {"create": True, "administrator_arns": ["arn:aws:iam::111122223333:user/localaws"]}},
        "kms.administrator_arns does not name the caller, arn:aws:iam::123456789012:user/localaws",
    ),
    "a key whose administrator has the caller's name and another path": (
        NEW | {"kms": {"create": True, "administrator_arns": ["arn:aws:iam::123456789012:user/admins/localaws"]}},
        "kms.administrator_arns does not name the caller, arn:aws:iam::123456789012:user/localaws",
    ),
    "a key whose administrator is a role with the name of the caller, a user": (
        NEW | {"kms": {"create": True, "administrator_arns": ["arn:aws:iam::123456789012:role/localaws"]}},
        "kms.administrator_arns does not name the caller, arn:aws:iam::123456789012:user/localaws",
    ),
    "a reader role that does not exist": (
        NEW | {"reader_role_names": ["analysts"]},
        "These roles do not exist in account 123456789012: analysts.",
    ),
}
CASES = VALUES | KEYS | RULES | LOOKUPS


# Refused by the root itself.
ROOTS: dict[str, tuple[dict[str, Any], str]] = {
    "no_listed_account": ({"allowed_account_ids": []}, "Set allowed_account_ids in terraform.tfvars"),
    "credentials_of_another_account": (
        {"allowed_account_ids": ["111122223333"]},
        "AWS account ID not allowed: 123456789012",
    ),
}
ALL = CASES | ROOTS


@pytest.fixture(scope="module")
def errors(planner: Planner) -> list[str]:
    """All errors of one plan. The groups are separate modules, because Terraform skips a rule after a refused value."""
    modules = {
        name: Variation("refused", {"cases": {case: inputs for case, (inputs, _) in cases.items()}})
        for name, cases in (("values", VALUES), ("keys", KEYS), ("rules", RULES), ("lookups", LOOKUPS))
    }
    roots = {name: Variation("prod", inputs) for name, (inputs, _) in ROOTS.items()}
    return planner.refused("refusals", modules | roots)


@pytest.mark.parametrize("case", ALL)
def test_a_wrong_input_gets_an_error_that_says_what_to_write(errors: list[str], case: str) -> None:
    message = ALL[case][1]
    with_this_message = [one for one, (_, other) in ALL.items() if other == message]
    assert sum(message in error for error in errors) == len(with_this_message), "\n".join(errors)


def test_no_case_gets_a_second_error(errors: list[str]) -> None:
    assert len(errors) == len(ALL), "\n".join(errors)
