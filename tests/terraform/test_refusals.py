"""Wrong inputs: each gets one error that says what is wrong and what to write instead."""

from typing import Any

import pytest

from tests.terraform.planning import Planner
from tests.terraform.refused_inputs import OTHER_MODULES
from tests.terraform.refused_values import APP, DAYTIME, KEY, NEW, OLD, POLICY, ROLE, VALUES
from tests.terraform.variations import Variation

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
    "an App with a tag without a value": (
        NEW | APP | {"tags": {"team": ""}},
        "have an empty value, which CloudFormation, which creates the App, refuses. Remove these tags or give them a "
        "value: team.",
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
    "a role of another account": (
        NEW | {"create_role": False, "role_arn": ROLE},
        "an ARN of another account, and AWS takes roles and policies of the caller's account only: give ARNs of",
    ),
    "a boundary of another account": (
        NEW | {"permissions_boundary_arn": POLICY},
        "an ARN of another account, and AWS takes roles and policies of the caller's account only: give ARNs of",
    ),
    "a reserved bucket name": (
        {"project_name": "sthree-churn", "bucket_name_suffix": "acme"},
        'and S3 reserves names that begin with "amzn-s3-demo-"',
    ),
    "a bucket name of an account's own namespace": (
        {"bucket_name_suffix": "acme-an"},
        'and S3 reserves names that begin with "amzn-s3-demo-"',
    ),
    # With a bucket name that is not reserved, and versions kept for more than 100 years.
    "replication of the bucket to itself": (
        NEW
        | {"project_name": "xn", "noncurrent_version_expiration_days": 40_000}
        | {"replication": {"bucket_arn": "arn:aws:s3:::xn-dev-mlflow-artifacts-acme"}},
        "replication.bucket_arn is the artifact bucket itself",
    ),
    "more policies than IAM allows": (
        NEW | {"additional_role_policies": {f"policy-{n}": f"{POLICY}{n}" for n in range(26)}},
        "additional_role_policies names 26 policies, and IAM allows 25 on a role at most",
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
ALL = CASES | ROOTS | {case: given for cases in OTHER_MODULES.values() for case, given in cases.items()}


def _cases(cases: dict[str, tuple[dict[str, Any], str]]) -> dict[str, Any]:
    return {"cases": {case: inputs for case, (inputs, _) in cases.items()}}


def _packed(cases: dict[str, tuple[dict[str, Any], str]]) -> dict[str, Any]:
    """The inputs of all cases in fewer calls: Terraform reports each refused value of a call.

    Cases share a call if they give no input two values, and both have a new bucket or both an existing one. A call
    takes as long as the evaluation of all its variables.
    """
    calls: list[dict[str, Any]] = []
    for inputs, _ in cases.values():
        for one in calls:
            same_bucket = one.get("create_s3_bucket") == inputs.get("create_s3_bucket")
            if same_bucket and all(one.get(name, value) == value for name, value in inputs.items()):
                one.update(inputs)
                break
        else:
            calls.append(dict(inputs))
    return {"cases": {str(number): inputs for number, inputs in enumerate(calls)}}


@pytest.fixture(scope="module")
def errors(planner: Planner) -> list[str]:
    """All errors of one plan. The groups are separate modules, because Terraform skips a rule after a refused value."""
    groups = {"rules": RULES, "lookups": LOOKUPS}
    validated = [("values", "mlflow", _packed(VALUES)), ("keys", "mlflow", _cases(KEYS))]
    validated += [(module.replace("-", "_"), module, _cases(cases)) for module, cases in OTHER_MODULES.items()]
    modules = {name: Variation("refused", _cases(cases)) for name, cases in groups.items()} | {
        # No name that a root of the tests has.
        f"validated_{name}": Variation(f"validated-{module}", inputs)
        for name, module, inputs in validated
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
