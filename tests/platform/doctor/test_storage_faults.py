"""The doctor names what is wrong with buckets and keys."""

import json

import pytest

from mlflow_platform.doctor import storage
from mlflow_platform.doctor.diagnosis import run_check
from tests.platform.doctor.planting import (
    NAME,
    POLICY,
    context_of,
    expect_failure,
    resource,
)
from tests.support.running import RunningLocalAws


@pytest.fixture(scope="module")
def bucket(localaws: RunningLocalAws) -> str:
    name = f"{NAME}-settings"
    s3 = localaws.client("s3")
    s3.create_bucket(Bucket=name)
    return name


def test_names_suspended_versioning(localaws: RunningLocalAws, bucket: str) -> None:
    s3 = localaws.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    deployed = resource("aws_s3_bucket_versioning", bucket=bucket, versioning_configuration=[{"status": "Enabled"}])
    expect_failure(
        storage.bucket,
        context_of(localaws, deployed),
        lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}),
        f"versioning of {bucket} is Suspended",
    )


def test_names_a_removed_public_access_block(localaws: RunningLocalAws, bucket: str) -> None:
    s3 = localaws.client("s3")
    members = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(members, True))
    names = ("block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets")
    deployed = resource("aws_s3_bucket_public_access_block", bucket=bucket, **dict.fromkeys(names, True))
    expect_failure(
        storage.bucket,
        context_of(localaws, deployed),
        lambda: s3.delete_public_access_block(Bucket=bucket),
        f"BlockPublicPolicy of {bucket} is off",
    )


def test_names_a_changed_bucket_policy(localaws: RunningLocalAws, bucket: str) -> None:
    s3 = localaws.client("s3")
    policy = json.loads(POLICY)
    policy["Statement"][0] |= {"Effect": "Deny", "Principal": "*", "Resource": f"arn:aws:s3:::{bucket}/secret"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    deployed = resource("aws_s3_bucket_policy", bucket=bucket, policy=json.dumps(policy))
    expect_failure(
        storage.bucket,
        context_of(localaws, deployed),
        lambda: s3.delete_bucket_policy(Bucket=bucket),
        f"policy of {bucket} is missing",
    )


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([], "rule abort (Enabled) of {} is missing"),
        ([("abort", "Disabled")], "rule abort (Disabled) of {} was added or changed"),
        ([("abort", "Enabled"), ("more", "Enabled")], "rule more (Enabled) of {} was added"),
    ],
)
def test_names_changed_lifecycle_rules(
    localaws: RunningLocalAws, bucket: str, rules: list[tuple[str, str]], words: str
) -> None:
    s3 = localaws.client("s3")

    def put(wanted: list[tuple[str, str]]) -> None:
        s3.delete_bucket_lifecycle(Bucket=bucket)
        given = [
            {"ID": name, "Status": status, "Filter": {"Prefix": name}, "Expiration": {"Days": 9}}
            for name, status in wanted
        ]
        if given:
            s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": given})

    put([("abort", "Enabled")])
    deployed = resource(
        "aws_s3_bucket_lifecycle_configuration", bucket=bucket, rule=[{"id": "abort", "status": "Enabled"}]
    )
    expect_failure(storage.bucket, context_of(localaws, deployed), lambda: put(rules), words.format(bucket))


def test_names_a_changed_default_encryption(localaws: RunningLocalAws, bucket: str) -> None:
    s3 = localaws.client("s3")

    def encrypt(algorithm: str) -> None:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})

    encrypt("aws:kms")
    rule = {"apply_server_side_encryption_by_default": [{"sse_algorithm": "aws:kms", "kms_master_key_id": ""}]}
    deployed = resource("aws_s3_bucket_server_side_encryption_configuration", bucket=bucket, rule=[rule])
    expect_failure(storage.bucket, context_of(localaws, deployed), lambda: encrypt("AES256"), "default encryption of")


@pytest.mark.parametrize("fault", ["disabled", "pending deletion", "not rotating"])
def test_names_a_key_that_does_not_work(localaws: RunningLocalAws, fault: str) -> None:
    kms = localaws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.enable_key_rotation(KeyId=key)
    plant, words = {
        "disabled": (lambda: kms.disable_key(KeyId=key), "is Disabled"),
        "pending deletion": (lambda: kms.schedule_key_deletion(KeyId=key), "is to be deleted"),
        "not rotating": (lambda: kms.disable_key_rotation(KeyId=key), "does not rotate"),
    }[fault]
    deployed = resource("aws_kms_key", key_id=key, enable_key_rotation=True)
    expect_failure(storage.keys, context_of(localaws, deployed), plant, words)


def test_names_a_missing_bucket(localaws: RunningLocalAws) -> None:
    s3, name = localaws.client("s3"), f"{NAME}-store"
    s3.create_bucket(Bucket=name)
    context = context_of(localaws, bucket=name)
    assert storage.access(context).status == "pass"
    assert "Contents" not in s3.list_objects_v2(Bucket=name)
    s3.delete_bucket(Bucket=name)
    found = run_check(context, "artifact access", storage.access)
    assert (found.status, found.detail) == (
        "fail",
        "the artifact bucket does not exist. Create it with `make apply`.",
    )
