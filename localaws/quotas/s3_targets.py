"""What S3 refuses because of other resources: destinations of notifications and replication, and keys without KMS.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html ("Amazon S3 first
verifies that any SNS or SQS destination exists"), API_PutBucketReplication and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-requirements.html (versioning of both buckets), and
API_ServerSideEncryptionByDefault (KMSMasterKeyID).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from moto.s3.models import S3Backend, s3_backends

from localaws.call import current_call
from localaws.errors import AwsError
from localaws.quotas import function_targets

SKIP = "x-amz-skip-destination-validation"


def install() -> None:
    """Change moto's S3."""
    notify, replicate = S3Backend.put_bucket_notification_configuration, S3Backend.put_bucket_replication
    encrypt = S3Backend.put_bucket_encryption

    def put_bucket_notification_configuration(self: Any, bucket_name: str, given: dict[str, Any]) -> None:
        function_targets.check_notifications(given)
        call = current_call.get(None)
        if call is None or call.headers.get(SKIP, "").lower() != "true":
            check_notifications(self.account_id, given)
        notify(self, bucket_name, given)

    def put_bucket_replication(self: Any, bucket_name: str, given: dict[str, Any]) -> None:
        check_replication(self.account_id, given)
        replicate(self, bucket_name, given)

    def put_bucket_encryption(self: Any, bucket_name: str, given: dict[str, Any]) -> None:
        check_encryption(given)
        encrypt(self, bucket_name, given)

    S3Backend.put_bucket_notification_configuration = put_bucket_notification_configuration
    S3Backend.put_bucket_replication = put_bucket_replication
    S3Backend.put_bucket_encryption = put_bucket_encryption


def check_notifications(account: str, given: Mapping[str, Any]) -> None:
    """Refuse topics and queues of this account that do not exist."""
    absent = [arn for arn in _destinations(given) if arn.split(":")[4:5] == [account] and not _exists(account, arn)]
    if absent:
        message = f"Unable to validate the following destination configurations: {', '.join(absent)}"
        raise AwsError("InvalidArgument", message)


def check_replication(account: str, given: Mapping[str, Any]) -> None:
    """Refuse buckets of this account that do not exist or keep no versions; others cannot be looked up."""
    for rule in _listed(given.get("Rule")):
        destination = rule.get("Destination") or {}
        name = str(destination.get("Bucket") or "").rpartition(":")[2]
        bucket = s3_backends[account]["aws"].buckets.get(name)
        owner = destination.get("Account") or account
        if owner == account and bucket is None:
            raise AwsError("InvalidRequest", "Destination bucket must exist.")
        if bucket is not None and bucket.versioning_status != "Enabled":
            raise AwsError("InvalidRequest", "Destination bucket must have versioning enabled.")


def check_encryption(given: Mapping[str, Any]) -> None:
    """Refuse a key for an algorithm without keys."""
    for rule in _listed(given.get("Rule")):
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        if default.get("KMSMasterKeyID") and not str(default.get("SSEAlgorithm")).startswith("aws:kms"):
            message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
            raise AwsError("InvalidArgument", message)


def _destinations(given: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("Topic", "Queue"):
        for one in _listed(given.get(f"{kind}Configuration")):
            yield str(one.get(kind) or "")


def _listed(given: Any) -> list[dict[str, Any]]:
    found = given if isinstance(given, list) else [given]
    return [one for one in found if isinstance(one, dict)]


def _exists(account: str, arn: str) -> bool:
    from moto.sns.models import sns_backends
    from moto.sqs.models import sqs_backends

    _, _, service, region, _, name = arn.split(":", 5)
    if service == "sns":
        return arn in sns_backends[account][region].topics
    return name in sqs_backends[account][region].queues
