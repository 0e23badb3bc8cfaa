"""A container's error as one line, out of the JSON with which MLflow's scoring server answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_common.errors import error_message, first_line
from mlflow_platform.endpoints import container_log

# How much of a container's error message is shown.
_SHOWN = 300
# MLflow's scoring server repeats the rows and the schema before it says what is wrong with them. These texts follow
# each other; no regular expression, because that would take minutes for a long message of a hostile model.
_PREFACES = (
    ("Failed to predict data ", "\nError: "),
    ("Failed to enforce schema of data ", " with schema ", ". Error: "),
)
# What it says about an exception that the model raises. Only its traceback has the reason.
_UNEXPECTED = "Encountered an unexpected error while evaluating the model"


def container_message(text: str) -> str:
    """A container's error message on one line, without the rows that MLflow repeats in it. MLflow's is JSON."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        text = str(found.get("message", text))
        raised = container_log.cause(str(found.get("stack_trace", "")).splitlines())
        if raised and text.startswith(_UNEXPECTED):
            text = raised
    for preface in _PREFACES:
        text = _without(preface, text)
    line = " ".join(text.split()) or "it gives no reason"
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"


def _without(preface: Sequence[str], text: str) -> str:
    start, *others = preface
    if not text.startswith(start):
        return text
    end = len(start)
    for other in others:
        found = text.find(other, end)
        if found < 0:
            return text
        end = found + len(other)
    return text[end:]


def invocation_error(error: Exception) -> str:
    """Why InvokeEndpoint failed, on one line: a container's own answer, or else what AWS says."""
    # A request that timed out has None (botocore, HTTPClientError).
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    if "OriginalMessage" not in response:
        return error_message(error) or first_line(error)
    return f"HTTP {response.get('OriginalStatusCode', 0)}: {container_message(str(response['OriginalMessage']))}"
