"""What S3 refuses in uploads: parts and their order, conditions, and object lock.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html (part numbers),
API_CompleteMultipartUpload (errors), https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
(If-None-Match takes only *), API_CopyObject (If-Match, If-None-Match) and API_PutObject (x-amz-object-lock-*).
"""

import re
from typing import Any

from localaws.call import Call
from localaws.errors import AwsError
from localaws.quotas.s3_buckets import check_until

PARTS = range(1, 10001)
_NUMBER = re.compile(rb"<PartNumber>\s*(\d{1,9})\s*</PartNumber>")
_OF_UPLOADS = frozenset(
    {"AbortMultipartUpload", "CompleteMultipartUpload", "ListParts", "UploadPart", "UploadPartCopy"}
)
_MODE, _UNTIL = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"


def check(call: Call, bucket: Any) -> None:
    """Refuse an upload.

    Args:
        bucket: moto's; None if it does not exist.

    Raises:
        AwsError: with S3's code.
    """
    if call.operation in _OF_UPLOADS and bucket is not None:
        _check_upload(call, bucket)
    if call.operation in ("PutObject", "CopyObject", "CompleteMultipartUpload"):
        _check_conditions(call, bucket)
    if call.operation in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        _check_lock(call)


def _check_upload(call: Call, bucket: Any) -> None:
    query = call.query_parameters
    number = query.get("partNumber", "")
    if call.operation.startswith("UploadPart") and (not number.isdecimal() or int(number) not in PARTS):
        raise AwsError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    upload = bucket.multiparts.get(query.get("uploadId"))
    if upload is None or upload.key_name != call.parameters.get("Key"):
        message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
        raise AwsError("NoSuchUpload", f"{message}aborted or completed.", 404)
    numbers = [int(one) for one in _NUMBER.findall(call.body or b"")]
    if call.operation == "CompleteMultipartUpload" and numbers != sorted(set(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise AwsError("InvalidPartOrder", message)


def _check_conditions(call: Call, bucket: Any) -> None:
    """Compare If-Match and If-None-Match with the object that would be replaced. moto overwrites it with a copy."""
    expected, unless = call.headers.get("if-match"), call.headers.get("if-none-match")
    if unless not in (None, "*"):
        message = "A header you provided implies functionality that is not implemented"
        raise AwsError("NotImplemented", message, 501)
    # A delete marker has no ETag: the key holds nothing.
    found = getattr(bucket.keys.get(call.parameters.get("Key")), "etag", None) if bucket is not None else None
    if expected and found is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
    if found is not None and (unless or (expected and expected.strip('"') != found.strip('"'))):
        raise AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)


def _check_lock(call: Call) -> None:
    mode, until = call.headers.get(_MODE), call.headers.get(_UNTIL)
    if bool(mode) != bool(until):
        message = f"{_UNTIL} and {_MODE} must both be supplied"
        raise AwsError("InvalidArgument", message)
    check_until(until)
