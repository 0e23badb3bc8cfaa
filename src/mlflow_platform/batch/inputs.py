"""The inputs of a batch prediction: data files as objects whose every line is one request of MLflow's protocol.

A transform job that splits a CSV file loses the header after the first request, and MLflow reads no JSON lines. So each
file becomes lines of JSON in the types of the model's signature, whatever its format was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PreconditionError, error_code
from mlflow_common.waiting import Progress
from mlflow_platform.endpoints.model_archive import split_uri
from mlflow_platform.validation import files, requests, rows
from mlflow_platform.validation.requests import Request
from mlflow_platform.validation.signature import Signature
from mlflow_platform.validation.table import Table, listed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SUFFIXES = {".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".pq"}
_LARGEST_FILE = 1 << 30  # bytes; a file is read into memory


@dataclass(frozen=True)
class Part:
    """Rows of a table that become one object of a job. A failing request fails the object, and no other.

    Attributes:
        name: the object's name below the job's input.
        requests: one for each line.
    """

    name: str
    table: Table
    requests: Sequence[Request]

    @property
    def body(self) -> bytes:
        """The content of the object."""
        return "".join(f"{request.body}\n" for request in self.requests).encode()

    @property
    def count(self) -> int:
        """The number of rows."""
        return sum(len(request.rows) for request in self.requests)

    @property
    def first(self) -> int:
        """The number (from 1) of the part's first row."""
        return min(number for request in self.requests for number in request.rows) + 1

    @property
    def last(self) -> int:
        """The number (from 1) of the part's last row."""
        return max(number for request in self.requests for number in request.rows) + 1


def read(s3: S3Client, source: str, progress: Progress) -> list[Table]:
    """Read a local file, an object in S3, or every data file below an S3 prefix that ends with `/`.

    The tables of a prefix are named by their keys below it. `progress` gets the names of other objects.

    Raises:
        InputError: there is no such file, or it is not in its format, has no rows, or is too large.
        PreconditionError: the bucket does not exist.
    """
    if not source.startswith("s3://"):
        tables = [files.read_any(Path(source))]
    else:
        bucket, key = split_uri(source)
        folder = f"{key}/" if source.endswith("/") else key[: len(key) - len(_base(key))]
        keys = _keys(s3, source, progress)
        tables = [files.parse(_content(s3, bucket, key), key.removeprefix(folder)) for key in keys]
    for table in tables:
        if len(table) == 0:
            raise InputError(f"{table.name} has no rows.")
    return tables


def parts(
    tables: Sequence[Table], signature: Signature, *, in_request: int, in_part: int, progress: Progress
) -> Iterator[Part]:
    """Divide tables into parts. `progress` gets what the model does not take, and whether types are guessed.

    Args:
        in_request: the most rows of a request.
        in_part: the most rows of a part.

    Raises:
        InputError: a table does not have what the signature asks for, or a row is too large for a request.
    """
    if not signature.inputs:
        progress("note: the model has no signature, so the types of the columns are guessed from the data")
    noted: set[tuple[str, ...]] = {()}
    for index, table in enumerate(tables):
        prepared = rows.without_truth(table, signature, origin=table.name)
        if prepared.ignored not in noted:
            progress(f"note: columns that the model does not take are left out: {listed(prepared.ignored)}")
            noted.add(prepared.ignored)
        made = requests.make(prepared, batch_size=in_request)
        chosen: list[Request] = []
        count, number = 0, 0
        for request in made:
            if chosen and count + len(request.rows) > in_part:
                yield Part(f"{index:04}-{number:05}.jsonl", table, chosen)
                chosen, count, number = [], 0, number + 1
            chosen.append(request)
            count += len(request.rows)
        yield Part(f"{index:04}-{number:05}.jsonl", table, chosen)


def _base(key: str) -> str:
    return key.rpartition("/")[2]


def _keys(s3: S3Client, source: str, progress: Progress) -> list[str]:
    bucket, key = split_uri(source)
    if not source.endswith("/"):
        return [key]
    prefix = f"{key}/" if key else ""
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [item["Key"] for page in pages for item in page.get("Contents", [])]
    except s3.exceptions.ClientError as error:
        raise _explained(bucket, source, error) from None
    chosen = [name for name in found if PurePosixPath(name).suffix.lower() in _SUFFIXES]
    if not chosen:
        raise InputError(f"there are no data files below {source} (known: {', '.join(sorted(_SUFFIXES))}).")
    # Markers of folders, and files such as Spark's _SUCCESS, hold no rows.
    others = [name for name in set(found) - set(chosen) if _base(name) and _base(name)[0] not in "_."]
    if others:
        names = listed(sorted(name.removeprefix(prefix) for name in others))
        progress(f"note: these objects are left out, because their names do not end as those of data files: {names}")
    return chosen


def _content(s3: S3Client, bucket: str, key: str) -> bytes:
    try:
        found: Any = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as error:
        raise _explained(bucket, f"s3://{bucket}/{key}", error) from None
    if found["ContentLength"] > _LARGEST_FILE:
        raise InputError(f"s3://{bucket}/{key} is larger than {_LARGEST_FILE >> 30} GB. Split it.")
    return bytes(found["Body"].read())


def _explained(bucket: str, uri: str, error: Exception) -> Exception:
    if error_code(error) == "NoSuchBucket":
        return PreconditionError(f"the bucket {bucket} does not exist. Check the location.")
    if error_code(error) in {"404", "NoSuchKey", "NotFound"}:
        return InputError(f"there is no object {uri}. Name an object, or a prefix that ends with /.")
    return error
