"""Requests that S3 refuses because of their headers or the bucket's settings."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from botocore.config import Config

from localaws.errors import AwsError
from localaws.quotas.s3_buckets import check_retention, is_public
from localaws.quotas.s3_requests import is_name
from tests.localaws.quotas.test_resource_policies import document
from tests.support.refused import code
from tests.support.running import RunningLocalAws

BUCKET = "s3-requests"
EMPTY_MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="
FOREIGN = "111111111111"
SOURCE = f"{BUCKET}/k"
AT_ONCE = {"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 0}}


@pytest.fixture(scope="module")
def s3(localaws: RunningLocalAws) -> Any:
    client = localaws.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    return client


def cors(s3: Any, **more: Any) -> Any:
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"], **more}
    return s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "storage class": (lambda s3: s3.put_object(Bucket=BUCKET, Key="a", StorageClass="COLD"), "InvalidStorageClass"),
    "storage class of parts": (
        lambda s3: s3.create_multipart_upload(Bucket=BUCKET, Key="a", StorageClass="COLD"),
        "InvalidStorageClass",
    ),
    "encryption": (lambda s3: s3.put_object(Bucket=BUCKET, Key="a", ServerSideEncryption="kms"), "InvalidArgument"),
    "key alone": (lambda s3: s3.put_object(Bucket=BUCKET, Key="a", SSEKMSKeyId="alias/aws/s3"), "InvalidArgument"),
    "owner": (lambda s3: s3.get_object(Bucket=BUCKET, Key="k", ExpectedBucketOwner=FOREIGN), "AccessDenied"),
    "owner of a listing": (lambda s3: s3.list_objects_v2(Bucket=BUCKET, ExpectedBucketOwner=FOREIGN), "AccessDenied"),
    "owner of a source": (
        lambda s3: s3.copy_object(Bucket=BUCKET, Key="a", CopySource=SOURCE, ExpectedSourceBucketOwner=FOREIGN),
        "AccessDenied",
    ),
    "changed source": (
        lambda s3: s3.copy_object(Bucket=BUCKET, Key="a", CopySource=SOURCE, CopySourceIfMatch='"other"'),
        "PreconditionFailed",
    ),
    "MD5": (lambda s3: s3.put_object(Bucket=BUCKET, Key="a", Body=b"x", ContentMD5=EMPTY_MD5), "BadDigest"),
    "SHA-256": (
        lambda s3: s3.put_object(Bucket=BUCKET, Key="a", Body=b"x", ChecksumSHA256="A" * 43 + "="),
        "BadDigest",
    ),
    "metadata": (lambda s3: s3.put_object(Bucket=BUCKET, Key="a", Metadata={"a": "x" * 2048}), "MetadataTooLarge"),
    "ACL": (lambda s3: s3.put_object(Bucket=BUCKET, Key="a", ACL="public-read"), "AccessControlListNotSupported"),
    "ACL of the bucket": (
        lambda s3: s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read"),
        "AccessControlListNotSupported",
    ),
    "private ACL of the bucket": (
        lambda s3: s3.put_bucket_acl(Bucket=BUCKET, ACL="private"),
        "AccessControlListNotSupported",
    ),
    "grant": (
        lambda s3: s3.put_object(Bucket=BUCKET, Key="a", GrantRead=f"id={FOREIGN}"),
        "AccessControlListNotSupported",
    ),
    "ACL of an object": (
        lambda s3: s3.put_object_acl(Bucket=BUCKET, Key="k", ACL="bucket-owner-full-control"),
        "AccessControlListNotSupported",
    ),
    "ACL of a new bucket": (
        lambda s3: s3.create_bucket(Bucket=f"{BUCKET}-a", ACL="public-read"),
        "InvalidBucketAclWithObjectOwnership",
    ),
    "public ACL of a new bucket": (
        lambda s3: s3.create_bucket(Bucket=f"{BUCKET}-a", ACL="public-read", ObjectOwnership="ObjectWriter"),
        "InvalidBucketAclWithBlockPublicAccessError",
    ),
    "region of a new bucket": (
        lambda s3: s3.create_bucket(
            Bucket=f"{BUCKET}-a", CreateBucketConfiguration={"LocationConstraint": "eu-west-9"}
        ),
        "InvalidLocationConstraint",
    ),
    "origin with two wildcards": (lambda s3: cors(s3, AllowedOrigins=["https://*.*"]), "InvalidRequest"),
    "header with two wildcards": (lambda s3: cors(s3, AllowedHeaders=["*-a-*"]), "InvalidRequest"),
    "exposed header with a wildcard": (lambda s3: cors(s3, ExposeHeaders=["x-amz-*"]), "InvalidRequest"),
    "1001 keys": (
        lambda s3: s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": str(key)} for key in range(1001)]}),
        "MalformedXML",
    ),
    "name": (lambda s3: s3.create_bucket(Bucket="Not-A-Name"), "InvalidBucketName"),
    "lifecycle": (
        lambda s3: s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [AT_ONCE]}),
        "InvalidArgument",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(s3: Any, case: str) -> None:
    call, expected = REFUSED[case]
    assert code(lambda: call(s3)) == expected


def test_accepts_what_s3_accepts(s3: Any, localaws: RunningLocalAws) -> None:
    s3.put_object(Bucket=BUCKET, Key="full", StorageClass="STANDARD_IA", Metadata={"a": "x" * 2047}, Body=b"")
    s3.put_object(Bucket=BUCKET, Key="own", ACL="bucket-owner-full-control", ContentMD5=EMPTY_MD5, Body=b"")
    owner = {"ExpectedBucketOwner": localaws.settings.account, "ExpectedSourceBucketOwner": localaws.settings.account}
    tag = s3.head_object(Bucket=BUCKET, Key="k")["ETag"]
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=SOURCE, CopySourceIfMatch=tag, **owner)
    cors(s3)


def test_acls_that_are_not_public_are_accepted_where_writers_own_objects(s3: Any) -> None:
    name = "s3-writers"
    s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    s3.put_bucket_acl(Bucket=name, ACL="log-delivery-write")
    assert code(lambda: s3.put_bucket_acl(Bucket=name, ACL="public-read")) == "AccessDenied"
    everyone = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    assert code(lambda: s3.put_object(Bucket=name, Key="k", GrantRead=everyone)) == "AccessDenied"
    s3.delete_public_access_block(Bucket=name)
    s3.put_bucket_acl(Bucket=name, ACL="public-read")


def test_a_bucket_of_another_region_is_named(localaws: RunningLocalAws, s3: Any) -> None:
    theirs = localaws.client("s3", region_name="eu-west-1", config=Config(signature_version="s3v4"))
    link = theirs.generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET})
    answer = httpx.get(link)
    assert (answer.status_code, answer.headers["x-amz-bucket-region"]) == (301, "us-east-1")
    assert "<Code>PermanentRedirect</Code>" in answer.text
    assert theirs.list_objects_v2(Bucket=BUCKET)["KeyCount"]  # SDKs follow the redirect.
    assert theirs.get_bucket_location(Bucket=BUCKET)["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    "name", ["ab", "a" * 64, "Upper", "a_b", "a..b", "-ab", "abc-", "1.2.3.4", "xn--a", "a-s3alias"]
)
def test_a_bucket_name_that_breaks_the_rules(name: str) -> None:
    assert not is_name(name)
    assert is_name("mlflow.team-1")


def test_public_policies_are_blocked(s3: Any) -> None:
    s3.create_bucket(Bucket="s3-public")
    policy = document("*", resource="arn:aws:s3:::s3-public/*")
    assert all(s3.get_public_access_block(Bucket="s3-public")["PublicAccessBlockConfiguration"].values())
    assert code(lambda: s3.put_bucket_policy(Bucket="s3-public", Policy=policy)) == "AccessDenied"
    s3.put_public_access_block(Bucket="s3-public", PublicAccessBlockConfiguration={"BlockPublicPolicy": False})
    s3.put_bucket_policy(Bucket="s3-public", Policy=policy)


@pytest.mark.parametrize(
    ("principal", "more", "public"),
    [
        ("*", {}, True),
        ({"AWS": ["*"]}, {}, True),
        ("*", {"Effect": "Deny"}, False),
        ({"AWS": "123456789012"}, {}, False),
        ("*", {"Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}, False),
        ("*", {"Condition": {"StringLike": {"aws:PrincipalArn": "*"}}}, True),
        ("*", {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
    ],
)
def test_the_meaning_of_public(principal: Any, more: dict[str, Any], public: bool) -> None:
    assert is_public(document(principal, resource="arn:aws:s3:::b/*", **more)) is public


def test_a_date_of_retention_must_be_readable() -> None:
    with pytest.raises(AwsError, match="MalformedXML"):
        check_retention(None, "COMPLIANCE", "tomorrow")


def test_object_lock_is_not_weakened(s3: Any) -> None:
    s3.create_bucket(Bucket="s3-locked", ObjectLockEnabledForBucket=True)
    until = datetime.now(UTC) + timedelta(days=2)
    s3.put_object(Bucket="s3-locked", Key="k", Body=b"")

    def retain(days: int, mode: str = "COMPLIANCE") -> None:
        retention = {"Mode": mode, "RetainUntilDate": until + timedelta(days=days)}
        s3.put_object_retention(Bucket="s3-locked", Key="k", Retention=retention)

    retain(0)
    retain(1)
    assert code(lambda: retain(0)) == "AccessDenied"
    assert code(lambda: retain(2, "GOVERNANCE")) == "AccessDenied"
    assert code(lambda: retain(-9)) == "InvalidArgument"
    suspended = {"Status": "Suspended"}
    assert (
        code(lambda: s3.put_bucket_versioning(Bucket="s3-locked", VersioningConfiguration=suspended))
        == "InvalidBucketState"
    )
