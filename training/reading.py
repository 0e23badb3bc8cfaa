"""Reads a CSV, JSON or Parquet file of training data in the types that it was written in.

pandas' own readers turn `02134` into 2134, the classes `01` and `1` into one, the class `NA` into a missing value, and
numbers in a JSON column whose name ends with `_at` into dates. Here a column of a CSV file holds numbers or booleans if
every value is plainly written as one, else text; JSON and Parquet say their types themselves.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.checks import DataError, reason

if TYPE_CHECKING:
    import pandas as pd

_DELIMITERS = ",;\t|"
_NUMBER = re.compile(
    r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|-?inf(?:inity)?", re.IGNORECASE
)
# What stands for a missing number. In a column of text these are text.
_MISSING = frozenset(["", "NA", "N/A", "#N/A", "n/a", "<NA>", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None"])
_LARGEST = 2**63


def read(path: Path, target: str) -> pd.DataFrame:
    """Read a file. Its columns are numbers, booleans or text; the column `target` tells a CSV file's delimiter.

    Raises:
        DataError: it is not in its format, two columns have the same name or one has none, or a column holds lists,
            objects, bytes, or text with a NUL character.
    """
    import pandas as pd

    readers: Mapping[str, Callable[[Path, str], dict[str, Any]]] = {
        ".csv": _csv,
        ".parquet": _parquet,
        ".json": _json,
    }
    try:
        columns = readers[path.suffix.lower()](path, target)
    except DataError:
        raise
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path.name}: line {line} is not UTF-8. Save the file as UTF-8.") from None
    except UnicodeEncodeError:
        raise DataError(f"{path.name} has text with half of a surrogate pair") from None
    except RecursionError:
        raise DataError(f"{path.name} is nested too deeply") from None
    except Exception as error:  # Each format has exceptions of its own.
        raise DataError(f"{path.name} cannot be read as {path.suffix[1:]}: {reason(error)}") from None
    if "" in columns:
        raise DataError(f"{path.name} has a column without a name. Give it one, or remove it.")
    return pd.DataFrame(columns)


def _csv(path: Path, target: str) -> dict[str, Any]:
    content = path.read_bytes()
    if b"\0" in content:
        raise DataError(f"{path.name} has NUL bytes. Save it as UTF-8.")
    text = content.decode("utf-8-sig")
    csv.field_size_limit(2**31 - 1)
    headers = {
        mark: next((row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if row), [])
        for mark in _DELIMITERS
    }
    mark = next((mark for mark, names in headers.items() if target in names), ",")
    names = headers[mark]
    if not names:
        raise DataError(f"{path.name} is empty")
    _check_names(names)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True) if row][1:]
    if ' "' in text:
        _check_spaces(text, mark, path.name)
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise DataError(
                f"row {number} of {path.name} has {len(row)} values, and the header names {len(names)} columns"
            )
    return {
        name: _of_texts([row[at] for row in rows], is_target=name == target) for at, name in enumerate(names) if name
    }


def _check_spaces(text: str, mark: str, file: str) -> None:
    """Refuse a quote behind a space at the start of a field: the quotes would be a part of the value."""
    readers = (
        csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=skip) for skip in (False, True)
    )
    for number, (row, other) in enumerate(zip(*(filter(None, reader) for reader in readers), strict=False)):
        pairs = zip(row, other, strict=False)
        if len(row) != len(other) or any(value != found.rjust(len(value)) for value, found in pairs):
            where = f"row {number}" if number else "the header"
            raise DataError(f"in {where} of {file} a quote follows a space. Remove the space.")


def _json(path: Path, target: str) -> dict[str, Any]:
    content = path.read_bytes()
    found = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    if b"\\ud" in content.lower():
        json.dumps(found, ensure_ascii=False).encode()
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        names = dict.fromkeys(name for row in found for name in row)
        return {name: _of_values(name, [row.get(name) for row in found], target) for name in names}
    if isinstance(found, dict) and found:
        columns = _in_order(found, path.name)
        if all(isinstance(column, list) for column in columns.values()) and len({*map(len, columns.values())}) == 1:
            return {name: _of_values(name, column, target) for name, column in columns.items()}
    raise DataError(f"{path.name} is neither a list of objects nor an object of equally long columns")


def _in_order(found: dict[str, Any], file: str) -> dict[str, Any]:
    """The columns as lists. pandas writes a column as an object of row numbers and values."""
    keyed = [column for column in found.values() if isinstance(column, dict)]
    if not keyed:
        return found
    if len(keyed) < len(found) or any(column.keys() != keyed[0].keys() for column in keyed):
        raise DataError(f"{file}: its columns do not have the same rows")
    return {name: [column[key] for key in keyed[0]] for name, column in found.items()}


def _parquet(path: Path, target: str) -> dict[str, Any]:
    from pyarrow import parquet

    table = parquet.ParquetFile(path).read()
    _check_names(table.column_names)
    # What was a data frame's index is not a feature.
    index = {name for name in (table.schema.pandas_metadata or {}).get("index_columns", []) if isinstance(name, str)}
    return {
        name: _of_values(name, column.to_pylist(), target)
        for name, column in zip(table.column_names, table.columns, strict=True)
        if name == target or name not in index
    }


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    _check_names([name for name, _ in pairs])
    return dict(pairs)


def _check_names(names: Sequence[str]) -> None:
    if repeated := sorted(name for name, count in Counter(names).items() if name and count > 1):
        raise DataError(f"the column {repeated[0]!r} occurs more than once")


def _of_texts(texts: Sequence[str], *, is_target: bool) -> Any:
    """A column of a CSV file. In the target, only an empty field is missing: a class may be called `NA`."""
    missing = {""} if is_target else _MISSING
    stripped = {text.strip() for text in texts}
    present = stripped - missing
    # A column of nothing but `NA` and `None` is text; one of empty fields has no numbers yet.
    if (present or stripped <= {""}) and all(_NUMBER.fullmatch(text) for text in present):
        return _numbers([None if text.strip() in missing else _number(text.strip()) for text in texts])
    if present and "" not in stripped and all(text.lower() in {"true", "false"} for text in stripped):
        return [text.strip().lower() == "true" for text in texts]
    return _texts([text or None for text in texts])


def _of_values(name: str, values: Sequence[Any], target: str) -> Any:
    """A column of a file that has types. The empty text is no class, as validation says too."""
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    if name == target:
        values = [None if value == "" else value for value in values]
    present = [value for value in values if value is not None]
    if any(isinstance(value, (list, dict, bytes)) for value in present):
        raise DataError(
            f"the column {name!r} holds lists, objects or bytes. Training takes numbers, booleans and text."
        )
    if any(isinstance(value, str) and "\0" in value for value in present):
        raise DataError(f"the column {name!r} has text with a NUL character. Remove it.")
    if present and len(present) == len(values) and all(isinstance(value, bool) for value in present):
        return values
    if all(isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in present):
        return _numbers([_exact(value) for value in values])
    # Times in the form in which validation sends them to a model that takes text.
    return _texts(
        [None if value is None else value.isoformat() if isinstance(value, date) else str(value) for value in values]
    )


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch("-?[0-9]{1,400}", text) else float(text)


def _exact(value: int | float | Decimal | None) -> int | float | None:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _numbers(values: Sequence[int | float | None]) -> Any:
    import numpy as np

    if values and all(isinstance(value, int) for value in values):
        if all(-_LARGEST <= value < _LARGEST for value in values if value is not None):
            return np.array(values, dtype=np.int64)
        # Beyond 64 bits only text is exact, and different classes stay different.
        return _texts([str(value) for value in values])
    return np.array([math.nan if value is None else float(value) for value in values], dtype=float)


def _texts(values: Sequence[str | None]) -> Any:
    import numpy as np

    return np.array(values, dtype=object)
