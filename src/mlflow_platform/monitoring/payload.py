"""Turns captured requests and answers into rows: inputs in the types of the signature, and predictions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.monitoring.capture import Body, LineError
from mlflow_platform.validation import files, predictions, rows
from mlflow_platform.validation import values as types
from mlflow_platform.validation.signature import ColumnSpec, Signature, named
from mlflow_platform.validation.table import Table, listed, quoted
from mlflow_platform.validation.values import UnusableError

_REQUEST, _ANSWER = "the request", "the endpoint"


def inputs(request: Body, signature: Signature) -> dict[str, list[Any]]:
    """The inputs of a request by column, in the types of the signature; without one, as JSON text.

    Raises:
        LineError: the request is in no format of MLflow's, or does not fit the signature.
    """
    table = _table(request)
    if len(table) == 0:
        raise LineError("has a request without rows")
    if not signature.inputs:
        return {name: [_json(value) for value in column] for name, column in table.columns.items()}
    if signature.is_unnamed_tensor:
        # The model gets the columns by position. Each client may name them otherwise.
        spec = signature.inputs[0]
        columns = enumerate(table.columns.values())
        return {str(position): [_array(value, spec.type) for value in column] for position, column in columns}
    return {
        name: [_typed(value, spec, is_text=table.is_text) for value in column]
        for name, spec, column in _matched(table, signature)
    }


def answers(response: Body, count: int) -> list[Any]:
    """The predictions of an answer: one value for each of `count` rows, as JSON or CSV holds it.

    Raises:
        LineError: the answer has no predictions, or not one for each row.
    """
    try:
        if response.content_type == "text/csv":
            return _from_csv(response.data, count)
        return predictions.parse(response.data, _ANSWER, expected=count)
    except PlatformError as error:
        raise LineError(error.message) from None
    except csv.Error as error:
        raise LineError(f"has an answer that is not CSV: {error}") from None


def column_names(signature: Signature, found: Mapping[str, Any]) -> list[str]:
    """The data set's input columns: those of the signature, or those found where it has none or is of one array."""
    if signature.inputs and not signature.is_unnamed_tensor:
        return [_name(spec, position) for position, spec in enumerate(signature.inputs)]
    return list(found)


def _table(request: Body) -> Table:
    try:
        if request.content_type in {"text/csv", "application/csv"}:
            return files.parse_csv(request.data, _REQUEST, "")
        if request.content_type in {"", "application/json", "application/octet-stream"}:
            return files.parse_json(request.data, _REQUEST)
    except InputError as error:
        raise LineError(error.message) from None
    raise LineError(f"has a request of type {request.content_type}, which is neither JSON nor CSV")


def _matched(table: Table, signature: Signature) -> list[tuple[str, ColumnSpec, Sequence[Any]]]:
    """Each column of the signature with its values: by name, or by position where the signature has no names."""
    specs, columns = signature.inputs, table.columns
    if named(specs) and any(spec.name in columns for spec in specs):
        missing = [spec.name for spec in specs if spec.required and spec.name not in columns]
        if missing:
            raise LineError(f"has a request without the columns {listed(missing)}")
        empty = [None] * len(table)
        return [(_name(spec, 0), spec, columns.get(spec.name or "", empty)) for spec in specs]
    if len(columns) != len(specs):
        raise LineError(f"has a request with {len(columns)} columns, and the model takes {len(specs)}")
    pairs = zip(specs, columns.values(), strict=True)
    return [(_name(spec, position), spec, column) for position, (spec, column) in enumerate(pairs)]


def _name(spec: ColumnSpec, position: int) -> str:
    return spec.name if spec.name is not None else str(position)


def _typed(value: Any, spec: ColumnSpec, *, is_text: bool) -> Any:
    if rows.is_missing(value, spec, is_text=is_text):
        return None
    try:
        if spec.is_tensor:
            return _array(value, spec.type)
        if convert := types.CONVERTERS.get(spec.type):
            return convert(value)
        return json.dumps(types.as_nested(value, spec.type, is_text=is_text))
    except UnusableError as error:
        raise LineError(f"has {quoted(value)} in {spec.name!r}, which {error}") from None


def _array(value: Any, dtype: str) -> Any:
    try:
        found = types.of_array(value, dtype)
    except UnusableError as error:
        raise LineError(f"has {quoted(value)}, which {error}") from None
    return json.dumps(found) if isinstance(found, list) else found


def _json(value: Any) -> str | None:
    return None if types.is_missing(value) else json.dumps(value)


def _from_csv(content: bytes, count: int) -> list[Any]:
    """MLflow's server answers in CSV with the predictions' header and rows (mlflow/pyfunc/scoring_server)."""
    lines = [row for row in csv.reader(io.StringIO(content.decode(errors="replace"))) if row]
    body = lines[1:] if len(lines) == count + 1 else lines
    if len(body) != count:
        raise LineError(f"has an answer of {len(body)} lines of CSV for {count} rows")
    values = [[_number_or_text(field) for field in row] for row in body]
    return [row[0] if len(row) == 1 else row for row in values]


def _number_or_text(field: str) -> Any:
    # With a leading zero or plus sign it is text, such as a class that is a postal code.
    number = types.number_in(field)
    return field if number is None else number
