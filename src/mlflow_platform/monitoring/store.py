"""Objects below an S3 URI: what monitoring reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import error_code
from mlflow_platform.endpoints.model_archive import split_uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True)
class Item:
    """An object: its key below the store's root, its ETag and when it was last written."""

    key: str
    etag: str
    modified: datetime


class Store:
    """The objects below an S3 URI. Keys are relative to it."""

    def __init__(self, s3: S3Client, root: str) -> None:
        self._s3 = s3
        self._bucket, prefix = split_uri(root)
        self._prefix = f"{prefix}/" if prefix else ""

    def uri(self, key: str) -> str:
        """The S3 URI of a key."""
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def list(self, folder: str) -> Iterator[Item]:
        """The objects in a folder (with a slash at its end) and below it, in the order of their keys."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._prefix}{folder}"
        )
        for page in pages:
            for found in page.get("Contents", []):
                key = found["Key"].removeprefix(self._prefix)
                yield Item(key, found["ETag"].strip('"'), found["LastModified"])

    def read(self, key: str) -> bytes | None:
        """The content of an object; None if there is none."""
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=f"{self._prefix}{key}")["Body"].read()
        except self._s3.exceptions.ClientError as error:
            if error_code(error) in _MISSING:
                return None
            raise

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Write an object."""
        extra: dict[str, Any] = {"ContentType": content_type}
        self._s3.put_object(Bucket=self._bucket, Key=f"{self._prefix}{key}", Body=content, **extra)
