"""moto's S3 can be listed while other requests delete objects, and emptied after its versioning was suspended."""

from collections.abc import Callable, Iterable
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.s3.utils import _VersionedKeyStore

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
