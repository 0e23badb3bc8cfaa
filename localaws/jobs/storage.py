"""A job's data: downloads its inputs from S3 and uploads its outputs, with the rights of its role."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from localaws.endpoints.model_data import split_s3_url
from localaws.jobs.record import JobError
from mlflow_common.safe_path import UnsafeNameError, below

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Storage:
    """S3 as one role sees it."""

    def __init__(self, s3: "S3Client", role: str, region: str) -> None:
        self.s3 = s3
        self._role = role
        self._region = region

    def keys(self, uri: str, data_type: str = "S3Prefix") -> list[tuple[str, str, str]]:
        """Bucket, key and relative path of each object of an input.

        Args:
            uri: `s3://bucket/prefix`, or the manifest's URI.
            data_type: S3Prefix or ManifestFile.

        Raises:
            JobError: there are no objects, or the role may not list them.
        """
        try:
            found = list(self._manifest(uri) if data_type == "ManifestFile" else self._prefix(uri))
        except (ClientError, BotoCoreError, ValueError, KeyError, TypeError) as error:
            raise JobError(
                f"ClientError: Data download failed:{self._none(uri)} Error message from S3: {error}"
            ) from None
        if not found:
            raise JobError(f"ClientError: Data download failed:{self._none(uri)}")
        return found

    def download(self, uri: str, folder: Path, data_type: str = "S3Prefix") -> None:
        """Download an input into `folder`.

        Raises:
            JobError: see `keys`; an object cannot be read, or two objects need the same path.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for bucket, key, relative in self.keys(uri, data_type):
            try:
                file = below(folder, relative)
                file.parent.mkdir(parents=True, exist_ok=True)
                self.s3.download_file(bucket, key, str(file))
            except (ClientError, BotoCoreError) as error:
                raise JobError(f"ClientError: Data download failed: s3://{bucket}/{key}: {error}") from None
            except (OSError, UnsafeNameError):
                # Source: https://github.com/aws/sagemaker-python-sdk/issues/1184
                raise JobError(
                    f"ClientError: Data download failed:Cannot download s3://{bucket}/{key}, a previously downloaded "
                    "file/folder clashes with it. Please check your s3 objects and ensure that there is no object "
                    "that is both a folder as well as a file."
                ) from None

    def read(self, bucket: str, key: str) -> bytes:
        """The content of an object."""
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, uri: str, content: bytes) -> None:
        """Write an object.

        Raises:
            JobError: the role may not.
        """
        bucket, key = split_s3_url(uri)
        try:
            self.s3.put_object(Bucket=bucket, Key=key, Body=content)
        except (ClientError, BotoCoreError) as error:
            raise JobError(f"ClientError: Failed to upload {uri}: {error}") from None

    def upload_file(self, file: Path, uri: str) -> None:
        """Upload one file.

        Raises:
            JobError: the role may not, or there is no such bucket.
        """
        bucket, key = split_s3_url(uri)
        try:
            self.s3.upload_file(str(file), bucket, key)
        except Exception as error:  # upload_file raises S3UploadFailedError, too.
            raise JobError(f"ClientError: Failed to upload output to {uri}: {error}") from None

    def upload(self, folder: Path, uri: str) -> None:
        """Upload a folder's files. Symbolic links are not uploaded, as on AWS.

        Raises:
            JobError: see `upload_file`.
        """
        for directory, _, names in os.walk(folder):
            for name in sorted(names):
                file = Path(directory, name)
                if file.is_file() and not file.is_symlink():
                    self.upload_file(file, f"{uri.rstrip('/')}/{file.relative_to(folder).as_posix()}")

    def _prefix(self, uri: str) -> Iterator[tuple[str, str, str]]:
        bucket, prefix = split_s3_url(uri)
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                key = item["Key"]
                if not key.endswith("/"):
                    yield bucket, key, _relative(prefix, key)

    def _manifest(self, uri: str) -> Iterator[tuple[str, str, str]]:
        """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html."""
        first, *names = json.loads(self.read(*split_s3_url(uri)))
        bucket, prefix = split_s3_url(first["prefix"])
        for name in names:
            yield bucket, prefix + name, name

    def _none(self, uri: str) -> str:
        # Source: https://github.com/aws/sagemaker-python-sdk/issues/1020
        return (
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
            f"exists in the selected region ({self._region}), that objects exist under that S3 prefix, and that the "
            f'role "{self._role}" has "s3:ListBucket" permissions on bucket "{split_s3_url(uri)[0]}".'
        )


def _relative(prefix: str, key: str) -> str:
    """An object's path below its input's folder. For `in/a/b.csv`: `a/b.csv` under `in`, `b.csv` under itself."""
    if key == prefix or not (key.startswith(prefix.rstrip("/") + "/") or not prefix):
        return key[prefix.rfind("/") + 1 :]
    return key[len(prefix) :].lstrip("/")
