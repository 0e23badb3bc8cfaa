"""The outputs of a batch prediction: joins the predictions with the rows, and says which rows have none."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError, PlatformError, error_code
from mlflow_platform.batch.inputs import Part
from mlflow_platform.endpoints.model_archive import split_uri
from mlflow_platform.validation import predictions

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

_GROUP = "/aws/sagemaker/TransformJobs"
_SHOWN = 20
PREDICTION = "prediction"


@dataclass(frozen=True)
class Joined:
    """Rows with their predictions.

    Attributes:
        rows: each is the table's name, the number of the row (from 1), its values and its prediction.
        failures: one line for each part without predictions.
    """

    rows: Sequence[tuple[str, int, dict[str, Any], Any]]
    failures: Sequence[str]


def join(s3: S3Client, outputs: str, parts: Sequence[Part]) -> Joined:
    """Read the outputs of a job (the S3 URI below which they are) and join them with the rows of its parts."""
    rows: list[tuple[str, int, dict[str, Any], Any]] = []
    failures: list[str] = []
    for part in parts:
        where = f"rows {part.first} to {part.last} of {part.table.name}"
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
    return Joined(rows, failures)


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

    Args:
        several: whether the rows are of several files: each then has a column `file`.

    Raises:
        InputError: the file cannot be written.
    """
    records = [
        {**({"file": name} if several else {}), "row": number, **values, PREDICTION: prediction}
        for name, number, values, prediction in joined.rows
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix.lower() in {".jsonl", ".ndjson"}:
                file.writelines(f"{json.dumps(record, default=str)}\n" for record in records)
                return
            names = list(dict.fromkeys(name for record in records for name in record))
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows({name: _text(value) for name, value in record.items()} for record in records)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}). Choose another --output.") from None


def _text(value: Any) -> Any:
    return json.dumps(value, default=str) if isinstance(value, (dict, list)) else value


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
        if "AccessDenied" in error_code(error):
            return [f"(these credentials may not read the log group {_GROUP})"]
        if error_code(error) == "ResourceNotFoundException":
            return []
        raise
    lines = [line.rstrip() for event in events for line in event.get("message", "").splitlines()]
    return [line for line in lines if line][-_SHOWN:]
