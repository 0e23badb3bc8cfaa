"""The objects of the artifact store: sums by folder, and deletion below a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import PlatformError
from mlflow_platform.endpoints.model_archive import split_uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NEVER = datetime.min.replace(tzinfo=UTC)
# S3's limit for DeleteObjects (S3 API reference).
_AT_ONCE = 1000
# The folders that MLflow's server makes below the artifact store: EXPERIMENT/RUN and EXPERIMENT/models/MODEL.
_OWNED = re.compile(r"(?P<experiment>\d+)/(?P<owner>[0-9a-f]{32}|models/m-[0-9a-f]{32})/")


@dataclass
class Folder:
    """The sum of the objects below a folder. `changed` is the time of the newest one."""

    objects: int = 0
    size: int = 0
    changed: datetime = _NEVER

    def add(self, item: Any) -> None:
        """Add an object of a listing."""
        self.objects += 1
        self.size += item["Size"]
        self.changed = max(self.changed, item["LastModified"])


def listed(s3: S3Client, uri: str) -> Iterator[Any]:
    """The objects below a folder, as S3 lists them."""
    bucket, prefix = split_uri(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/" if prefix else "")
    for page in pages:
        yield from page.get("Contents", [])


def sum_of(s3: S3Client, uri: str) -> Folder:
    """The sum of the objects below a folder."""
    found = Folder()
    for item in listed(s3, uri):
        found.add(item)
    return found


def owned_folders(s3: S3Client, store: str) -> dict[str, Folder]:
    """The folders of runs and logged models below the artifact store, by URI with a slash at the end.

    Other objects (backups, archives of endpoints, captured data) are in other folders and are left out.
    """
    bucket, prefix = split_uri(store)
    root = f"{prefix}/" if prefix else ""
    found: dict[str, Folder] = {}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=root, Delimiter="/")
    tops = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    for top in tops:
        if not top.removeprefix(root).rstrip("/").isdigit():
            continue
        for item in listed(s3, f"s3://{bucket}/{top}"):
            match = _OWNED.match(item["Key"], len(root))
            if match:
                uri = f"s3://{bucket}/{item['Key'][: match.end()]}"
                found.setdefault(uri, Folder()).add(item)
    return found


def keeps_versions(s3: S3Client, store: str) -> bool:
    """Whether the bucket has versioning, so that deleted objects are only marked.

    Looks at one object: an admin of the environment may list versions, but not read the bucket's settings.
    """
    bucket, prefix = split_uri(store)
    answer = s3.list_object_versions(Bucket=bucket, Prefix=f"{prefix}/" if prefix else "", MaxKeys=1)
    return any(version["VersionId"] != "null" for version in answer.get("Versions", []))


def delete_below(s3: S3Client, uri: str) -> int:
    """Delete the objects below a folder. Returns their number. Idempotent.

    Raises:
        PlatformError: S3 refused to delete some of them; the others are deleted.
    """
    bucket, _ = split_uri(uri)
    keys = [item["Key"] for item in listed(s3, uri)]
    refused: list[Any] = []
    for start in range(0, len(keys), _AT_ONCE):
        batch: Any = [{"Key": key} for key in keys[start : start + _AT_ONCE]]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        refused += answer.get("Errors", [])
    if refused:
        first = refused[0]
        raise PlatformError(
            f"S3 refused to delete {len(refused)} of {len(keys)} objects below {uri}, the first of them "
            f"{first.get('Key')} ({first.get('Code')}: {first.get('Message')})"
        )
    return len(keys)
