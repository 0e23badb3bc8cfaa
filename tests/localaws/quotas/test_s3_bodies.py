"""Bodies, uploads, listings and destinations that S3 refuses, each beside what it accepts."""

from types import SimpleNamespace
from typing import Any

import pytest
from moto.core.utils import get_service_model

from localaws.call import Call
from localaws.constraints import operation_model
from localaws.errors import AwsError
from localaws.quotas import s3_bodies, s3_operations, s3_requests, s3_targets, s3_uploads

ACCOUNT = "123456789012"


def call(operation: str, body: bytes = b"", query: str = "", **headers: str) -> Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = Call("PUT", "/b/k", "/b/k", query, named, body, service="s3", operation=operation)
    found.parameters = {"Bucket": "b", "Key": "k"}
    found.model = operation_model("s3", operation)
    return found


def rule(inner: str) -> bytes:
    return f"<LifecycleConfiguration><Rule>{inner}</Rule></LifecycleConfiguration>".encode()


def default(algorithm: str) -> bytes:
    inner = f"<ApplyServerSideEncryptionByDefault>{algorithm}</ApplyServerSideEncryptionByDefault>"
    root = "ServerSideEncryptionConfiguration"
    return f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>{inner}</Rule></{root}>'.encode()


AES = default("<SSEAlgorithm>AES256</SSEAlgorithm>")
STATUS = "<Status>Enabled</Status><Filter><Prefix></Prefix></Filter>"


@pytest.mark.parametrize(
    ("operation", "accepted", "refused"),
    [
        ("PutBucketEncryption", AES, default("<SSEAlgorithm>DES</SSEAlgorithm>")),
        ("PutBucketEncryption", AES, default("")),
        (
            "PutBucketVersioning",
            b"<VersioningConfiguration><Status> Enabled </Status></VersioningConfiguration>",
            b"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>",
        ),
        ("PutBucketLifecycle", rule(f"{STATUS}<Expiration><Days>1</Days></Expiration>"), rule("<Prefix/>")),
        ("PutBucketLifecycleConfiguration", rule(STATUS), rule(f"{STATUS}<Expiration><Days>x</Days></Expiration>")),
        ("PutBucketTagging", b"<Tagging><TagSet/></Tagging>", b"<Tagging/>"),
        (
            "DeleteObjects",
            b"<Delete><Object><Key>k</Key></Object><Quiet>true</Quiet></Delete>",
            b"<Delete><Object><Key>k</Key></Object><Quiet>yes</Quiet></Delete>",
        ),
        ("DeleteObjects", b"<Delete><Object><Key>k</Key></Object></Delete>", b"<Delete></Delete>"),
        ("PutBucketTagging", b"<Tagging><TagSet/></Tagging>", b"<Tagging><TagSet/>"),
        ("PutBucketTagging", b"<Tagging><TagSet/></Tagging>", b"<Tags><TagSet/></Tags>"),
        (
            "PutBucketTagging",
            b"<Tagging><TagSet/></Tagging>",
            b'<!DOCTYPE a [<!ENTITY b "c">]><Tagging><TagSet/></Tagging>',
        ),
        ("CreateBucket", b"<x/>", b""),
        ("PutObject", b"<not XML", b""),
    ],
)
def test_a_body_that_breaks_the_model(operation: str, accepted: bytes, refused: bytes) -> None:
    s3_bodies.check(call(operation, accepted))
    if refused:
        with pytest.raises(AwsError, match="MalformedXML"):
            s3_bodies.check(call(operation, refused))


def test_a_request_has_a_body() -> None:
    s3_bodies.check(call("PutBucketAcl", x_amz_acl="private"))
    with pytest.raises(AwsError, match="MissingRequestBodyError"):
        s3_bodies.check(call("PutBucketLifecycle"))


HELD = SimpleNamespace(keys={}, multiparts={"id": SimpleNamespace(key_name="k")})
LOCK = {"x_amz_object_lock_mode": "COMPLIANCE", "x_amz_object_lock_retain_until_date": "2999-01-01T00:00:00Z"}


def parts(*numbers: int) -> bytes:
    return b"".join(b"<Part><PartNumber>%d</PartNumber></Part>" % number for number in numbers)


@pytest.mark.parametrize(
    ("accepted", "refused", "error"),
    [
        (
            call("UploadPart", query="partNumber=1&uploadId=id"),
            call("UploadPart", query="partNumber=0&uploadId=id"),
            "Inv",
        ),
        (call("ListParts", query="uploadId=id"), call("ListParts", query="uploadId=other"), "NoSuchUpload"),
        (
            call("CompleteMultipartUpload", parts(1, 3), "uploadId=id"),
            call("CompleteMultipartUpload", parts(3, 1), "uploadId=id"),
            "InvalidPartOrder",
        ),
        (call("PutObject", if_none_match="*"), call("PutObject", if_none_match='"a"'), "NotImplemented"),
        (call("PutObject", **LOCK), call("PutObject", x_amz_object_lock_mode="COMPLIANCE"), "InvalidArgument"),
        (
            call("CopyObject", **LOCK),
            call("CopyObject", **{**LOCK, "x_amz_object_lock_retain_until_date": "2020-01-01T00:00:00Z"}),
            "must be in the future",
        ),
    ],
)
def test_an_upload_that_s3_refuses(accepted: Call, refused: Call, error: str) -> None:
    s3_uploads.check(accepted, HELD)
    with pytest.raises(AwsError, match=error):
        s3_uploads.check(refused, HELD)


@pytest.mark.parametrize("query", ["max-keys=-1", "max-keys=x", "max-parts=-1", "encoding-type=utf-8"])
def test_a_listing_that_s3_refuses(query: str) -> None:
    s3_requests.check(call("ListObjectsV2", query="max-keys=0&encoding-type=url"))
    with pytest.raises(AwsError, match="InvalidArgument"):
        s3_requests.check(call("ListObjectsV2", query=query))


ETAG = '"0"'


@pytest.mark.parametrize("operation", ["PutObject", "CopyObject", "CompleteMultipartUpload"])
@pytest.mark.parametrize(
    ("held", "condition", "error"),
    [
        (None, {"if_none_match": "*"}, ""),
        (None, {"if_match": ETAG}, "NoSuchKey"),
        (SimpleNamespace(), {"if_none_match": "*"}, ""),  # A delete marker.
        (SimpleNamespace(), {"if_match": ETAG}, "NoSuchKey"),
        (SimpleNamespace(etag=ETAG), {"if_none_match": "*"}, "PreconditionFailed"),
        (SimpleNamespace(etag=ETAG), {"if_match": "1"}, "PreconditionFailed"),
        (SimpleNamespace(etag=ETAG), {"if_match": "0"}, ""),
        (SimpleNamespace(etag=ETAG), {}, ""),
    ],
)
def test_a_condition_on_the_object_that_would_be_replaced(
    operation: str, held: Any, condition: dict[str, str], error: str
) -> None:
    bucket = SimpleNamespace(keys={"k": held}, multiparts={"id": SimpleNamespace(key_name="k")})
    given = call(operation, query="uploadId=id", **condition)
    if not error:
        s3_uploads.check(given, bucket)
    else:
        with pytest.raises(AwsError, match=error):
            s3_uploads.check(given, bucket)


def test_an_operation_that_moto_would_take_for_another_is_refused() -> None:
    known = set(get_service_model("s3").operation_names)
    assert known >= s3_operations.IMPLEMENTED
    for operation in ("-", *s3_operations.IMPLEMENTED):
        s3_operations.check(operation)
    for operation in ("DeleteBucketMetricsConfiguration", "RenameObject", "PutObjectAnnotation", "GetObjectTorrent"):
        with pytest.raises(NotImplementedError):
            s3_requests.check(call(operation))


def test_a_version_that_is_a_delete_marker_is_not_read() -> None:
    held = {"k": [SimpleNamespace(version_id="1", etag=ETAG), SimpleNamespace(version_id="2")]}
    bucket = SimpleNamespace(keys=SimpleNamespace(getlist=held.get))
    for query in ("", "versionId=1", "versionId=3"):
        s3_requests._check_marker(call("GetObject", query=query), bucket)
    with pytest.raises(AwsError, match="MethodNotAllowed"):
        s3_requests._check_marker(call("GetObject", query="versionId=2"), bucket)


def test_a_copy_names_a_key() -> None:
    with pytest.raises(AwsError, match="InvalidArgument"):
        s3_requests.check(call("CopyObject", x_amz_copy_source="bucket-only"))


def test_destinations_of_notifications_exist() -> None:
    s3_targets.check_notifications(ACCOUNT, {"EventBridgeConfiguration": {}})
    s3_targets.check_notifications(ACCOUNT, {"TopicConfiguration": {"Topic": "arn:aws:sns:us-east-1:2:theirs"}})
    for kind, service in (("Topic", "sns"), ("Queue", "sqs")):
        absent = {f"{kind}Configuration": [{kind: f"arn:aws:{service}:us-east-1:{ACCOUNT}:absent-{kind}"}]}
        with pytest.raises(AwsError, match="Unable to validate the following destination configurations"):
            s3_targets.check_notifications(ACCOUNT, absent)


def test_a_destination_of_replication_exists() -> None:
    def given(**more: Any) -> dict[str, Any]:
        return {"Rule": [{"Destination": {"Bucket": "arn:aws:s3:::absent-bucket", **more}}]}

    s3_targets.check_replication(ACCOUNT, given(Account="210987654321"))
    with pytest.raises(AwsError, match="Destination bucket must exist"):
        s3_targets.check_replication(ACCOUNT, given())


def test_only_kms_has_keys() -> None:
    def given(algorithm: str) -> dict[str, Any]:
        return {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm, "KMSMasterKeyID": "k"}}}

    s3_targets.check_encryption(given("aws:kms:dsse"))
    with pytest.raises(AwsError, match="not applicable"):
        s3_targets.check_encryption(given("AES256"))
