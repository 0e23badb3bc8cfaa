"""Reads a data file (CSV, JSON or Parquet) as a table. The file's name decides the format.

- `.parquet`, `.pq`: Parquet.
- `.json`: an object in one of MLflow's four scoring formats (`dataframe_split`, `dataframe_records`, `instances`,
  `inputs`), a bare split object (`columns`, `data`) or a bare list of records.
- `.jsonl`, `.ndjson`: one record on each line.
- anything else: CSV in UTF-8, with a header and with `,`, `;`, tab or `|` between the fields.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError
from mlflow_platform.validation import strict_json
from mlflow_platform.validation.table import Table, check_names, listed, quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

_PARQUET = {".parquet", ".pq"}
_JSON_LINES = {".jsonl", ".ndjson"}
_DELIMITERS = ",;\t|"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# How files of other formats begin, which people name .csv, or which have two suffixes (.csv.gz).
_OTHERS = {
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"BZh": "is compressed with bzip2: unpack it first",
    b"\xfd7zXZ": "is compressed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard: unpack it first",
    b"PK\x03\x04": "is a ZIP archive or an Excel file: unpack it, or save it as CSV",
    b"\xd0\xcf\x11\xe0": "is an Excel file: save it as CSV",
    b"PAR1": "is a Parquet file: name it .parquet",
}
# pyarrow parses a file in blocks, and a row must fit into one.
_SMALLEST_BLOCK, _LARGEST_BLOCK = 1 << 20, 2**31 - 1
# Files and requests come from others too. As Python objects, a value takes 8 to 60 bytes.
_MOST_MISSING, _MOST_VALUES, _MOST_BYTES = 50_000_000, 200_000_000, 8 * 10**9


def read(path: Path, target: str) -> Table:
    """Read a data file. Its column `target` tells a CSV file's delimiter.

    Raises:
        InputError: there is no such file, it is not in its format, has no rows or no column `target`.
    """
    table = read_any(path, target)
    if target not in table.columns:
        names = [name for name in table.columns if name]
        raise InputError(f"{path.name} has no column {target!r} to compare with (it has: {listed(names) or 'none'})")
    if len(table) == 0:
        raise InputError(f"{path.name} has no rows")
    return table


def read_any(path: Path, column: str = "") -> Table:
    """Read a data file of any columns. `column` is one of them, which tells a CSV file's delimiter; see `_header`.

    Raises:
        InputError: there is no such file, or it is not in its format.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse(content, path.name, column)


def parse(content: bytes, name: str, column: str = "") -> Table:
    """Parse a data file by its name, as `read_any`."""
    suffix = Path(name).suffix.lower()
    if suffix in _PARQUET:
        return parse_parquet(content, name)
    if suffix == ".json":
        return parse_json(content, name)
    if suffix in _JSON_LINES:
        return parse_json_lines(content, name)
    return parse_csv(content, name, column)


def parse_csv(content: bytes, file: str, target: str) -> Table:
    """Parse CSV. Every value stays text; an empty field is None, a quoted empty one the empty string.

    Raises:
        InputError: it is not UTF-8, rows differ in length, or two columns have the same name.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    content = content.removeprefix(_BYTE_ORDER_MARK)
    if not content.strip():
        raise InputError(f"{file} cannot be read as CSV: it is empty")
    if b"\0" in content:
        raise _no_text(content, file, "it contains NUL bytes")
    header, delimiter = _header(content, file, target)
    check_names(file, header)
    if b'"' in content:
        _check_quotes(content, file, delimiter)
    # Columns are numbered here: pyarrow takes options by name, and several columns may have no name.
    numbers = [str(number) for number in range(len(header))]
    content = _with_last_row(content, numbers, delimiter)
    size = min(max(len(content) + 1, _SMALLEST_BLOCK), _LARGEST_BLOCK)
    try:
        table = arrow.read_csv(
            io.BytesIO(content),
            read_options=arrow.ReadOptions(column_names=numbers, block_size=size, use_threads=False),
            parse_options=arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow.ConvertOptions(
                column_types={number: pa.string() for number in numbers},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{file} cannot be read as CSV: {_first_line(error)}") from None
    values = [column.to_pylist() for column in table.columns]
    if [column.pop() for column in values] != numbers:
        row = f"row {len(values[0])}" if values[0] else "the header"
        raise InputError(f"{file} cannot be read as CSV: a quote in {row} is not closed")
    # The first row is the header itself.
    values = [column[1:] for column in values]
    return Table(file, {name: column for name, column in zip(header, values, strict=True) if name}, is_text=True)


def _no_text(content: bytes, file: str, problem: str) -> InputError:
    other = next((other for start, other in _OTHERS.items() if content.startswith(start)), None)
    return InputError(f"{file} {other or f'cannot be read as CSV: {problem}; save it as UTF-8'}")


def _check_quotes(content: bytes, file: str, delimiter: str) -> None:
    """Refuse text behind a quoted field, and spaces in front of one.

    pyarrow takes such text as a part of the field, and lines before it too. Behind a space, it takes the quotes for a
    part of the value.
    """
    before = csv.field_size_limit(2**31 - 1)
    text = content.decode()
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for _ in rows:
            pass
        if ' "' in text:
            _check_spaces(text, file, delimiter)
    except csv.Error as error:
        # A quote that is never closed is found later.
        if "expected after" in str(error):
            raise InputError(
                f"{file} cannot be read as CSV: a quoted field that ends in line {rows.line_num} is followed by text; "
                "write quotes within a field twice"
            ) from None
    finally:
        csv.field_size_limit(before)


def _check_spaces(text: str, file: str, delimiter: str) -> None:
    kept, skipped = (
        csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=skip) for skip in (False, True)
    )
    for number, (row, other) in enumerate(zip(filter(None, kept), filter(None, skipped), strict=False)):
        pairs = zip(row, other, strict=False)
        if len(row) != len(other) or any(value != found.rjust(len(value)) for value, found in pairs):
            where = f"row {number}" if number else "the header"
            raise InputError(f"{file} cannot be read as CSV: in {where} a quote follows a space; remove the space")


def _with_last_row(content: bytes, numbers: Sequence[str], delimiter: str) -> bytes:
    """The content and a row of the columns' numbers: a quoted field that is not closed takes all lines after it."""
    end = b"" if content.endswith((b"\n", b"\r")) else b"\n"
    return content + end + delimiter.join(numbers).encode() + b"\n"


def _header(content: bytes, file: str, target: str) -> tuple[list[str], str]:
    """A CSV file's column names, and its delimiter: the one with which `target` is a column.

    If there is none, it is a comma. In a header without a comma, it is the delimiter that gives the most columns.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _no_text(content, file, f"line {line} is not UTF-8") from None
    headers: dict[str, list[str]] = {}
    for delimiter in _DELIMITERS:
        try:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            headers[delimiter] = next((row for row in rows if row), [])
        except csv.Error as error:
            raise InputError(f"{file} cannot be read as CSV: {error}") from None
    found = next((delimiter for delimiter, names in headers.items() if target and target in names), None)
    if found is None:
        found = "," if len(headers[","]) > 1 else max(_DELIMITERS, key=lambda delimiter: len(headers[delimiter]))
    return headers[found], found


def parse_json(content: bytes, file: str) -> Table:
    """Parse one of the JSON formats that this module's docstring lists.

    Raises:
        InputError: it is not JSON, or in none of these formats.
    """
    found = _load_json(content, file)
    if isinstance(found, list):
        return _from_records(found, file)
    if isinstance(found, dict):
        if "columns" in found and "data" in found:
            return _from_split(found, file)
        formats = [name for name in ("dataframe_split", "dataframe_records", "instances", "inputs") if name in found]
        if len(formats) == 1:
            data = found[formats[0]]
            match formats[0]:
                case "dataframe_split":
                    return _from_split(data, file)
                case "inputs":
                    return _from_columns(data, file) if isinstance(data, dict) else _from_instances(data, file)
                case "instances":
                    return _from_instances(data, file)
                case _:
                    return _from_records(data, file)
    raise InputError(
        f"{file} has no rows in a known form: give one of dataframe_split, dataframe_records, instances or inputs"
    )


def parse_json_lines(content: bytes, file: str) -> Table:
    """Parse one JSON object on each line.

    Raises:
        InputError: naming the line that is none.
    """
    lines = content.removeprefix(_BYTE_ORDER_MARK).split(b"\n")
    records = [_load_json(line, f"{file}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    return _from_records(records, file)


def _load_json(content: bytes, file: str) -> Any:
    try:
        return strict_json.loads(content.removeprefix(_BYTE_ORDER_MARK))
    except RecursionError:
        raise InputError(f"{file} cannot be read as JSON: it is nested too deeply") from None
    except UnicodeEncodeError:
        raise InputError(f"{file} cannot be read as JSON: it has text with half of a surrogate pair") from None
    except ValueError as error:
        raise InputError(f"{file} cannot be read as JSON: {_first_line(error)}") from None


def _from_split(data: Any, file: str) -> Table:
    names = data.get("columns") if isinstance(data, dict) else None
    rows = data.get("data") if isinstance(data, dict) else None
    if not isinstance(names, list) or not isinstance(rows, list):
        raise InputError(f"{file} is not in the split format: it needs the lists `columns` and `data`")
    names = [str(name) for name in names]
    check_names(file, names)
    return _from_rows(names, rows, file)


def _from_rows(names: list[str], rows: list[Any], file: str) -> Table:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(names):
            raise InputError(f"{file}: row {number} is not a list of {len(names)} values, one for each column")
    return Table(file, {name: [row[at] for row in rows] for at, name in enumerate(names)}, is_text=False)


def _from_records(data: Any, file: str) -> Table:
    if not isinstance(data, list):
        raise InputError(f"{file} is not in the records format: it needs a list of objects")
    names: dict[str, None] = {}
    for number, record in enumerate(data, 1):
        if not isinstance(record, Mapping):
            raise InputError(f"{file}: row {number} is {quoted(record)} and not an object of column names and values")
        names.update(dict.fromkeys(record))
    missing = len(names) * len(data) - sum(map(len, data))
    if missing > _MOST_MISSING:
        raise InputError(
            f"{file} has {len(names):,} different names of columns in {len(data):,} rows, most of which have few of "
            "them; give each row the same names"
        )
    return Table(file, {name: [record.get(name) for record in data] for name in names}, is_text=False)


def _from_instances(data: Any, file: str) -> Table:
    """Rows as objects; or as lists, whose columns are then called by their positions: "0", "1", …

    Rows of one value, such as the texts for a language model, need no list; and one row needs none around it.
    """
    if isinstance(data, (str, int, float)):
        data = [data]
    if isinstance(data, list) and data and not any(isinstance(row, (list, dict)) for row in data):
        return Table(file, {"0": data}, is_text=False)
    if isinstance(data, list) and data and isinstance(data[0], list):
        return _from_rows([str(position) for position in range(len(data[0]))], data, file)
    return _from_records(data, file)


def _from_columns(data: Mapping[str, Any], file: str) -> Table:
    if data and not any(isinstance(values, (list, dict)) for values in data.values()):
        return Table(file, {name: [value] for name, value in data.items()}, is_text=False)
    lengths = {name: len(values) if isinstance(values, list) else -1 for name, values in data.items()}
    if -1 in lengths.values() or len(set(lengths.values())) > 1:
        raise InputError(f"{file}: each column of `inputs` must be a list, and all of the same length")
    return Table(file, dict(data), is_text=False)


def parse_parquet(content: bytes, file: str) -> Table:
    """Parse Parquet. Columns that pandas stores for an index without a name are left out.

    Raises:
        InputError: it is not Parquet, or two columns have the same name.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = read_parquet(parquet.ParquetFile(io.BytesIO(content)), file)
        names = [str(name) for name in table.column_names]
        check_names(file, names)
        index = _index(table)
        columns = {
            name: column.to_pylist()
            for name, column in zip(names, table.columns, strict=True)
            if not name.startswith("__index_level_")
        }
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {_first_line(error)}") from None
    return Table(file, columns, is_text=False, index=index)


def read_parquet(found: parquet.ParquetFile, file: str) -> pa.Table:
    """The table in a Parquet file. A file of a few kilobytes can hold more equal values than the memory.

    Raises:
        InputError: it holds too much.
    """
    about = found.metadata
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(about.num_columns)]
    values = sum(column.num_values for column in columns)
    size = sum(column.total_uncompressed_size for column in columns)
    if values > _MOST_VALUES or size > _MOST_BYTES:
        raise InputError(
            f"{file} has {values:,} values of {size / 1e9:.1f} GB; at most {_MOST_VALUES:,} values of "
            f"{_MOST_BYTES / 1e9:.0f} GB are read; split it"
        )
    return found.read()


def _index(table: pa.Table) -> frozenset[str]:
    """The columns that were a data frame's index, as pandas names them in the file's metadata."""
    about = table.schema.pandas_metadata
    found = about.get("index_columns") if isinstance(about, dict) else None
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0].strip().rstrip(".") if lines else type(error).__name__)[:200]
