"""Data files: every format and delimiter is read to the same table, without changing a value."""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from mlflow_common.errors import InputError
from mlflow_platform.validation import files, rows
from mlflow_platform.validation.signature import Signature
from tests.platform.validation.support import columns

RECORDS: list[dict[str, Any]] = [{"zip": "02134", "n": 2**60 + 1, "y": "NA"}, {"zip": "00501", "n": None, "y": "us"}]
COLUMNS = {name: [record[name] for record in RECORDS] for name in ("zip", "n", "y")}
SPLIT = {"columns": list(COLUMNS), "data": [list(record.values()) for record in RECORDS]}


def read(tmp_path: Path, name: str, content: str | bytes, target: str = "y") -> dict[str, list[Any]]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return {column: list(values) for column, values in files.read(path, target).columns.items()}


@pytest.mark.parametrize(
    ("text", "columns"),
    [("a;b\n1,5;x\n", ["a", "b"]), ("a,b;c\n1,2\n", ["a", "b;c"]), ("a\n1\n", ["a"]), ("a\tb\n1\t2\n", ["a", "b"])],
)
def test_a_csv_file_without_a_target_has_the_delimiter_of_its_header(
    tmp_path: Path, text: str, columns: list[str]
) -> None:
    (tmp_path / "rows.csv").write_text(text)
    assert list(files.read_any(tmp_path / "rows.csv").columns) == columns


def test_a_columns_name_may_contain_a_delimiter(tmp_path: Path) -> None:
    assert read(tmp_path, "rows.csv", "a;b\n1;2\n", target="a;b") == {"a;b": ["1;2"]}


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_of_every_kind_is_read_as_text(tmp_path: Path, delimiter: str, end: str, mark: str) -> None:
    lines = ["zip,y", "02134,NA", "00501,us"]
    text = mark + end.join(line.replace(",", delimiter) for line in lines) + end
    assert read(tmp_path, "rows.csv", text) == {"zip": ["02134", "00501"], "y": ["NA", "us"]}


@pytest.mark.parametrize("text", ['a,y\n"x,1\ny,2\n"z,3\n', 'a,y\n"x"y,1\n', 'a,y\n"x\\"y",1\nz,2\n'])
def test_text_behind_a_quoted_field_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"rows.csv cannot be read as CSV: a quote"):
        read(tmp_path, "rows.csv", text)


def test_csv_does_not_change_quoted_fields(tmp_path: Path) -> None:
    text = 'a,b,y\n"x, ""y""\nz","",1\n ,,2\n'
    assert read(tmp_path, "rows.csv", text) == {"a": ['x, "y"\nz', " "], "b": ["", None], "y": ["1", "2"]}


def test_a_field_longer_than_a_block_is_read(tmp_path: Path) -> None:
    text = f"a,y\n{'x' * 3_000_000},1\nz,2\n"
    assert len(read(tmp_path, "rows.csv", text)["a"][0]) == 3_000_000


def test_a_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, "rows.csv", ",a,,y\n0,1,2,3\n") == {"a": ["1"], "y": ["3"]}


@pytest.mark.parametrize(
    "content",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": {**SPLIT, "index": [7, 8]}},
        SPLIT,
        {"dataframe_records": RECORDS},
        {"instances": RECORDS},
        {"inputs": COLUMNS},
        {"inputs": RECORDS},
        RECORDS,
        [RECORDS[0], {"zip": "00501", "y": "us"}],
    ],
)
def test_json_of_every_form_is_read_with_its_types(tmp_path: Path, content: Any) -> None:
    assert read(tmp_path, "rows.json", json.dumps(content)) == COLUMNS


def test_json_rows_without_names_are_named_by_position(tmp_path: Path) -> None:
    found = read(tmp_path, "rows.json", json.dumps({"instances": [[1, "a"], [2, "b"]]}), target="1")
    assert found == {"0": [1, 2], "1": ["a", "b"]}


def test_json_lines_are_rows(tmp_path: Path) -> None:
    text = "\n\n".join(json.dumps(record) for record in RECORDS) + "\n"
    assert read(tmp_path, "rows.jsonl", text) == COLUMNS


def test_parquet_is_read_with_its_types(tmp_path: Path) -> None:
    parquet.write_table(pa.table(COLUMNS), tmp_path / "rows.parquet")
    assert dict(files.read(tmp_path / "rows.parquet", "y").columns) == COLUMNS


def test_the_index_that_pandas_adds_to_parquet_is_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "y": [1, 2, 3]})[lambda each: each.a != 2]
    frame.to_parquet(tmp_path / "rows.parquet")
    assert list(files.read(tmp_path / "rows.parquet", "y").columns) == ["a", "y"]


def test_a_named_index_is_an_input_only_if_the_signature_names_it(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "y": [1, 2]}, index=pd.Index([7, 8], name="id"))
    frame.to_parquet(tmp_path / "rows.parquet")
    table = files.read(tmp_path / "rows.parquet", "y")
    assert list(table.columns["id"]) == [7, 8]
    for signature, expected in ((Signature(), ["a"]), (columns(a="long", id="long"), ["a", "id"])):
        prepared = rows.prepare(table, "y", task=None, signature=signature, origin="here")
        assert list(prepared.features) == expected


@pytest.mark.parametrize("about", [b"[]", b'{"index_columns": 7}', b'{"index_columns": [7]}'])
def test_odd_metadata_of_pandas_names_no_index(about: bytes) -> None:
    assert files.parse_parquet(with_metadata(about), "d.parquet").index == frozenset()


def test_damaged_metadata_of_pandas_is_an_error() -> None:
    with pytest.raises(InputError, match=r"d\.parquet cannot be read as Parquet"):
        files.parse_parquet(with_metadata(b"{"), "d.parquet")


def with_metadata(about: bytes) -> bytes:
    buffer = pa.BufferOutputStream()
    parquet.write_table(pa.table({"a": [1], "y": [2]}).replace_schema_metadata({b"pandas": about}), buffer)
    return bytes(buffer.getvalue())


def two_of_a_name() -> bytes:
    buffer = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["y", "y"]), buffer)
    return bytes(buffer.getvalue())


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("rows.csv", None, "there is no file"),
        ("rows.csv", b"", "cannot be read as CSV: it is empty"),
        ("rows.csv", b"\xef\xbb\xbf \n", "cannot be read as CSV: it is empty"),
        ("rows.csv", b"\x00\xff\xfe", "cannot be read as CSV: it contains NUL bytes; save it as UTF-8"),
        ("rows.csv", b"a,y\n1,2\n\xe9,3\n", "line 3 is not UTF-8"),
        ("rows.csv.gz", gzip.compress(b"a,y\n1,2\n", mtime=0), "rows.csv.gz is compressed with gzip: unpack it first"),
        ("rows.csv", b"PK\x03\x04\x14\0", "rows.csv is a ZIP archive or an Excel file: unpack it, or save it as CSV"),
        ("rows.parquet.snappy", b"PAR1\0", "is a Parquet file: name it .parquet"),
        ("rows.csv", b'a,y\n1,2\n"', "cannot be read as CSV"),
        ("rows.csv", b"a,y\n1,2,3\n", "cannot be read as CSV: CSV parse error: Row #2: Expected 2 columns, got 3"),
        ("rows.csv", b"a,y\n", "rows.csv has no rows"),
        ("rows.csv", b"a,b\n1,2\n", r"has no column 'y' to compare with \(it has: a, b\)"),
        ("rows.csv", b'"a";"b"\n"1";"2"\n', r"has no column 'y' to compare with \(it has: a, b\)"),
        ("rows.csv", b"y,a,y\n1,2,3\n", "has more than one column 'y'"),
        ("rows.csv", b'a,y\n1,"x"\n\n2, "x"\n', "in row 2 a quote follows a space; remove the space"),
        ("rows.csv", b'a, "b, c", y\n1,2,3\n', r"has no column 'y'|in the header a quote follows a space"),
        ("rows.json", b"", "cannot be read as JSON"),
        ("rows.json", b"[" * 100_000, "cannot be read as JSON: it is nested too deeply"),
        ("rows.json", b"1" * 5_000, "cannot be read as JSON"),
        ("rows.json", b"\xff", "cannot be read as JSON"),
        ("rows.json", b'[{"y": "\\ud800"}]', "it has text with half of a surrogate pair"),
        ("rows.json", b"3", "has no rows in a known form"),
        ("rows.json", b'{"rows": []}', "has no rows in a known form"),
        ("rows.json", b"[]", r"has no column 'y' to compare with \(it has: none\)"),
        ("rows.json", b'[{"y": 1, "y": 2}]', "an object has the key 'y' twice"),
        ("rows.json", b'{"columns": ["y"], "data": [[1, 2]]}', "row 1 is not a list of 1 values"),
        ("rows.json", b'{"columns": ["y", "y"], "data": [[1, 2]]}', "has more than one column 'y'"),
        ("rows.json", b'{"dataframe_split": [1]}', "is not in the split format"),
        ("rows.json", b'{"dataframe_records": {"y": 1}}', "is not in the records format"),
        ("rows.json", b'{"instances": [1, [2]]}', "row 1 is 1 and not an object"),
        ("rows.json", b'{"inputs": {"a": [1, 2], "y": [1]}}', "must be a list, and all of the same length"),
        ("rows.json", b'{"columns": ["a", "y"], "data": []}', "has no rows"),
        ("rows.jsonl", b'{"y": 1}\n{"y"\n', "rows.jsonl, line 2 cannot be read as JSON"),
        ("rows.json", json.dumps([{f"c{n}": 2} for n in range(8_000)]).encode(), "8,000 different names of columns"),
        ("rows.parquet", b"PAR1", "cannot be read as Parquet"),
        ("rows.parquet", two_of_a_name(), "has more than one column 'y'"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as wrong:
        files.read(path, "y")
    assert "\n" not in wrong.value.message


def test_spaces_and_quotes_within_fields_are_kept(tmp_path: Path) -> None:
    text = 'a,y\n" "" x",  z\n5\' 11" ,q\n"x, ""y""",r\n'
    assert read(tmp_path, "rows.csv", text) == {"a": [' " x', "5' 11\" ", 'x, "y"'], "y": ["  z", "q", "r"]}


def test_the_key_that_an_object_has_twice_is_found_among_many() -> None:
    many = "".join(f'"k{number}": 1, ' for number in range(100_000))
    with pytest.raises(InputError, match="an object has the key 'k7' twice"):
        files.parse_json(f'{{{many}"k7": 2}}'.encode(), "rows.json")
    with pytest.raises(InputError, match="an object has the key 'last' twice"):
        files.parse_json(f'{{{many}"last": 1, "last": 2}}'.encode(), "rows.json")


def test_a_parquet_file_with_more_values_than_the_memory_holds_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two kilobytes of Parquet hold millions of equal values."""
    pd.DataFrame({"y": [1] * 100_000}).to_parquet(tmp_path / "rows.parquet")
    assert (tmp_path / "rows.parquet").stat().st_size < 5_000
    monkeypatch.setattr(files, "_MOST_VALUES", 99_999)
    with pytest.raises(InputError, match=r"rows.parquet has 100,000 values of 0.0 GB; at most 99,999 values"):
        files.read(tmp_path / "rows.parquet", "y")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        files.read(tmp_path, "y")


@pytest.mark.parametrize("text", ['x,y\n1,"a\n2,b\n', 'x,y\n1,a\n2,"b', 'x,y\n1,a\n2,"b""\n3,c\n'])
def test_a_quote_that_is_not_closed_does_not_take_the_rows_after_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"a quote in row [12] is not closed"):
        read(tmp_path, "rows.csv", text)
