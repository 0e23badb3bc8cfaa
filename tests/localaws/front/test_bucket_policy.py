"""A Deny statement of a bucket policy applies only if its condition matches."""

import json

from tests.support.running import RunningLocalAws


def test_an_object_may_be_written_to_a_bucket_that_denies_only_plain_http(localaws: RunningLocalAws) -> None:
    s3 = localaws.client("s3")
    s3.create_bucket(Bucket="tls-only")
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::tls-only", "arn:aws:s3:::tls-only/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket="tls-only", Policy=json.dumps({"Version": "2012-10-17", "Statement": [denial]}))
    s3.put_object(Bucket="tls-only", Key="key", Body=b"body")
    assert s3.get_object(Bucket="tls-only", Key="key")["Body"].read() == b"body"
    assert not s3.delete_objects(Bucket="tls-only", Delete={"Objects": [{"Key": "key"}]}).get("Errors")
