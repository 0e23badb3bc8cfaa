"""Brings a model's archive from S3 into the folder that its container sees as /opt/ml/model."""

import tarfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from localaws.endpoints.reasons import download_failed, extract_failed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def split_s3_url(url: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    parts = urlsplit(url)
    return parts.netloc, parts.path.lstrip("/")


def fetch(url: str, s3: "S3Client", folder: Path) -> None:
    """Downloads the archive at `url` and unpacks it into `folder`.

    Raises:
        DeploymentError: there is no such object, or it is no gzipped tar of plain files and folders.
    """
    bucket, key = split_s3_url(url)
    archive = folder.with_suffix(".tar.gz")
    folder.mkdir(parents=True)
    try:
        s3.download_file(bucket, key, str(archive))
    except (BotoCoreError, ClientError) as error:
        raise download_failed(url) from error
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                # AWS cannot unpack links either: https://repost.aws/knowledge-center/sagemaker-endpoint-creation-fail
                if not (member.isfile() or member.isdir()):
                    raise extract_failed(url)
                # The filter refuses what would land outside the folder.
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise extract_failed(url) from error
    finally:
        archive.unlink()
