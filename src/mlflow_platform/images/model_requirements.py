"""Reads a model's requirements and Python version from its files in S3, without the model itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError, PreconditionError, error_code
from mlflow_common.unpacking import UNREADABLE, TooLargeError, opened
from mlflow_platform.endpoints.model import ARCHIVE_SUFFIX
from mlflow_platform.endpoints.model_archive import MOST_FILES, most_unpacked, split_uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_REQUIREMENTS, _PYTHON_ENV = "requirements.txt", "python_env.yaml"
_NAMES = (_REQUIREMENTS, _PYTHON_ENV)
_MOST = 1 << 20  # bytes of either file
_MISSING = {"404", "NoSuchKey", "NotFound"}
# python_env.yaml is written by MLflow: `python: 3.12.4` on a line of its own.
_PYTHON = re.compile(r"^python:\s*['\"]?([0-9][0-9.]*)['\"]?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class ModelRequirements:
    """What a model needs to run.

    Attributes:
        text: the content of requirements.txt.
        python: the version of Python that the model was logged with, such as "3.12.4".
        source: where they were read, for messages.
    """

    text: str
    python: str
    source: str


def read_requirements(s3: S3Client, location: str) -> ModelRequirements:
    """Read the requirements of a model in S3: of a model folder or of a finished model.tar.gz.

    Raises:
        InputError: there is no model, or it does not say what it needs.
        PreconditionError: its bucket does not exist.
    """
    found = _of_archive(s3, location) if location.endswith(ARCHIVE_SUFFIX) else _of_folder(s3, location)
    if _REQUIREMENTS not in found:
        raise InputError(
            f"there is no MLflow model with a {_REQUIREMENTS} file at {location}. Check the location, or log the model "
            "again."
        )
    match = _PYTHON.search(found.get(_PYTHON_ENV, ""))
    if match is None:
        raise InputError(
            f"the model at {location} does not name its Python version in {_PYTHON_ENV}. Build its image with "
            "--requirements FILE --python VERSION."
        )
    return ModelRequirements(found[_REQUIREMENTS], match[1], f"{location.rstrip('/')}/{_REQUIREMENTS}")


def _of_folder(s3: S3Client, location: str) -> dict[str, str]:
    bucket, prefix = split_uri(location)
    found = {}
    for name in _NAMES:
        try:
            body = s3.get_object(Bucket=bucket, Key=f"{prefix}/{name}")["Body"]
        except s3.exceptions.ClientError as error:
            if error_code(error) in _MISSING:
                continue
            raise _explained(bucket, error) from None
        found[name] = _text(body.read(_MOST + 1), location)
    return found


def _of_archive(s3: S3Client, location: str) -> dict[str, str]:
    """Read an archive as a stream, up to the second of the two files."""
    bucket, key = split_uri(location)
    found: dict[str, str] = {}
    try:
        packed = s3.get_object(Bucket=bucket, Key=key)
        with opened(packed["Body"], most_unpacked(packed["ContentLength"])) as archive:
            for number, member in enumerate(archive):
                if number >= MOST_FILES:
                    raise TooLargeError
                name = member.name.removeprefix("./")
                if name in _NAMES and (content := archive.extractfile(member)) is not None:
                    found[name] = _text(content.read(_MOST + 1), location)
                if len(found) == len(_NAMES):
                    break
    except s3.exceptions.ClientError as error:
        if error_code(error) in _MISSING:
            raise InputError(f"there is no archive at {location}.") from None
        raise _explained(bucket, error) from None
    except TooLargeError:
        raise InputError(f"{location} has too many or too large files before its {' and '.join(_NAMES)}.") from None
    except UNREADABLE:
        raise InputError(f"{location} is not a tar.gz archive.") from None
    return found


def _text(content: bytes, location: str) -> str:
    try:
        if len(content) > _MOST:
            raise InputError(f"a requirements file of {location} is larger than {_MOST >> 20} MB.")
        return content.decode()
    except UnicodeDecodeError:
        raise InputError(f"a requirements file of {location} is not UTF-8 text.") from None


def _explained(bucket: str, error: Exception) -> Exception:
    if error_code(error) == "NoSuchBucket":
        return PreconditionError(f"the bucket {bucket} does not exist. Create it with `make apply`.")
    return error
