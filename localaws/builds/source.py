"""Fetches a build's source from S3 with the service role: a folder, or one zip file."""

import zipfile
from pathlib import Path
from typing import IO, Any

from mlflow_common.safe_path import below

# Bytes. A build's source is code; more is a mistake or a decompression bomb.
MOST = 512 * 1024 * 1024


class SourceError(Exception):
    """The source cannot be fetched; the text is for the build's phase context."""


def fetch(s3: Any, source: dict[str, Any], folder: Path) -> None:
    """Put a project's source into a folder.

    Args:
        s3: a client of the service role.
        source: the project's `source`: type S3 with a location BUCKET/KEY.zip or BUCKET/FOLDER/, or NO_SOURCE.

    Raises:
        SourceError: localaws does not know the type, or the source is too large.
        botocore.exceptions.ClientError: the role may not read it, or it does not exist.
    """
    kind = source["type"]
    if kind == "NO_SOURCE":
        return
    if kind != "S3":
        raise SourceError(f"localaws builds from S3, CODECOMMIT, GITHUB and NO_SOURCE, not from {kind}")
    bucket, _, key = source["location"].partition("/")
    if key.endswith("/") or not key:
        _fetch_folder(s3, bucket, key, folder)
    else:
        archive = folder / ".source.zip"
        s3.download_file(bucket, key, str(archive))
        unpack(archive, folder)
        archive.unlink()


def _fetch_folder(s3: Any, bucket: str, prefix: str, folder: Path) -> None:
    total = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            name = item["Key"].removeprefix(prefix)
            if not name or name.endswith("/"):
                continue
            total += item["Size"]
            _check(total)
            file = below(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(file))


def unpack(archive: Path | IO[bytes], folder: Path) -> None:
    """Unpack a zip file, given by its path or content.

    Raises:
        SourceError: the content is too large.
        UnsafeNameError: a name would leave the folder.
    """
    with zipfile.ZipFile(archive) as contents:
        _check(sum(member.file_size for member in contents.infolist()))
        for member in contents.infolist():
            if member.is_dir():
                continue
            file = below(folder, member.filename)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(contents.read(member))
            file.chmod(member.external_attr >> 16 & 0o777 or 0o644)


def _check(total: int) -> None:
    if total > MOST:
        raise SourceError(f"the source has more than {MOST // 1024 // 1024} MiB")
