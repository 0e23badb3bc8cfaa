"""Quotas of S3."""

import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from moto.s3.exceptions import DuplicateTagKeys, S3ClientError
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from localaws.errors import AwsError
from localaws.quotas import resource_policies, s3_buckets, s3_operations, s3_requests, s3_targets
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
    s3_buckets.install()  # First, so that a policy's grammar is checked before whether it is public.
    put_policy, put_tags = S3Backend.put_bucket_policy, S3Backend.put_bucket_tagging
    create_upload, put = S3Backend.create_multipart_upload, S3Backend.put_object

    def put_bucket_policy(self: Any, bucket_name: str, policy: bytes) -> None:
        size = len(_compact(policy.decode()).encode())
        if size > BUCKET_POLICY_BYTES:
            allowed = f"At most {BUCKET_POLICY_BYTES} are allowed."
            raise S3ClientError("PolicyTooLarge", f"The bucket policy has {size} bytes. {allowed}")
        _as_s3(resource_policies.check_bucket_policy, policy.decode(), bucket_name, self.account_id)
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

    _refuse_tags_twice()
    _tag_new_buckets()
    S3Backend.put_object = put_object
    S3Backend.put_bucket_policy = put_bucket_policy
    S3Backend.put_bucket_tagging = put_bucket_tagging
    S3Backend.create_multipart_upload = create_multipart_upload
    s3_operations.install()
    s3_requests.install()
    s3_targets.install()


def _refuse_tags_twice() -> None:
    """Two tags of an object with one key are an error; moto keeps the first or the last of them.

    Source of the error for the header: https://github.com/open-io/swift3/pull/92, which quotes AWS's.
    """
    of_headers, of_xml = S3Response._tagging_from_headers, S3Response._tagging_from_xml

    def tagging_from_headers(self: Any, headers: Any) -> Any:
        keys = [key for key, _ in parse_qsl(headers.get("x-amz-tagging") or "", keep_blank_values=True)]
        if len(keys) > len(set(keys)):
            message = "shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."
            raise S3ClientError("InvalidArgument", f"The header 'x-amz-tagging' {message}")
        return of_headers(self, headers)

    def tagging_from_xml(self: Any) -> Any:
        _tags_of(self.body)
        return of_xml(self)

    S3Response._tagging_from_headers, S3Response._tagging_from_xml = tagging_from_headers, tagging_from_xml


def _tag_new_buckets() -> None:
    """CreateBucket gives the bucket its Tags, which moto ignores.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
    """
    put = S3Response._bucket_response_put

    def bucket_response_put(self: Any, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        if querystring or not self.body or b"<Tags" not in self.body:
            return put(self, request, bucket_name, querystring)
        tags = _tags_of(self.body)
        _check_tags(tags)
        answer = put(self, request, bucket_name, querystring)
        self.backend.put_bucket_tagging(bucket_name, tags)
        return answer

    S3Response._bucket_response_put = bucket_response_put


def _tags_of(body: bytes) -> dict[str, str]:
    """The tags in the body of a request.

    Raises:
        DuplicateTagKeys: two have the same key.
    """
    listed = re.findall(r"<Tag>(.*?)</Tag>", body.decode(errors="replace"), re.DOTALL)
    members = [dict(re.findall(r"<(Key|Value)>(.*?)</", one, re.DOTALL)) for one in listed]
    tags = {html.unescape(one.get("Key", "")): html.unescape(one.get("Value", "")) for one in members}
    if len(tags) < len(members):
        raise DuplicateTagKeys
    return tags


def _check_key(key: str) -> None:
    if len(key.encode(errors="surrogatepass")) > KEY_BYTES:
        raise S3ClientError("KeyTooLongError", "Your key is too long")


def _check_tags(tags: dict[str, str]) -> None:
    _as_s3(check_tags, "s3", {"tags": tags})


def _as_s3(check: Callable[..., None], *given: Any) -> None:
    """Run a check; its error becomes one of moto's S3."""
    try:
        check(*given)
    except AwsError as error:
        raise S3ClientError(error.code, error.message) from None


def _compact(document: str) -> str:
    try:
        return json.dumps(json.loads(document), separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        return document
