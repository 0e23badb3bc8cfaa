"""A model's archive: the model.tar.gz that an endpoint unpacks, made from a model folder in S3 and put back there.

The same model gives the same bytes and the same digest on every machine, so that names made from the digest say
whether anything is to be done. Files go from S3 to disk and back in pieces; none is held in memory.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mlflow_common.errors import InputError, PreconditionError, error_code
from mlflow_platform.endpoints.model import ARCHIVE_SUFFIX

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MLMODEL = "MLmodel"
_MISSING = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True)
class Archive:
    """An archive on this machine's disk. `digest` is of the archive's contents before compression."""

    path: Path
    digest: str
    run_id: str | None


def split_uri(uri: str) -> tuple[str, str]:
    """The bucket and the key (without slashes at its ends) of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.strip("/")


def make(s3: S3Client, location: str, folder: Path) -> Archive:
    """Make the archive of the model at an S3 location, a model folder or a finished archive, in a local folder.

    Raises:
        InputError: there is no model there.
        PreconditionError: its bucket does not exist.
    """
    path = folder / "model.tar.gz"
    if location.endswith(ARCHIVE_SUFFIX):
        return _fetch(s3, location, path)
    model = folder / "model"
    _download(s3, location, model)
    if not (model / MLMODEL).is_file():
        raise InputError(f"there is no MLflow model at {location}: no {MLMODEL} file lies there")
    return Archive(path, _pack(model, path), _run_id((model / MLMODEL).read_text()))


def upload(s3: S3Client, archive: Archive, uri: str, tags: Mapping[str, str]) -> None:
    """Put an archive to an S3 URI that has its digest in the name, unless it is there already.

    Raises:
        PreconditionError: the bucket does not exist.
    """
    bucket, key = split_uri(uri)
    try:
        s3.head_object(Bucket=bucket, Key=key)
        return
    except s3.exceptions.ClientError as error:
        if error_code(error) not in _MISSING | {"NoSuchBucket"}:
            raise
    _require_bucket(s3, bucket)
    s3.upload_file(str(archive.path), bucket, key, ExtraArgs={"Tagging": urlencode(tags)})


def _download(s3: S3Client, location: str, model: Path) -> None:
    bucket, prefix = split_uri(location)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    try:
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    except s3.exceptions.ClientError as error:
        raise _no_bucket(bucket, error) from None
    for key in keys:
        relative = PurePosixPath(key[len(prefix) + 1 :])
        if key.endswith("/") or ".." in relative.parts:
            continue
        target = model / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))


def _pack(model: Path, path: Path) -> str:
    """Pack a folder so that only its files' names and contents count. Returns the digest."""
    # Weights hardly compress: the fastest level costs half the time and next to no space.
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=1, mtime=0) as compressed,
    ):
        hashed = _Hashing(compressed)
        stream: Any = hashed  # tarfile only ever writes to it
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for source in sorted(file for file in model.rglob("*") if file.is_file()):
                entry = tarfile.TarInfo(source.relative_to(model).as_posix())
                entry.size = source.stat().st_size
                with source.open("rb") as content:
                    tar.addfile(entry, content)
    return hashed.digest()


class _Hashing:
    """A file to write to that passes everything on and keeps its digest.

    The digest is of the uncompressed bytes: those of gzip differ between versions of zlib.
    """

    def __init__(self, target: gzip.GzipFile) -> None:
        self._target = target
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._target.write(data)

    def digest(self) -> str:
        return self._hash.hexdigest()


def _fetch(s3: S3Client, location: str, path: Path) -> Archive:
    bucket, key = split_uri(location)
    try:
        s3.download_file(bucket, key, str(path))
    except s3.exceptions.ClientError as error:
        if error_code(error) in _MISSING:
            raise InputError(f"there is no archive at {location}") from None
        raise _no_bucket(bucket, error) from None
    digest = hashlib.sha256()
    try:
        with tarfile.open(path, "r:gz") as tar:
            mlmodel = next((entry for entry in tar if entry.name.removeprefix("./") == MLMODEL), None)
            content = tar.extractfile(mlmodel) if mlmodel else None
            text = content.read().decode() if content else None
        with gzip.open(path) as unpacked:
            while piece := unpacked.read(1 << 20):
                digest.update(piece)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError):
        raise InputError(f"{location} is no tar.gz archive") from None
    if text is None:
        raise InputError(f"{location} has no {MLMODEL} at its top: pack the model folder's contents, not the folder")
    return Archive(path, digest.hexdigest(), _run_id(text))


def _run_id(mlmodel: str) -> str | None:
    """The run that an MLmodel file says it was logged in."""
    values = (line.removeprefix("run_id:").strip() for line in mlmodel.splitlines() if line.startswith("run_id:"))
    run_id = next(values, "")
    return run_id if run_id not in {"", "null"} else None


def _require_bucket(s3: S3Client, bucket: str) -> None:
    try:
        # Not HeadBucket: it takes the right to list, which is given for the store's prefix only.
        s3.get_bucket_location(Bucket=bucket)
    except s3.exceptions.ClientError as error:
        raise _no_bucket(bucket, error) from None


def _no_bucket(bucket: str, error: Exception) -> Exception:
    """The error that says so, if the bucket does not exist; else the error as it came."""
    if error_code(error) in _MISSING | {"NoSuchBucket"}:
        return PreconditionError(f"the bucket {bucket} does not exist: create the environment's with `make apply`")
    return error
