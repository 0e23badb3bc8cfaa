"""What SageMaker looks at before a tracking server may use a bucket."""

from typing import Any
from urllib.parse import urlsplit

from localaws.errors import AwsError


def check_bucket(uri: str, region: str, owner: str | None) -> None:
    """Refuses an artifact store that the server could not use.

    AWS's API reference lists no error of CreateMlflowTrackingServer for it, and its guide has the bucket made
    beforehand in the server's region: so the server ends in CreateFailed, as it does when its start fails.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-cli.html

    Args:
        uri: of the artifact store.
        region: the tracking server's.
        owner: the account that the bucket must belong to; None where any will do.

    Raises:
        AwsError: NoSuchBucket, or ValidationException for another region or another owner.
    """
    name = urlsplit(uri).netloc
    found, bucket = _find_bucket(name)
    if bucket is None:
        raise AwsError("NoSuchBucket", f"The specified bucket does not exist: {name}")
    if bucket.region_name != region:
        message = f"The bucket {name} is in {bucket.region_name}, the tracking server in {region}."
        raise AwsError("ValidationException", message)
    if owner not in (None, found):
        raise AwsError("ValidationException", f"The bucket {name} does not belong to account {owner}.")


def _find_bucket(name: str) -> tuple[str, Any]:
    from moto.s3.models import s3_backends

    for account, backends in s3_backends.items():
        bucket = backends["aws"].buckets.get(name)
        if bucket:
            return account, bucket
    return "", None
