"""The operations of S3 that localaws has, and answers that moto lacks.

The HTTP method and a parameter of the URL such as `?metrics` decide which operation of S3 a request is. moto ignores
parameters that it does not know: without this check, DeleteBucketMetricsConfiguration deletes the bucket, and
RenameObject replaces the object.
"""

from functools import wraps
from typing import Any

from localaws.errors import AwsError
from localaws.moto_methods import original

# What moto carries out, or the functions below. A new operation of botocore's model is not here, and is refused.
_BUCKETS = {
    "Delete": "Bucket BucketCors BucketEncryption BucketLifecycle BucketOwnershipControls BucketPolicy"
    " BucketReplication BucketTagging BucketWebsite Objects PublicAccessBlock",
    "Get": "BucketAccelerateConfiguration BucketAcl BucketCors BucketEncryption BucketInventoryConfiguration"
    " BucketLifecycle BucketLifecycleConfiguration BucketLocation BucketLogging BucketNotification"
    " BucketNotificationConfiguration BucketOwnershipControls BucketPolicy BucketPolicyStatus BucketReplication"
    " BucketRequestPayment BucketTagging BucketVersioning BucketWebsite ObjectLockConfiguration PublicAccessBlock",
    "List": "BucketInventoryConfigurations Buckets MultipartUploads ObjectVersions Objects ObjectsV2",
    "Put": "BucketAccelerateConfiguration BucketAcl BucketCors BucketEncryption BucketInventoryConfiguration"
    " BucketLifecycle BucketLifecycleConfiguration BucketLogging BucketNotification BucketNotificationConfiguration"
    " BucketOwnershipControls BucketPolicy BucketReplication BucketTagging BucketVersioning BucketWebsite"
    " ObjectLockConfiguration PublicAccessBlock",
    # moto's model has the preflights of CORS; botocore's has none.
    "": "BucketCORSPreflightCheck CreateBucket HeadBucket",
}
_OBJECTS = {
    "Delete": "Object ObjectTagging",
    "Get": "Object ObjectAcl ObjectAttributes ObjectLegalHold ObjectRetention ObjectTagging",
    "Put": "Object ObjectAcl ObjectLegalHold ObjectRetention ObjectTagging",
    "": "AbortMultipartUpload CompleteMultipartUpload CopyObject CreateMultipartUpload HeadObject ListParts"
    " RestoreObject SelectObjectContent UploadPart UploadPartCopy ObjectCORSPreflightCheck",
}
IMPLEMENTED = frozenset(
    f"{verb}{noun}" for table in (_BUCKETS, _OBJECTS) for verb, nouns in table.items() for noun in nouns.split()
)


def check(operation: str) -> None:
    """Refuse an operation that moto would confuse with another. Requests that moto's model does not match have `-`.

    Raises:
        NotImplementedError.
    """
    if operation not in IMPLEMENTED and operation != "-":
        raise NotImplementedError("moto would carry out another operation of S3")


def install() -> None:
    """Let moto answer GetBucketRequestPayment and GetObjectRetention."""
    from moto.s3.responses import S3Response

    of_bucket, of_object = original(S3Response._bucket_response_get), original(S3Response._key_response_get)

    @wraps(of_bucket)
    def bucket_response_get(self: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        if "requestPayment" not in querystring:
            return of_bucket(self, bucket_name, querystring)
        self.backend.get_bucket(bucket_name)
        # "By default, the bucket owner pays for downloads": API_PutBucketRequestPayment, which localaws does not have.
        return _answer(self, "GetBucketRequestPayment", {"Payer": "BucketOwner"})

    @wraps(of_object)
    def key_response_get(self: Any, query: dict[str, Any], key_name: str) -> Any:
        return _retention(self) if "retention" in query else of_object(self, query, key_name)

    S3Response._bucket_response_get, S3Response._key_response_get = bucket_response_get, key_response_get


def _retention(response: Any) -> Any:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html."""
    from moto.s3.exceptions import LockNotEnabled

    if not response.backend.get_bucket(response.bucket_name).object_lock_enabled:
        raise LockNotEnabled
    key, _ = response._get_key()
    if not key.lock_mode:
        message = "The specified object does not have a ObjectLock configuration"
        raise AwsError("NoSuchObjectLockConfiguration", message, 404)
    kept = {"Mode": key.lock_mode, "RetainUntilDate": key.lock_until}
    return _answer(response, "GetObjectRetention", {"Retention": kept})


def _answer(response: Any, operation: str, result: dict[str, Any]) -> Any:
    from moto.core.responses import ActionResult

    response.data["Action"] = operation
    return response.serialized(ActionResult(result))
