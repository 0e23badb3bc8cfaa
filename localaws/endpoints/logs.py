"""Writes a container's output to CloudWatch Logs with the execution role, as SageMaker does."""

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

# One PutLogEvents request may have up to 10,000 events and 1 MB:
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
EVENTS = 1000
CHARACTERS = 900
log = logging.getLogger(__name__)


class ContainerLog:
    """Copies a log file to one log stream."""

    def __init__(self, client: "CloudWatchLogsClient", group: str, stream: str, file: Path) -> None:
        self._client = client
        self.group = group
        self.stream = stream
        self._file = file
        self._position = 0
        self._rest = b""
        self._created = False

    def follow(self, *, to_the_end: bool = False) -> None:
        """Send new lines. Send an incomplete last line only with `to_the_end`."""
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._position)
            self._rest += file.read()
            self._position = file.tell()
        *lines, self._rest = self._rest.split(b"\n")
        if to_the_end and self._rest:
            lines.append(self._rest)
            self._rest = b""
        self.write([line.decode(errors="replace") for line in lines])

    def write(self, lines: list[str]) -> None:
        """Send lines."""
        now = int(time.time() * 1000)
        messages = [line[start : start + CHARACTERS] for line in lines for start in range(0, len(line), CHARACTERS)]
        try:
            if messages and not self._created:
                self._create()
            for start in range(0, len(messages), EVENTS):
                self._client.put_log_events(
                    logGroupName=self.group,
                    logStreamName=self.stream,
                    logEvents=[{"timestamp": now, "message": message} for message in messages[start : start + EVENTS]],
                )
        except (BotoCoreError, ClientError):
            # Do not fail: no caller handles this error, and the file has every line.
            log.exception("Cannot write the log of %s to CloudWatch Logs.", self.stream)

    def _create(self) -> None:
        """Create the stream, and the group only if it does not exist: a role may lack the permission for that."""
        stream = {"logGroupName": self.group, "logStreamName": self.stream}
        try:
            self._client.create_log_stream(**stream)
        except self._client.exceptions.ResourceNotFoundException:
            with suppress(self._client.exceptions.ResourceAlreadyExistsException):
                self._client.create_log_group(logGroupName=self.group)
            self._client.create_log_stream(**stream)
        self._created = True
