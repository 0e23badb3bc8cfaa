"""A model's archive: the model.tar.gz that an endpoint unpacks, from a model folder in S3, packed while it is uploaded.

The same model gives the same bytes and the same digest on every machine. So a name derived from the digest tells
whether there is anything to do. Files are copied in pieces and never held in memory, and no archive is on the disk.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mlflow_common.errors import InputError, PreconditionError, error_code
from mlflow_common.safe_path import UnsafeNameError, below, relative_name
from mlflow_common.unpacking import UNREADABLE, TooLargeError, opened
from mlflow_platform.endpoints.model import ARCHIVE_SUFFIX
from mlflow_platform.endpoints.tar_stream import TarGzReader, digest_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MLMODEL = "MLmodel"
# The input example in the form of a request (mlflow.models.utils, SERVING_INPUT_FILENAME).
EXAMPLE = "serving_input_example.json"
# InvokeEndpoint's bound on a body (SageMaker Runtime API). A larger example is not sent.
_LARGEST_EXAMPLE = 6 << 20
# Bounds on what a model's writer can make this machine do. A production variant's volume holds at most 512 GB
# (VolumeSizeInGB: docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html).
MOST_FILES = 100_000
LARGEST_UNPACKED = 512 << 30
# An archive that unpacks to more than this is refused if it is also this many times smaller: weights hardly compress,
# and gzip reaches a factor of about 1,000 only with data made for it (a decompression bomb).
UNPACKED_OF_ANY = 4 << 30
_LARGEST_FACTOR = 100
_LARGEST_MLMODEL = 8 << 20
# A multipart upload has at most 10,000 parts (S3, qfacts.html); compressing may add a little.
_LEAST_PART, _MOST_PARTS, _UPLOADS = 8 << 20, 9_000, 4
_MISSING = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True)
class ModelArchive:
    """A model on this machine's disk. `path` is its folder, or a finished archive.

    `digest` is the digest of the archive's contents before compression. `example` is the model's input example as a
    request (JSON), if it was logged with one.
    """

    path: Path
    digest: str
    run_id: str | None
    example: bytes | None = None

    @property
    def size(self) -> int:
        """About how many bytes the archive has, at most."""
        files = self.path.rglob("*") if self.path.is_dir() else (self.path,)
        return sum(file.stat().st_size for file in files if file.is_file())

    def open(self) -> Any:
        """The archive as a readable binary file. A folder is packed while it is read."""
        return TarGzReader(self.path) if self.path.is_dir() else self.path.open("rb")


def split_uri(uri: str) -> tuple[str, str]:
    """The bucket and the key (without slashes at its ends) of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.strip("/")


def most_unpacked(size: int) -> int:
    """How many bytes an archive of this size may unpack to; one that unpacks to more is a decompression bomb."""
    return min(LARGEST_UNPACKED, max(UNPACKED_OF_ANY, _LARGEST_FACTOR * size))


def make(s3: S3Client, location: str, folder: Path) -> ModelArchive:
    """Fetch a model into a local folder. The S3 location is a model folder or a finished archive.

    Raises:
        InputError: there is no model there.
        PreconditionError: its bucket does not exist.
    """
    if location.endswith(ARCHIVE_SUFFIX):
        return _fetch(s3, location, folder / "model.tar.gz")
    model = folder / "model"
    _download(s3, location, model)
    if not (model / MLMODEL).is_file():
        raise InputError(f"there is no MLflow model at {location}: the folder has no {MLMODEL} file.")
    with (model / MLMODEL).open("rb") as file:
        text = _mlmodel_text(file.read(_LARGEST_MLMODEL + 1), location)
    return ModelArchive(model, digest_of(model), _run_id(text), _example(model / EXAMPLE))


def upload(s3: S3Client, archive: ModelArchive, uri: str, tags: Mapping[str, str]) -> None:
    """Upload an archive to an S3 URI that contains its digest, unless it exists there already.

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
    # Setting tags requires a separate permission, even if there are none.
    from boto3.s3.transfer import TransferConfig

    # Each thread holds a part in memory.
    part = max(_LEAST_PART, archive.size // _MOST_PARTS)
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part, max_concurrency=_UPLOADS)
    with archive.open() as content:
        s3.upload_fileobj(content, bucket, key, ExtraArgs={"Tagging": urlencode(tags)} if tags else {}, Config=config)


def read_example(s3: S3Client, uri: str) -> bytes | None:
    """The input example in an archive in S3, which is read only up to there; None if it has none or cannot be read."""
    if not uri.startswith("s3://"):
        return None
    bucket, key = split_uri(uri)
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
        with opened(found["Body"], most_unpacked(found["ContentLength"])) as tar:
            for number, member in enumerate(tar):
                if number >= MOST_FILES:
                    break
                if member.name.removeprefix("./") == EXAMPLE and member.isfile() and member.size <= _LARGEST_EXAMPLE:
                    content = tar.extractfile(member)
                    return content.read() if content else None
    except (s3.exceptions.ClientError, TooLargeError, *UNREADABLE):
        return None
    return None


def _download(s3: S3Client, location: str, model: Path) -> None:
    bucket, prefix = split_uri(location)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    keys: list[str] = []
    size = 0
    try:
        for page in pages:
            for item in page.get("Contents", []):
                if not item["Key"].endswith("/"):
                    keys.append(item["Key"])
                    size += item["Size"]
            if len(keys) > MOST_FILES:
                raise InputError(f"{location} contains more than {MOST_FILES:,} files. Name the model's own folder.")
    except s3.exceptions.ClientError as error:
        raise _no_bucket(bucket, error) from None
    model.mkdir(parents=True, exist_ok=True)
    _check_room(model, size, location)
    _check_names(bucket, prefix, keys)
    for key in keys:
        target = below(model, key[len(prefix) + 1 :])
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))


def _check_names(bucket: str, prefix: str, keys: list[str]) -> None:
    """Refuse keys that cannot all become files below one folder, before anything is downloaded."""
    files = set(keys)
    for key in keys:
        try:
            relative_name(key[len(prefix) + 1 :])
        except UnsafeNameError as error:
            raise InputError(
                f"the object {key!a} in {bucket} cannot be part of a model: {error.reason}. Delete it."
            ) from None
        folder = key.rpartition("/")[0]
        while len(folder) > len(prefix):
            if folder in files:
                raise InputError(
                    f"{bucket} holds {folder!r} and {key!r}: one name cannot be both a file and a folder. "
                    "Delete one of the two objects."
                )
            folder = folder.rpartition("/")[0]


def _check_room(folder: Path, size: int, location: str) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise PreconditionError(
            f"{location} has {size / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free in {folder.parent}. "
            "Free some space, or set TMPDIR to a folder on a larger disk."
        )


def _fetch(s3: S3Client, location: str, path: Path) -> ModelArchive:
    bucket, key = split_uri(location)
    try:
        s3.download_file(bucket, key, str(path))
    except s3.exceptions.ClientError as error:
        if error_code(error) in _MISSING:
            raise InputError(f"there is no archive at {location}.") from None
        raise _no_bucket(bucket, error) from None
    most = most_unpacked(path.stat().st_size)
    try:
        text, example = _check_members(path, location, most)
        digest = _digest_of(path, most)
    except TooLargeError:
        raise InputError(
            f"{location} unpacks to more than {most / (1 << 30):.1f} GB. An endpoint's volume holds "
            f"{LARGEST_UNPACKED >> 30} GB, and an archive may be at most {_LARGEST_FACTOR} times smaller than its "
            "contents."
        ) from None
    except UNREADABLE:
        raise InputError(f"{location} is not a tar.gz archive.") from None
    if text is None:
        raise InputError(
            f"{location} has no {MLMODEL} at its top level. Pack the contents of the model folder, not the folder."
        )
    return ModelArchive(path, digest, _run_id(text), example)


def _check_members(path: Path, location: str, most: int) -> tuple[str | None, bytes | None]:
    """Refuse an archive that would not unpack into one folder. Returns its MLmodel file and its input example."""
    text, example = None, None
    with path.open("rb") as packed, opened(packed, most) as tar:
        for number, member in enumerate(tar):
            if number >= MOST_FILES:
                raise InputError(f"{location} contains more than {MOST_FILES:,} files.")
            name = member.name.removeprefix("./")
            if name in {"", "."}:
                continue
            try:
                relative_name(name)
            except UnsafeNameError as error:
                raise InputError(f"{location} would unpack outside its folder: {error.message}") from None
            # SageMaker cannot unpack links: https://repost.aws/knowledge-center/sagemaker-endpoint-creation-fail
            if not (member.isfile() or member.isdir()):
                raise InputError(f"{location} holds {name!r}, which is neither a file nor a folder. Pack it again.")
            if name == MLMODEL and (content := tar.extractfile(member)) is not None:
                text = _mlmodel_text(content.read(_LARGEST_MLMODEL + 1), location)
            elif name == EXAMPLE and member.size <= _LARGEST_EXAMPLE and (content := tar.extractfile(member)):
                example = content.read()
    return text, example


def _example(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() and file.stat().st_size <= _LARGEST_EXAMPLE else None


def _digest_of(path: Path, most: int) -> str:
    digest, size = hashlib.sha256(), 0
    with gzip.open(path) as unpacked:
        while piece := unpacked.read(1 << 20):
            digest.update(piece)
            size += len(piece)
            if size > most:
                raise TooLargeError
    return digest.hexdigest()


def _mlmodel_text(content: bytes, location: str) -> str:
    if len(content) > _LARGEST_MLMODEL:
        raise InputError(f"the {MLMODEL} file of {location} is larger than {_LARGEST_MLMODEL >> 20} MB.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InputError(f"the {MLMODEL} file of {location} is not UTF-8 text.") from None


def _run_id(mlmodel: str) -> str | None:
    """The run that an MLmodel file names."""
    values = (line.removeprefix("run_id:").strip() for line in mlmodel.splitlines() if line.startswith("run_id:"))
    run_id = next(values, "")
    return run_id if run_id not in {"", "null"} else None


def _require_bucket(s3: S3Client, bucket: str) -> None:
    try:
        # Not HeadBucket: it requires the permission to list, which is granted for the store's prefix only.
        s3.get_bucket_location(Bucket=bucket)
    except s3.exceptions.ClientError as error:
        raise _no_bucket(bucket, error) from None


def _no_bucket(bucket: str, error: Exception) -> Exception:
    """An explanation if the bucket does not exist; otherwise the error itself."""
    if error_code(error) in _MISSING | {"NoSuchBucket"}:
        return PreconditionError(
            f"the bucket {bucket} does not exist. Create the environment's bucket with `make apply`."
        )
    return error
