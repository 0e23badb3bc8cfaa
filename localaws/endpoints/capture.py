"""Data capture: writes requests and responses to S3, in AWS's file layout.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html and
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DataCaptureConfig.html. Each file is
DESTINATION/ENDPOINT/VARIANT/yyyy/mm/dd/hh/NAME.jsonl, with one line for each captured invocation. AWS does not say how
failed invocations are captured; here they are not.
"""

import base64
import json
import logging
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from localaws.endpoints.model_data import split_s3_url
from localaws.endpoints.reasons import DeploymentError

# AWS writes files after minutes.
FLUSH_SECONDS = 0.5
MOST_LINES = 1000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Payload:
    """The body of a request or a response."""

    body: bytes
    content_type: str


@dataclass(frozen=True)
class CaptureSettings:
    """A DataCaptureConfig that is switched on.

    Attributes:
        percentage: the share of the invocations that are captured, from 0 to 100.
        csv, json: the content types that are captured as text. Others are encoded as base64.
    """

    destination: str
    percentage: int
    input: bool
    output: bool
    csv: frozenset[str]
    json: frozenset[str]
    key: str | None

    @classmethod
    def of(cls, given: dict[str, Any] | None) -> Self | None:
        """Read a DataCaptureConfig; None if nothing is captured."""
        if not given or not given.get("EnableCapture", True):
            return None
        modes = {option["CaptureMode"] for option in given["CaptureOptions"]}
        types = given.get("CaptureContentTypeHeader", {})
        return cls(
            destination=given["DestinationS3Uri"],
            percentage=int(given["InitialSamplingPercentage"]),
            input=bool(modes & {"Input", "InputAndOutput"}),
            output=bool(modes & {"Output", "InputAndOutput"}),
            csv=frozenset(types.get("CsvContentTypes", ())),
            json=frozenset(types.get("JsonContentTypes", ())),
            key=given.get("KmsKeyId"),
        )

    @staticmethod
    def summary(given: dict[str, Any] | None) -> dict[str, Any] | None:
        """The DataCaptureConfigSummary that DescribeEndpoint returns."""
        if not given:
            return None
        enabled = bool(given.get("EnableCapture", True))
        return {
            "EnableCapture": enabled,
            "CaptureStatus": "Started" if enabled else "Stopped",
            "CurrentSamplingPercentage": given["InitialSamplingPercentage"],
            "DestinationS3Uri": given["DestinationS3Uri"],
            "KmsKeyId": given.get("KmsKeyId", ""),
        }

    def chosen(self) -> bool:
        """Whether the next invocation is captured."""
        return random.random() * 100 < self.percentage  # noqa: S311

    def line(self, request: Payload, response: Payload, inference_id: str | None, now: datetime) -> str:
        """The JSON line of an invocation."""
        captured = {}
        if self.input:
            captured["endpointInput"] = self._part("INPUT", request)
        if self.output:
            captured["endpointOutput"] = self._part("OUTPUT", response)
        metadata = {
            "eventId": str(uuid.uuid4()),
            **({"inferenceId": inference_id} if inference_id else {}),
            "inferenceTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return json.dumps({"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"}) + "\n"

    def _part(self, mode: str, payload: Payload) -> dict[str, str]:
        plain = payload.content_type.partition(";")[0].strip()
        encoding = "CSV" if plain in self.csv else "JSON" if plain in self.json else "BASE64"
        if encoding == "BASE64":
            data = base64.b64encode(payload.body).decode()
        else:
            data = payload.body.decode(errors="replace")
        return {"observedContentType": payload.content_type, "mode": mode, "data": data, "encoding": encoding}


@dataclass(frozen=True)
class Origin:
    """Where captured lines come from: they go into one file for each hour."""

    region: str
    role: str
    endpoint: str
    variant: str
    settings: CaptureSettings

    def key(self, now: datetime) -> tuple[str, str]:
        """The bucket and key of a new file."""
        bucket, prefix = split_s3_url(f"{self.settings.destination.rstrip('/')}/{self.endpoint}/{self.variant}")
        name = f"{now:%M-%S}-{now.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        return bucket, f"{prefix}/{now:%Y/%m/%d/%H}/{name}"


class CaptureWriter:
    """Collects lines, and writes them to S3 in a thread.

    Args:
        s3: the S3 client of an execution role in a region.
    """

    def __init__(self, s3: Callable[[str, str], Any]) -> None:
        self._s3 = s3
        self._lines: dict[tuple[Origin, str], list[str]] = {}
        self._lock = threading.Lock()
        self._due = threading.Condition(self._lock)
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(self, origin: Origin | None, request: Payload, response: Payload, inference_id: str | None) -> None:
        """Capture an invocation if its variant captures data and it is in the sample."""
        if origin is None or not origin.settings.chosen():
            return
        now = datetime.now(UTC)
        line = origin.settings.line(request, response, inference_id, now)
        with self._due:
            lines = self._lines.setdefault((origin, f"{now:%Y%m%d%H}"), [])
            lines.append(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="data capture", daemon=True)
                self._thread.start()
            if len(lines) >= MOST_LINES:
                self._due.notify()

    def close(self) -> None:
        """Write what was collected, and end the thread."""
        with self._due:
            self._closed = True
            self._due.notify()
            thread = self._thread
        if thread:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._due:
                if not self._closed:
                    self._due.wait(FLUSH_SECONDS)
                waiting, self._lines = self._lines, {}
                closed = self._closed
            for (origin, hour), lines in waiting.items():
                self._write(origin, hour, lines)
            if closed:
                return

    def _write(self, origin: Origin, hour: str, lines: list[str]) -> None:
        now = datetime.now(UTC)
        if f"{now:%Y%m%d%H}" != hour:
            now = datetime.strptime(hour + "5959", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        bucket, key = origin.key(now)
        options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": origin.settings.key} if origin.settings.key else {}
        try:
            self._s3(origin.region, origin.role).put_object(
                Bucket=bucket, Key=key, Body="".join(lines).encode(), ContentType="application/jsonl", **options
            )
        except (ClientError, BotoCoreError, DeploymentError) as error:
            log.warning("%s: %d captured invocations were not written: %s", origin.endpoint, len(lines), error)
