"""Helpers for the parsers of all sources: the errors that mean malformed input, and checked conversions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

# The errors that parsing a malformed record can raise.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
_SHOWN = 120
# MLflow's databases store signed integers of 64 bits.
_LARGEST = (1 << 63) - 1
# The values of mlflow.entities.LifecycleStage, RunStatus and TraceStatus, and of model_registry's ALL_STAGES.
_STAGES = frozenset({"active", "deleted"})
_RUN_STATUSES = frozenset({"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"})
_TRACE_STATUSES = frozenset({"OK", "ERROR", "IN_PROGRESS", "TRACE_STATUS_UNSPECIFIED"})
_VERSION_STAGES = frozenset({"None", "Staging", "Production", "Archived"})
_EPOCH = datetime.fromtimestamp(0, UTC)


def described(error: BaseException) -> str:
    """Describe in words what is wrong with a malformed record."""
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = " ".join(str(error).split())
    text = text if text.isprintable() else ascii(text)
    return f"it is malformed ({text[:_SHOWN]})" if text else "it is malformed"


def text(value: Any) -> str:
    """Check that a value is text, and return it.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{_short(value)} is not text")
    return value


def integer(value: Any) -> int:
    """Convert a value that has to be a whole number of 64 bits, or its text.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise ValueError(f"{_short(value)} is not a whole number")
    try:
        found = int(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{_short(value)} is not a whole number") from None
    if abs(found) > _LARGEST:
        raise ValueError(f"{_short(value)} is out of range")
    return found


def optional_integer(value: Any) -> int | None:
    """Convert a value to a whole number; None stays None."""
    return None if value is None else integer(value)


def number(value: Any) -> float:
    """Convert a value that has to be a number or its text, including NaN and the infinities.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise ValueError(f"{_short(value)} is not a number")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{_short(value)} is not a number") from None


def instant(value: Any) -> int:
    """Convert a time to milliseconds since the epoch: a number of them, or a time as protobuf's JSON has it.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, str | datetime):
        return integer(value)
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)  # PyYAML converts a time in UTC to one without a zone.
    return (found - _EPOCH) // timedelta(milliseconds=1)


def instant_text(milliseconds: int) -> str:
    """A time in the form of protobuf's JSON, which has the years 1 to 9999.

    Raises:
        OverflowError: it is in another year.
    """
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")


def lifecycle_stage(value: Any) -> str:
    """Check the stage of an experiment or a run: what is neither active nor deleted is in no listing."""
    return _one_of(_STAGES, value)


def run_status(value: Any) -> str:
    """Check the status of a run."""
    return _one_of(_RUN_STATUSES, value)


def trace_status(value: Any) -> str:
    """Check the status of a trace, and name it as `GET traces` does: MLflow 3 stores another name of an unknown one."""
    return _one_of(_TRACE_STATUSES, "TRACE_STATUS_UNSPECIFIED" if value == "STATE_UNSPECIFIED" else value)


def version_stage(value: Any) -> str:
    """Check the stage of a model version."""
    return _one_of(_VERSION_STAGES, value or "None")


def version_number(value: Any) -> int:
    """Convert the number of a model version.

    Raises:
        ValueError: it is something else.
    """
    if (found := integer(value)) < 1:
        raise ValueError(f"{found} is not the number of a version")
    return found


def _one_of(known: frozenset[str], value: Any) -> str:
    if (found := text(value)) not in known:
        raise ValueError(f"{_short(found)} is none of {', '.join(sorted(known))}")
    return found


def texts(values: Any) -> dict[str, str]:
    """Check that a value is a mapping of text to text, and return it as a dictionary."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{_short(values)} is not a mapping")
    return {text(key): text(value) for key, value in values.items()}


def _short(value: Any) -> str:
    shown = ascii(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
