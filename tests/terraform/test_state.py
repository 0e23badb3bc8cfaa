"""The bucket for Terraform's states: what its root would create, what its policy refuses."""

from typing import Any

import pytest
import tftest

from tests.terraform.inventory import count_by_type, differences, inventory, outputs, planned_resources
from tests.terraform.planning import REPOSITORY, Planner
from tests.terraform.test_policies import statements
from tests.terraform.variations import ACCOUNT, KEY, STATE_ADMINISTRATORS, STATES

BUCKET = f"arn:aws:s3:::{STATES}"
POLICY = "module.state.aws_s3_bucket_policy.states"

DENY = {"Effect": "Deny", "Principal": "*"}
EVERYTHING = {"Action": ["s3:*"], "Resource": [BUCKET, f"{BUCKET}/*"]}
ALWAYS = {
    "DenyWithoutTLS": {**DENY, **EVERYTHING, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    "DenyOldTLS": {**DENY, **EVERYTHING, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
}
CHANGES = {
    **DENY,
    "Action": [
        "s3:PutBucketObjectLockConfiguration",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration",
        "s3:PutReplicationConfiguration",
    ],
    "Resource": [BUCKET],
}
USER = f"arn:aws:iam::{ACCOUNT}:user/localaws"


def changes_by_others_than(*administrators: str) -> dict[str, Any]:
    """The statement that refuses changes of the bucket; the account's root user is always an administrator."""
    arns = [f"arn:aws:iam::{ACCOUNT}:root", *administrators]
    return {"DenyChangesByOthers": {**CHANGES, "Condition": {"ArnNotLike": {"aws:PrincipalArn": arns}}}}


UNDELETABLE = {
    "DenyBucketDeletion": {**DENY, "Action": ["s3:DeleteBucket", "s3:DeleteBucketPolicy"], "Resource": [BUCKET]},
    "DenyVersionDeletion": {**DENY, "Action": ["s3:DeleteObjectVersion"], "Resource": [f"{BUCKET}/*"]},
    "DenyStateDeletion": {**DENY, "Action": ["s3:DeleteObject"], "Resource": [f"{BUCKET}/*.tfstate"]},
}


def plan(planner: Planner) -> tftest.TerraformPlanOutput:
    return planner.plan("state")


def test_the_root_plans_what_the_inventory_says_and_nothing_beside(planner: Planner) -> None:
    found = plan(planner)
    expected = inventory("state")
    assert list(differences(expected["values"], planned_resources(found))) == []
    assert count_by_type(list(planned_resources(found))) == expected["counts"]
    assert outputs(found) == expected["outputs"]


def test_the_policy_denies_deletion_of_the_bucket_and_of_states_but_not_of_locks(planner: Planner) -> None:
    found = statements(plan(planner), POLICY)
    assert found == {**ALWAYS, **UNDELETABLE, **changes_by_others_than(*STATE_ADMINISTRATORS)}


def test_the_dangerous_switch_lifts_the_refusals_to_delete_and_a_key_of_your_own_adds_its_own(planner: Planner) -> None:
    found = statements(planner.plan("deletable_state"), POLICY)
    upload = {**DENY, "Action": ["s3:PutObject"], "Resource": [f"{BUCKET}/*"]}
    assert found == {
        **ALWAYS,
        **changes_by_others_than(USER),
        "DenyOtherKeys": {
            **upload,
            "Condition": {
                "Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"},
                "StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": KEY},
            },
        },
        "DenyOtherEncryption": {
            **upload,
            "Condition": {
                "Null": {"s3:x-amz-server-side-encryption": "false"},
                "StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"},
            },
        },
    }


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_bootstrap_locks_the_same_provider_as_the_environments(environment: str) -> None:
    locks = (REPOSITORY / "mlflow/terraform" / environment, REPOSITORY / "terraform/bootstrap")
    assert len({(root / ".terraform.lock.hcl").read_text() for root in locks}) == 1


def test_every_folder_of_environments_is_an_environment() -> None:
    folders = [folder for folder in (REPOSITORY / "mlflow/terraform").iterdir() if folder.is_dir()]
    assert [folder.name for folder in folders if not (folder / "main.tf").is_file()] == []
