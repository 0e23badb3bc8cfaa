"""What S3 refuses because of a request's headers, and in requests on a bucket. moto ignores all of this.

The codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from urllib.parse import unquote

from moto.s3.responses import S3Response

from localaws.call import Call, current_call
from localaws.errors import AwsError
from localaws.iam.s3_permissions import listed_objects
from localaws.quotas import key_states, s3_acls, s3_bodies, s3_operations, s3_uploads

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: the bytes of all names and values.
METADATA = "x-amz-meta-"
METADATA_BYTES = 2048
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html; the code of a list that is longer.
DELETED = 1000
ENCRYPTION, KEY = "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"
# The code for a header whose value is not in the model's list; InvalidArgument for others.
INVALID = {"x-amz-storage-class": "InvalidStorageClass"}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html (canned ACLs); the model lacks some.
CANNED = ("aws-exec-read", "log-delivery-write")
# Operations that answer in every region: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
EVERYWHERE = frozenset({"CreateBucket", "GetBucketLocation"})
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+", re.ASCII)
PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def install() -> None:
    """Make moto's S3 check each request."""
    for name in ("bucket_response", "key_response"):
        setattr(S3Response, name, _checked(getattr(S3Response, name)))


def _checked(respond: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(respond)
    def response(self: Any, request: Any, full_url: str, headers: Any) -> Any:
        call = current_call.get(None)
        if call is not None:
            check(call)
        return respond(self, request, full_url, headers)

    return response


def check(call: Call) -> None:
    """Refuse a call of S3.

    Raises:
        AwsError: with S3's code.
        NotImplementedError: moto would carry out another operation.
    """
    s3_operations.check(call.operation)
    bucket = str(call.parameters.get("Bucket") or "")
    if call.operation == "CreateBucket" and not is_name(bucket):
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.")
    _check_region(call, bucket)
    source, key = _source(call)
    _check_owner(call.headers.get("x-amz-expected-bucket-owner"), bucket)
    _check_owner(call.headers.get("x-amz-source-expected-bucket-owner"), source)
    if call.operation == "DeleteObjects" and len(listed_objects(call.body or b"")) > DELETED:
        raise AwsError("MalformedXML", f"A request deletes at most {DELETED} objects.")
    held = _bucket(bucket)
    s3_uploads.check(call, held)
    if call.operation == "GetObject":
        _check_marker(call, held)
    _check_listing(call)
    if call.method in ("PUT", "POST"):
        s3_bodies.check(call)
        _check_values(call)
        _check_encryption(call.headers)
        s3_acls.check(call, held)
        _check_metadata(call.headers)
        _check_source(call.headers, source, key)
    key_states.check_objects()


def is_name(name: str) -> bool:
    """Whether a bucket may have this name."""
    return bool(
        NAME.fullmatch(name)
        and ".." not in name
        and not ADDRESS.fullmatch(name)
        and not name.startswith(PREFIXES)
        and not name.endswith(SUFFIXES)
    )


def _check_values(call: Call) -> None:
    """Compare headers with the values that S3's model lists for them."""
    for member in (call.input.members if call.input else {}).values():
        if member.serialization.get("location") != "header" or not member.metadata.get("enum"):
            continue
        header = member.serialization["name"].lower()
        value = call.headers.get(header)
        if value and value not in member.metadata["enum"] and not (header == "x-amz-acl" and value in CANNED):
            message = f"The value {value} of {header} is not one of {', '.join(member.metadata['enum'])}."
            raise AwsError(INVALID.get(header, "InvalidArgument"), message)


def _check_marker(call: Call, bucket: Any) -> None:
    """Refuse the version of an object that is a delete marker. moto finds no such version.

    "If the specified version is a delete marker, the response returns a 405 Method Not Allowed error":
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    version = call.query_parameters.get("versionId")
    held = bucket.keys.getlist(call.parameters.get("Key"), []) if version and bucket is not None else []
    # A delete marker has no ETag.
    if any(one.version_id == version and not hasattr(one, "etag") for one in held):
        message = "The specified method is not allowed against this resource."
        raise AwsError("MethodNotAllowed", message, 405, {"x-amz-delete-marker": "true"})


def _check_listing(call: Call) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html."""
    query = call.query_parameters if call.operation.startswith("List") else {}
    for name in ("max-keys", "max-parts", "max-uploads"):
        count = query.get(name, "0")
        if not re.fullmatch(r"-?\d{1,10}", count, re.ASCII):
            raise AwsError("InvalidArgument", f"Provided {name} not an integer or within integer range")
        if int(count) < 0:
            raise AwsError("InvalidArgument", f"Argument {name} must be an integer between 0 and 2147483647")
    if query.get("encoding-type", "url") != "url":
        raise AwsError("InvalidArgument", "Invalid Encoding Method specified in Request")


def _check_encryption(headers: Mapping[str, str]) -> None:
    """The error: https://github.com/mcohen01/amazonica/issues/338."""
    if headers.get(KEY) and not headers.get(ENCRYPTION, "").startswith("aws:kms"):
        message = "Server Side Encryption with AWS KMS managed key requires HTTP header"
        raise AwsError("InvalidArgument", f"{message} {ENCRYPTION} : aws:kms")


def _check_owner(expected: str | None, bucket: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html."""
    found = _bucket(bucket)
    if expected and found is not None and found.account_id != expected:
        raise AwsError("AccessDenied", "Access Denied", 403)


def _check_region(call: Call, bucket: str) -> None:
    """A request is signed for the region of its endpoint; S3 redirects to the bucket's, which SDKs follow.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html
    """
    found = _bucket(bucket)
    region = str(getattr(found, "region_name", "") or call.region)
    if call.region and call.region != region and call.operation not in EVERYWHERE:
        message = (
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint."
        )
        raise AwsError("PermanentRedirect", f"{message} It is in {region}.", 301, {"x-amz-bucket-region": region})


def _check_source(headers: Mapping[str, str], bucket: str, key: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html (CopySourceIfMatch)."""
    expected, found = headers.get("x-amz-copy-source-if-match"), _bucket(bucket)
    name, _, version = key.partition("?versionId=")
    copied = found.keys.getlist(unquote(name), []) if expected and found is not None else []
    wanted = [one for one in copied if not version or one.version_id == version][-1:]
    if any(expected and getattr(one, "etag", "").strip('"') != expected.strip('"') for one in wanted):
        raise AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)


def _check_metadata(headers: Mapping[str, str]) -> None:
    held = {name.removeprefix(METADATA): value for name, value in headers.items() if name.startswith(METADATA)}
    if sum(len(name.encode()) + len(value.encode()) for name, value in held.items()) > METADATA_BYTES:
        raise AwsError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")


def _source(call: Call) -> tuple[str, str]:
    """The bucket and the key that are copied; the key is quoted, and may end in a version."""
    source = unquote(call.headers.get("x-amz-copy-source", "")).lstrip("/")
    if source and "/" not in source and not source.startswith("arn:"):
        message = "Invalid copy source object key"
        raise AwsError("InvalidArgument", message)
    bucket, _, key = call.headers.get("x-amz-copy-source", "").lstrip("/").partition("/")
    return unquote(bucket), key


def _bucket(name: str) -> Any:
    from moto.s3.models import s3_backends

    held = (backend.buckets.get(name) for account in list(s3_backends.values()) for backend in list(account.values()))
    return next((bucket for bucket in held if bucket is not None), None)
