"""Objects below an S3 URI: what monitoring reads and writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow_common.errors import PlatformError, error_code
from mlflow_platform.endpoints.model_archive import split_uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = {"404", "NoSuchKey", "NotFound"}
T = TypeVar("T")


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

    def read_json(self, key: str, parse: Callable[[Any], T], missing: T) -> T:
        """What `parse` makes of an object's JSON; `missing` if there is no object.

        Raises:
            PlatformError: it is not as monitoring writes it. Those who may write artifacts may write it too.
        """
        content = self.read(key)
        if content is None:
            return missing
        try:
            return parse(json.loads(content))
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
            raise PlatformError(
                f"{self.uri(key)} is not as monitoring writes it. Restore its last version, or delete it."
            ) from None

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Write an object."""
        extra: dict[str, Any] = {"ContentType": content_type}
        self._s3.put_object(Bucket=self._bucket, Key=f"{self._prefix}{key}", Body=content, **extra)
