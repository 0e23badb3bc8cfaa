"""Builds requests in MLflow's scoring protocol: JSON bodies that the server reads without loss.

A body is `dataframe_split`; for a model that takes one array without a name it is `inputs`. Rows that lack an optional
column of a type without missing values are sent in requests of their own that leave the column out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_common.errors import InputError
from mlflow_platform.validation.rows import LEFT_OUT_IF_MISSING, Rows

# InvokeEndpoint takes bodies of at most 6 MB (Amazon SageMaker, "InvokeEndpoint").
LARGEST_BODY = 6 * 10**6


@dataclass(frozen=True)
class Request:
    """One request: the numbers of its rows (from 0), and its JSON body."""

    rows: Sequence[int]
    body: str


def make(rows: Rows, *, batch_size: int) -> list[Request]:
    """All rows as requests of at most `batch_size` rows and at most LARGEST_BODY bytes.

    Raises:
        InputError: a single row is larger than that, or has no value in any column.
    """
    requests: list[Request] = []
    for columns, numbers in _groups(rows):
        for start in range(0, len(numbers), batch_size):
            requests += _within_limit(rows, columns, numbers[start : start + batch_size])
    return sorted(requests, key=lambda request: request.rows[0])


def _groups(rows: Rows) -> list[tuple[tuple[str, ...], list[int]]]:
    """Rows that have the same columns: names of columns, and numbers of rows."""
    may_lack = [name for name in _optional(rows) if any(value is None for value in rows.features[name])]
    groups: dict[tuple[str, ...], list[int]] = {}
    for number in range(len(rows)):
        lacking = {name for name in may_lack if rows.features[name][number] is None}
        columns = tuple(name for name in rows.features if name not in lacking)
        if not columns:
            raise InputError(f"row {number + 1} has no value in any column, and so cannot be sent to the model")
        groups.setdefault(columns, []).append(number)
    return list(groups.items())


def _optional(rows: Rows) -> Iterator[str]:
    for column in rows.signature.inputs:
        if column.name in rows.features and column.type in LEFT_OUT_IF_MISSING and not column.is_tensor:
            yield column.name or ""


def _within_limit(rows: Rows, columns: Sequence[str], numbers: Sequence[int]) -> list[Request]:
    body = _body(rows, columns, numbers)
    if len(body) <= LARGEST_BODY:
        return [Request(numbers, body)]
    if len(numbers) == 1:
        raise InputError(
            f"row {numbers[0] + 1} takes {len(body):,} bytes as a request, and an endpoint takes {LARGEST_BODY:,}"
        )
    middle = len(numbers) // 2
    return _within_limit(rows, columns, numbers[:middle]) + _within_limit(rows, columns, numbers[middle:])


def _body(rows: Rows, columns: Sequence[str], numbers: Sequence[int]) -> str:
    data = [[_sent(rows.features[name][number]) for name in columns] for number in numbers]
    if rows.signature.is_unnamed_tensor:
        # A column of arrays is the array of each row itself, and so is one of numbers where a row has no dimension.
        is_row = len(columns) == 1 and (isinstance(data[0][0], list) or len(rows.signature.inputs[0].shape) == 1)
        return json.dumps({"inputs": [row[0] for row in data] if is_row else data})
    return json.dumps({"dataframe_split": {"columns": list(columns), "data": data}})


def _sent(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
