"""SageMaker's checks of a tracking server's bucket."""

from typing import Any
from urllib.parse import urlsplit

from localaws.errors import AwsError


def check_bucket(uri: str, region: str, owner: str | None) -> None:
    """Reject an artifact store that the server cannot use.

    The status of the server then becomes CreateFailed. AWS's API reference lists no such error for
    CreateMlflowTrackingServer, and its guide creates the bucket beforehand in the server's region.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-cli.html

    Args:
        uri: the URI of the artifact store.
        region: the region of the tracking server.
        owner: the account that must own the bucket; None allows any account.

    Raises:
        AwsError: NoSuchBucket, or ValidationException if the region or the owner differs.
    """
    name = urlsplit(uri).netloc
    found, bucket = _find_bucket(name)
    if bucket is None:
        raise AwsError("NoSuchBucket", f"The specified bucket does not exist: {name}")
    if bucket.region_name != region:
        message = f"The bucket {name} is in {bucket.region_name}, the tracking server is in {region}."
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
