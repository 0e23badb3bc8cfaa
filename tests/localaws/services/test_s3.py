"""moto's S3 can be listed while other requests delete objects, and emptied after its versioning was suspended."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.s3.utils import _VersionedKeyStore

from localaws.quotas import s3_operations
from localaws.services import s3_listing
from localaws.services.s3 import (
    answer_with_whole_replication_rules,
    forget_delete_markers,
    list_keys_while_others_delete,
)

LISTINGS: dict[str, Callable[[Any], Iterable[Any]]] = {
    "lists": lambda store: store.iterlists(),
    "items": lambda store: store.items(),
    "values": lambda store: store.values(),
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_key_that_is_deleted_during_a_listing_does_not_fail_it(listing: str) -> None:
    list_keys_while_others_delete()
    store = _VersionedKeyStore()
    for key in ("one", "two", "two", "three"):
        store[key] = f"{key} as it is now"
    found = iter(LISTINGS[listing](store))
    next(found)
    dict.clear(store)
    assert len(list(found)) == 2


def test_a_bucket_with_a_delete_marker_can_be_emptied_after_its_versioning_was_suspended() -> None:
    forget_delete_markers()
    with mock_aws():
        s3 = boto3.client("s3", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        s3.create_bucket(Bucket="emptied")
        s3.put_bucket_versioning(Bucket="emptied", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="emptied", Key="a", Body=b"1")
        s3.delete_object(Bucket="emptied", Key="a")
        s3.put_bucket_versioning(Bucket="emptied", VersioningConfiguration={"Status": "Suspended"})
        found = s3.list_object_versions(Bucket="emptied")
        for one in [*found["Versions"], *found["DeleteMarkers"]]:
            s3.delete_object(Bucket="emptied", Key=one["Key"], VersionId=one["VersionId"])
        s3.delete_bucket(Bucket="emptied")
        assert s3.list_buckets()["Buckets"] == []


def test_a_replication_rule_is_answered_with_all_that_was_stored() -> None:
    answer_with_whole_replication_rules()
    rule: Any = {
        "ID": "all",
        "Status": "Enabled",
        "Priority": 1,
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Filter": {"Prefix": ""},
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        "Destination": {
            "Bucket": "arn:aws:s3:::copies",
            "EncryptionConfiguration": {"ReplicaKmsKeyID": "arn:aws:kms:us-east-1:123456789012:key/copies"},
            "Metrics": {"Status": "Enabled"},
        },
    }
    given: Any = {"Role": "arn:aws:iam::123456789012:role/copier", "Rules": [rule]}
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        for name in ("originals", "copies"):
            s3.create_bucket(Bucket=name)
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_replication(Bucket="originals", ReplicationConfiguration=given)
        assert s3.get_bucket_replication(Bucket="originals")["ReplicationConfiguration"] == given


def test_pages_of_a_listing_count_common_prefixes_once() -> None:
    s3_listing.install()
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="listed")
        for key in ("a", "b+/1", "b+/2", "c/1", "d e"):
            s3.put_object(Bucket="listed", Key=key)
        found, marker, pages = [], "", 0
        while marker is not None:
            page = s3.list_objects(Bucket="listed", Delimiter="/", MaxKeys=2, Marker=marker)
            found += [one["Key"] for one in page.get("Contents", [])]
            found += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
            marker, pages = page.get("NextMarker"), pages + 1
        assert (sorted(found), pages) == (["a", "b+/", "c/", "d e"], 2)
        assert "NextMarker" not in s3.list_objects(Bucket="listed", MaxKeys=1)
        with pytest.raises(ClientError, match="continuation token provided is incorrect"):
            s3.list_objects_v2(Bucket="listed", ContinuationToken="other")


def test_retention_and_payer_are_answered() -> None:
    s3_operations.install()
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)
        s3.put_object(Bucket="kept", Key="k", Body=b"")
        retention = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2090, 1, 1, tzinfo=UTC)}
        s3.put_object_retention(Bucket="kept", Key="k", Retention=retention)
        assert s3.get_object_retention(Bucket="kept", Key="k")["Retention"] == retention
        assert s3.get_bucket_request_payment(Bucket="kept")["Payer"] == "BucketOwner"
