"""The end of a container's log in CloudWatch, which says why a model did not start."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from mlflow_common.errors import is_denied

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

_LINES = 20
# The prefix of the line with which this repository's serving image says why it exits.
_SERVE = "serve: "
# Its other lines, which are no reason.
_NEWS = re.compile(r"serve: (the model in .* is loaded; listening on |requests are predicted one by one: )")
# The last line of a Python traceback: `ModuleNotFoundError: No module named 'xgboost'`. A search that also began within
# a name would take an hour for a line that a hostile model makes as long as CloudWatch allows.
_EXCEPTION = re.compile(r"(?<![\w.])(?:[\w.]+\.)?(\w*(?:Error|Exception|Exit|Interrupt))\b: ?(.+)")


def streams(logs: CloudWatchLogsClient, endpoint: str) -> set[str]:
    """The log streams of an endpoint: one for each container that ever ran (`{variant}/{instance id}`).

    Empty if access is denied: a deployment does not need them, and `tail` reports the missing access.
    """
    try:
        return _streams(logs, endpoint)
    except logs.exceptions.ClientError as error:
        if is_denied(error):
            return set()
        raise


def group(endpoint: str) -> str:
    """The log group of an endpoint's containers (SageMaker Developer Guide, "CloudWatch Logs")."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


def tail(logs: CloudWatchLogsClient, endpoint: str, *, except_for: Collection[str]) -> list[str]:
    """The last lines of the streams that are not in `except_for`; empty if there are none."""
    try:
        found = sorted(_streams(logs, endpoint) - set(except_for))
        events = [
            event
            for stream in found
            for event in logs.get_log_events(
                logGroupName=group(endpoint), logStreamName=stream, limit=_LINES, startFromHead=False
            )["events"]
        ]
    except logs.exceptions.ClientError as error:
        if is_denied(error):
            return [f"(these credentials may not read the log group {group(endpoint)})"]
        raise
    events.sort(key=lambda event: event.get("timestamp", 0))
    lines = [line.rstrip() for event in events for line in event.get("message", "").splitlines()]
    return [line for line in lines if line][-_LINES:]


def cause(lines: list[str]) -> str | None:
    """The line that gives the reason: the serving image's own, or else the last exception in the log."""
    for line in reversed(lines):
        if line.startswith(_SERVE) and not _NEWS.match(line):
            return line.removeprefix(_SERVE).rstrip(".")
    for line in reversed(lines):
        if match := _EXCEPTION.search(line):
            return f"{match[1]}: {match[2]}"
    return None


def _streams(logs: CloudWatchLogsClient, endpoint: str) -> set[str]:
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group(endpoint))
    try:
        return {stream["logStreamName"] for page in pages for stream in page["logStreams"]}
    except logs.exceptions.ResourceNotFoundException:
        return set()
