"""Downloads a model's archive from S3 and unpacks it into its container's model folder (/opt/ml/model on AWS)."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from localaws.endpoints.reasons import download_failed, extract_failed
from mlflow_common.safe_path import UnsafeNameError
from mlflow_common.unpacking import UNREADABLE, TooLargeError, check_end, opened, target, write

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# An archive of a few kilobytes can unpack into terabytes. An instance's own volume has 30 GB by default.
MOST_BYTES = 30 << 30
MOST_MEMBERS = 100_000


def split_s3_url(url: str) -> tuple[str, str]:
    """Return bucket and key of `s3://bucket/key`."""
    parts = urlsplit(url)
    return parts.netloc, parts.path.lstrip("/")


def fetch(url: str, s3: "S3Client", folder: Path) -> None:
    """Download the archive at `url` and unpack it into `folder`.

    Raises:
        DeploymentError: the object cannot be downloaded, is not a gzipped tar of regular files and folders, or has more
            than `MOST_BYTES` (unpacked, with headers) or `MOST_MEMBERS`.
    """
    bucket, key = split_s3_url(url)
    archive = folder.with_suffix(".tar.gz")
    folder.mkdir(parents=True)
    try:
        s3.download_file(bucket, key, str(archive))
    except (BotoCoreError, ClientError) as error:
        raise download_failed(url) from error
    try:
        with archive.open("rb") as packed, opened(packed, MOST_BYTES) as tar:
            for number, member in enumerate(tar):
                # Before the member is written: `opened` notices it only after MOST_BYTES.
                if number >= MOST_MEMBERS or member.offset_data + member.size > MOST_BYTES:
                    raise extract_failed(url)
                # AWS cannot unpack links either: https://repost.aws/knowledge-center/sagemaker-endpoint-creation-fail
                write(tar, member, target(member, folder))
            check_end(tar)
    except (*UNREADABLE, OSError, TooLargeError, UnsafeNameError) as error:
        raise extract_failed(url) from error
    finally:
        archive.unlink()
