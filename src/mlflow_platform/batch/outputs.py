"""The outputs of a batch prediction: joins the predictions with the rows, and says which rows have none."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.console import json_value
from mlflow_common.errors import InputError, PlatformError, error_code, is_denied
from mlflow_platform.batch.inputs import Part
from mlflow_platform.endpoints.model_archive import split_uri
from mlflow_platform.validation import predictions
from mlflow_platform.validation.values import is_missing

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

_GROUP = "/aws/sagemaker/TransformJobs"
_SHOWN = 20
FILE, ROW, PREDICTION = "file", "row", "prediction"


@dataclass(frozen=True)
class Joined:
    """Rows with their predictions.

    Attributes:
        rows: each is the table's name, the number of the row (from 1), its values and its prediction.
        failures: one line for each part without predictions.
    """

    rows: Sequence[tuple[str, int, dict[str, Any], Any]]
    failures: Sequence[str]

    @property
    def missing(self) -> int:
        """The number of rows for which the model predicted nothing (null or NaN)."""
        return sum(is_missing(prediction) for _, _, _, prediction in self.rows)


def join(s3: S3Client, outputs: str, parts: Sequence[Part]) -> Joined:
    """Read the outputs of a job (the S3 URI below which they are) and join them with the rows of its parts.

    The rows are in the order of their tables. In the parts they are not if some lack an optional column.
    """
    rows: list[tuple[str, int, dict[str, Any], Any]] = []
    failures: list[str] = []
    for part in parts:
        some = "" if part.count == part.last - part.first + 1 else f"{part.count} of the "
        where = f"{some}rows {part.first} to {part.last} of {part.table.name}"
        bucket, key = split_uri(f"{outputs}/{part.name}.out")
        try:
            lines = s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()
        except s3.exceptions.ClientError as error:
            if error_code(error) not in {"404", "NoSuchKey", "NotFound"}:
                raise
            failures.append(f"{where} have no predictions")
            continue
        try:
            rows += _of_part(part, lines)
        except PlatformError as error:
            failures.append(f"{where}: {error.message}")
    place = {part.table.name: number for number, part in enumerate(parts)}
    return Joined(sorted(rows, key=lambda row: (place[row[0]], row[1])), failures)


def _of_part(part: Part, lines: Sequence[bytes]) -> list[tuple[str, int, dict[str, Any], Any]]:
    if len(lines) != len(part.requests):
        raise PlatformError(f"the output has {len(lines)} lines for {len(part.requests)} requests")
    found: dict[int, Any] = {}
    for request, line in zip(part.requests, lines, strict=True):
        answers = predictions.parse(line, "the model", expected=len(request.rows))
        found.update(zip(request.rows, answers, strict=True))
    columns = part.table.columns
    return [
        (part.table.name, number + 1, {name: values[number] for name, values in columns.items()}, found[number])
        for number in sorted(found)
    ]


def write(joined: Joined, path: Path, *, several: bool) -> None:
    """Write the rows as CSV, or as JSON lines if the file is named so.

    A column of the data that is called as one of the added ones (`row`, `prediction`) gets the prefix `input.`.

    Args:
        several: whether the rows are of several files: each then has a column `file`.

    Raises:
        InputError: the file cannot be written.
    """
    names = _renamed({column for _, _, values, _ in joined.rows for column in values}, several=several)
    records = [
        {
            **({FILE: name} if several else {}),
            ROW: number,
            **{names.get(column, column): value for column, value in values.items()},
            PREDICTION: prediction,
        }
        for name, number, values, prediction in joined.rows
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix.lower() in {".jsonl", ".ndjson"}:
                file.writelines(f"{json.dumps(_plain(record), allow_nan=False)}\n" for record in records)
                return
            header = list(dict.fromkeys(name for record in records for name in record))
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows({name: _text(value) for name, value in record.items()} for record in records)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}). Choose another --output.") from None


def _renamed(columns: set[str], *, several: bool) -> dict[str, str]:
    """The columns of the data that need another name in the output, and that name."""
    found: dict[str, str] = {}
    for name in columns & {ROW, PREDICTION, *([FILE] if several else [])}:
        found[name] = f"input.{name}"
        while found[name] in columns:
            found[name] = f"input.{found[name]}"
    return found


def _text(value: Any) -> Any:
    plain = _plain(value)
    return json.dumps(plain, allow_nan=False) if isinstance(plain, (dict, list)) else plain


def _plain(value: Any) -> Any:
    """A value as a JSON value: bytes as base64, times and decimals as text, numbers as `json_value` has them."""
    match value:
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case bytes():
            return base64.b64encode(value).decode()
        case _ if is_missing(value):
            return None
        case bool() | int() | float() | str():
            return json_value(value)
    return str(value)


def reasons(logs: CloudWatchLogsClient, job: str) -> list[str]:
    """The last lines of a job's data log, in which SageMaker says why objects failed; else of its containers' logs.

    Source: docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-errors.html
    """
    try:
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=_GROUP, logStreamNamePrefix=f"{job}/")
        streams = sorted(stream["logStreamName"] for page in pages for stream in page["logStreams"])
        chosen = [name for name in streams if name.endswith("/data-log")] or streams
        events = [
            event
            for name in chosen
            for event in logs.get_log_events(logGroupName=_GROUP, logStreamName=name, limit=_SHOWN)["events"]
        ]
    except logs.exceptions.ClientError as error:
        if is_denied(error):
            return [f"(these credentials may not read the log group {_GROUP})"]
        if error_code(error) == "ResourceNotFoundException":
            return []
        raise
    lines = [line.rstrip() for event in events for line in event.get("message", "").splitlines()]
    return [line for line in lines if line][-_SHOWN:]
