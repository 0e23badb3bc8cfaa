"""Quotas of S3."""

import json
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend

from localaws.errors import AwsError
from localaws.quotas.tags import check_tags

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html: 20 KB, counted after unnecessary white
# space is removed (MIT-LCP/physionet-build#2094).
BUCKET_POLICY_BYTES = 20480
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html; the message: boto/boto3#1213.
OBJECT_TAGS = 10
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html; the error:
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
KEY_BYTES = 1024


def install() -> None:
    """Make moto's S3 refuse what exceeds a quota. It does not take the path of other services' requests."""
    put_policy, put_tags = S3Backend.put_bucket_policy, S3Backend.put_bucket_tagging
    create_upload, put = S3Backend.create_multipart_upload, S3Backend.put_object

    def put_bucket_policy(self: Any, bucket_name: str, policy: bytes) -> None:
        size = len(_compact(policy.decode()).encode())
        if size > BUCKET_POLICY_BYTES:
            allowed = f"At most {BUCKET_POLICY_BYTES} are allowed."
            raise S3ClientError("PolicyTooLarge", f"The bucket policy has {size} bytes. {allowed}")
        put_policy(self, bucket_name, policy)

    def put_bucket_tagging(self: Any, bucket_name: str, tags: dict[str, str]) -> None:
        _check_tags(tags)
        put_tags(self, bucket_name, tags)

    def create_multipart_upload(
        self: Any, bucket: str, key: str, metadata: Any, storage: str, tags: dict[str, str], *more: Any
    ) -> Any:
        # moto counts the tags of PutObject and PutObjectTagging only.
        if len(tags or {}) > OBJECT_TAGS:
            raise S3ClientError("BadRequest", f"Object tags cannot be greater than {OBJECT_TAGS}")
        _check_tags(tags or {})
        _check_key(key)
        return create_upload(self, bucket, key, metadata, storage, tags, *more)

    def put_object(self: Any, bucket_name: str, key_name: str, *given: Any, **more: Any) -> Any:
        _check_key(key_name)
        return put(self, bucket_name, key_name, *given, **more)

    S3Backend.put_object = put_object
    S3Backend.put_bucket_policy = put_bucket_policy
    S3Backend.put_bucket_tagging = put_bucket_tagging
    S3Backend.create_multipart_upload = create_multipart_upload


def _check_key(key: str) -> None:
    if len(key.encode(errors="surrogatepass")) > KEY_BYTES:
        raise S3ClientError("KeyTooLongError", "Your key is too long")


def _check_tags(tags: dict[str, str]) -> None:
    try:
        check_tags("s3", {"tags": tags})
    except AwsError as error:
        raise S3ClientError(error.code, error.message) from None


def _compact(document: str) -> str:
    try:
        return json.dumps(json.loads(document), separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        return document
