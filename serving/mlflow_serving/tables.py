"""Reads request bodies into data frames without MLflow's general parser.

`TableReader.read` returns a frame only if it equals, in values, types and column order, the frame that MLflow's scoring
server would give to the model for the same body. For every other body, valid or not, it returns None, and MLflow's own
application answers the request. So this module never has to produce an error message.

Covered: JSON (`dataframe_split`, `dataframe_records`, `inputs`, `instances`) and CSV, for models whose signature has
named, required columns of type double, long, integer, boolean or (not in `inputs` and `instances`) string.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc import scoring_server
from mlflow.types import DataType

JSON = "application/json"
CSV = "text/csv"

# The exact Python types that MLflow's parser turns into the column's type without a change of value.
_ACCEPTED: Mapping[DataType, frozenset[type]] = {
    DataType.double: frozenset({float, int}),
    DataType.long: frozenset({int}),
    DataType.integer: frozenset({int}),
    DataType.boolean: frozenset({bool}),
    DataType.string: frozenset({str}),
}
_DTYPES: Mapping[DataType, Any] = {
    DataType.double: np.float64,
    DataType.long: np.int64,
    DataType.integer: np.int32,
    DataType.boolean: np.bool_,
}
# Methods of `Model` that tell whether its input is defined by type hints instead of by a signature.
_TYPE_HINTS = ("_is_signature_from_type_hint", "_is_type_hint_from_example")
_INTEGERS = frozenset({DataType.long, DataType.integer})

Column = Sequence[Any]


class TableReader:
    """Reads the bodies of requests to a model with this input schema (`mlflow.types.Schema`)."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self.names: list[str] = schema.input_names()
        self.types: list[DataType] = schema.input_types()
        self._index = pd.Index(self.names)
        self._known = frozenset(self.names)
        self._all_double = all(one is DataType.double for one in self.types)
        self._numeric = DataType.string not in self.types

    @classmethod
    def of(cls, metadata: Any) -> TableReader | None:
        """The reader for a model with this `mlflow.models.Model`; None if its signature is not a plain table."""
        schema = metadata.get_input_schema()
        if schema is None or schema.is_tensor_spec() or not schema.has_input_names() or metadata.get_params_schema():
            return None
        if any(getattr(metadata, name, bool)() for name in _TYPE_HINTS):
            return None
        if any(one not in _ACCEPTED for one in schema.input_types()) or schema.optional_input_names():
            return None
        return cls(schema)

    def read(self, body: bytes, content_type: str) -> pd.DataFrame | None:
        """The frame that a body describes, or None if MLflow has to decide. Raises nothing."""
        kind, *parameters = (part.strip() for part in content_type.split(";"))
        if parameters and not _is_utf_8(parameters):
            return None
        try:
            # Some versions of MLflow accept a byte order mark and UTF-16, others do not: `loads` refuses both in text.
            text = body.decode("utf-8")
            if kind == JSON:
                return self._read_json(text)
            if kind == CSV:
                return self._read_csv(text)
        except Exception:
            # MLflow's application reads the body again and answers with the error.
            return None
        return None

    def _read_json(self, text: str) -> pd.DataFrame | None:
        content = json.loads(text)
        if type(content) is not dict or len(content) != 1:
            return None
        [(form, rows)] = content.items()
        if form == "dataframe_split":
            return self._from_split(rows)
        if form == "dataframe_records" or (form == "instances" and self._numeric):
            return self._from_records(rows)
        if form == "inputs" and self._numeric:
            return self._from_columns(rows)
        return None

    def _from_split(self, split: Any) -> pd.DataFrame | None:
        if type(split) is not dict or split.keys() != {"columns", "data"}:
            return None
        names, rows = split["columns"], split["data"]
        if type(names) is not list or type(rows) is not list or not rows or len(names) != len(self.names):
            return None
        if set(map(type, rows)) != {list} or set(map(len, rows)) != {len(names)}:
            return None
        if names == self.names:
            return self._frame(list(zip(*rows, strict=True)))
        if set(names) != self._known:
            return None
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        return self._frame([columns[name] for name in self.names])

    def _from_records(self, records: Any) -> pd.DataFrame | None:
        if type(records) is not list or not records or set(map(type, records)) != {dict}:
            return None
        if any(record.keys() != self._known for record in records):
            return None
        return self._frame([[record[name] for record in records] for name in self.names])

    def _from_columns(self, columns: Any) -> pd.DataFrame | None:
        if type(columns) is not dict or columns.keys() != self._known:
            return None
        if set(map(type, columns.values())) != {list} or len(set(map(len, columns.values()))) != 1:
            return None
        ordered = [columns[name] for name in self.names]
        return self._frame(ordered) if ordered[0] else None

    def _frame(self, columns: list[Column]) -> pd.DataFrame | None:
        """A frame of columns in the schema's order, in the memory layout of MLflow's: rounding depends on it."""
        for values, kind in zip(columns, self.types, strict=True):
            if not _ACCEPTED[kind].issuperset(map(type, values)):
                return None
        if self._all_double:
            return pd.DataFrame(np.array(columns, np.float64).T, columns=self._index, copy=False)
        made: dict[str, Any] = {}
        for name, values, kind in zip(self.names, columns, self.types, strict=True):
            if kind is DataType.string:
                made[name] = list(values)
                continue
            dtype = _DTYPES[kind]
            if kind in _INTEGERS and not np.iinfo(dtype).min <= min(values) <= max(values) <= np.iinfo(dtype).max:
                return None
            made[name] = np.array(values, dtype)
        return pd.DataFrame(made)

    def _read_csv(self, text: str) -> pd.DataFrame | None:
        frame: pd.DataFrame = scoring_server.parse_csv_input(io.StringIO(text), self._schema)
        if list(frame.columns) != self.names or not len(frame):
            return None
        for name, kind in zip(self.names, self.types, strict=True):
            dtype = frame[name].dtype
            if kind is DataType.string:
                if not (dtype == np.dtype(object) or isinstance(dtype, pd.StringDtype)):
                    return None
            elif dtype != np.dtype(_DTYPES[kind]):
                return None
        return frame


def _is_utf_8(parameters: Sequence[str]) -> bool:
    """Whether a content type's parameters only say what is the default. MLflow refuses `Charset=` and an empty one."""
    name, _, value = parameters[0].partition("=")
    return len(parameters) == 1 and name == "charset" and value.lower() == "utf-8"
