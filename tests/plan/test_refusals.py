"""What a person reads who got an input wrong: one error, which says what is wrong and what to write instead."""

from typing import Any

import pytest

from tests.plan.planning import Planner

NEW = {"bucket_name_suffix": "acme"}
OLD = {"create_s3_bucket": False, "artifact_store_uri": "s3://data-lake"}
KEY = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            NEW | {"bucket_name_suffix": "Acme"},
            "bucket_name_suffix must be lower-case letters, digits and single hyphens",
        ),
        (
            NEW | {"bucket_name_suffix": "a-suffix-that-somebody-made-rather-too-long"},
            'named "churn-dev-mlflow-artifacts-a-suffix-that-somebody-made-rather-too-long", which is 70 characters '
            "long, and S3 allows 63: shorten project_name, environment or bucket_name_suffix by 7.",
        ),
        (NEW | {"mlflow_version": "3.0.0"}, 'mlflow_version is "3.0.0": write major.minor only, such as "3.0".'),
        (NEW | {"artifact_store_uri": "s3://data-lake"}, "Both a new and an existing artifact bucket are asked for"),
        ({"create_s3_bucket": False}, "There is no artifact bucket: give artifact_store_uri"),
        ({}, "A new artifact bucket needs bucket_name_suffix"),
        (OLD | {"create_kms_key": True}, "create_kms_key makes a key for the new bucket, and there is none"),
        (NEW | {"create_kms_key": True, "kms_key_id": KEY}, "Both a new and an existing key are asked for"),
        (NEW | {"kms_key_id": "alias/data-lake"}, "give an alias as kms_key_alias."),
        (NEW | {"create_kms_key": True, "kms_key_deletion_window_days": 3}, "is 3: KMS takes 7 to 30 whole days."),
        (
            NEW | {"writer_role_names": ["arn:aws:iam::111122223333:role/a"]},
            'such as "data-scientists", not their ARNs.',
        ),
        (NEW | {"create_role": False}, "give role_arn together with create_role = false, or neither."),
        (
            OLD | {"access_logs": {"bucket": "logs"}},
            "are settings of a new bucket, and the module leaves an existing one",
        ),
        (
            NEW | {"weekly_maintenance_window_start": "Tuesday 3:30"},
            'a day and a 24-hour UTC time, such as "Tue:03:30"',
        ),
    ],
    ids=[
        "capitals",
        "63",
        "patch",
        "both-buckets",
        "no-bucket",
        "no-suffix",
        "key-for-no-bucket",
        "both-keys",
        "alias",
        "deletion-window",
        "role-arn",
        "no-role",
        "old-bucket-settings",
        "window",
    ],
)
def test_a_wrong_input_gets_one_error_that_says_what_to_write(
    planner: Planner, inputs: dict[str, Any], message: str
) -> None:
    [error] = planner.refused("any", {"inputs": inputs})
    assert message in error


def test_without_a_listed_account_nothing_is_planned(planner: Planner) -> None:
    [error] = planner.refused("prod", {}, TF_VAR_allowed_account_ids="[]")
    assert "set allowed_account_ids in terraform.tfvars" in error


def test_with_another_accounts_credentials_nothing_is_planned(planner: Planner) -> None:
    [error] = planner.refused("prod", {"allowed_account_ids": ["111122223333"]})
    assert "AWS account ID not allowed: 123456789012" in error
