"""Rows: columns have the types of the model's signature, or types that are inferred from their values."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from mlflow_common.errors import InputError
from mlflow_platform.validation import files
from mlflow_platform.validation.rows import Rows, Task, prepare
from mlflow_platform.validation.signature import ColumnSpec, Signature
from mlflow_platform.validation.table import Table
from tests.platform.validation.support import columns


def rows(signature: Signature, *, is_text: bool = True, task: Task | None = None, **given: Sequence[Any]) -> Rows:
    count = len(next(iter(given.values())))
    table = Table("rows.csv", {"y": ["a"] * count, **given}, is_text)
    return prepare(table, "y", task=task, signature=signature, origin="here")


def read(type_: str, *values: Any, is_text: bool = True) -> list[Any]:
    return list(rows(columns(x=type_), is_text=is_text, x=values).features["x"])


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("string", "02134", "02134"),
        ("string", "NA", "NA"),
        ("string", "None", "None"),
        ("string", "1.10", "1.10"),
        ("string", "True", "True"),
        ("string", " a ", " a "),
        ("boolean", "True", True),
        ("boolean", "FALSE", False),
        ("boolean", "1", True),
        ("boolean", "0", False),
        ("integer", "-2147483648", -(2**31)),
        ("long", str(2**63 - 1), 2**63 - 1),
        ("long", "9007199254740993", 2**53 + 1),
        ("long", "3.0", 3),
        ("long", "1e3", 1000),
        ("long", "007", 7),
        ("long", "+5", 5),
        ("double", "0.1", 0.1),
        ("double", "1", 1.0),
        ("double", "-inf", float("-inf")),
        ("double", "1e-400", 0.0),
        ("float", "0.1", 0.1),
        ("datetime", "2026-01-31", "2026-01-31T00:00:00.000000000"),
        ("datetime", "2026-01-31 12:30", "2026-01-31T12:30:00.000000000"),
        ("datetime", "2026-01-31T12:30:15.123456789", "2026-01-31T12:30:15.123456789"),
        ("datetime", "2026-01-31T12:30:15+02:00", "2026-01-31T10:30:15.000000000"),
        ("datetime", "2026-01-31T12:30:15Z", "2026-01-31T12:30:15.000000000"),
        ("binary", "AP8=", b"\x00\xff"),
        ("array", "[1, 2]", [1, 2]),
        ("object", '{"a": null}', {"a": None}),
        ("map", '{"a": 1}', {"a": 1}),
        ("any", "x", "x"),
    ],
)
def test_text_becomes_a_value_of_the_signatures_type(type_: str, text: str, value: Any) -> None:
    found = read(type_, text)
    assert found == [value]
    assert type(found[0]) is type(value)


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("string", 2134, "2134"),
        ("string", Decimal("1.10"), "1.10"),
        ("boolean", 1, True),
        ("boolean", 0.0, False),
        ("long", 2**60 + 1, 2**60 + 1),
        ("long", 3.0, 3),
        ("long", Decimal("9007199254740993"), 2**53 + 1),
        ("long", "7", 7),
        ("double", 3, 3.0),
        ("double", Decimal("1.10"), 1.1),
        ("datetime", date(2026, 1, 31), "2026-01-31T00:00:00.000000000"),
        ("datetime", datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00.000000000"),
        (
            "datetime",
            datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-30T23:00:00.000000000",
        ),
        ("datetime", pd.Timestamp("2026-01-31T12:00:00.000000001"), "2026-01-31T12:00:00.000000001"),
        ("datetime", "2026-01-31", "2026-01-31T00:00:00.000000000"),
        ("binary", b"\x00", b"\x00"),
        ("map", [("a", 1)], {"a": 1}),
        ("array", [1.5, float("nan")], [1.5, None]),
        ("any", {"a": [Decimal("1.5")]}, {"a": [1.5]}),
    ],
)
def test_values_of_typed_files_become_values_of_the_signatures_type(type_: str, value: Any, expected: Any) -> None:
    found = read(type_, value, is_text=False)
    assert found == [expected]
    assert type(found[0]) is type(expected)


@pytest.mark.parametrize(
    ("type_", "text", "complaint"),
    [
        ("boolean", "yes", "'yes' in row 2 of 'x' is not a boolean"),
        ("boolean", "2", "is not a boolean"),
        ("integer", "2147483648", "is beyond an integer of 32 bits"),
        ("long", str(2**63), "is beyond an integer of 64 bits"),
        ("long", "1e999999", "is beyond any integer"),
        ("long", "1.5", "is not an integer"),
        ("long", "1_000", "is not an integer"),
        ("long", "0x10", "is not an integer"),
        ("long", "inf", "is not an integer"),
        ("double", "1,5", "is not a number"),
        ("double", "1e999", "is beyond a floating-point number of 64 bits"),
        ("float", "1e39", "is beyond a floating-point number of 32 bits"),
        ("datetime", "31/01/2026", "is not a date or time in ISO 8601"),
        ("datetime", "2026-02-30", "is not a date or time that exists"),
        ("datetime", "1500-01-01", "is not within the years 1678 to 2261"),
        ("datetime", "0001-01-01T00:00:00+23:00", "is not within the years 1678 to 2261"),
        ("datetime", "1700000000", "is not a date or time in ISO 8601"),
        ("binary", "a b", "is not base64"),
        ("array", "x", "is not JSON"),
        ("array", '{"a": 1}', "is not of type array"),
    ],
)
def test_text_of_another_type_is_refused_with_its_row(type_: str, text: str, complaint: str) -> None:
    valid = {"boolean": "true", "datetime": "2026-01-31", "binary": "AA==", "array": "[]"}.get(type_, "1")
    with pytest.raises(InputError, match=complaint) as wrong:
        read(type_, valid, text)
    assert wrong.value.message.startswith(f"rows.csv: {text!r} in row 2 of 'x' ")


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("string", True),
        ("string", b"x"),
        # The whole number 2134 beside a missing one, as pandas stores it.
        ("string", 2134.0),
        ("string", ["x"]),
        ("boolean", 2),
        ("long", True),
        ("long", 1.5),
        ("long", 1e300),
        ("double", True),
        ("double", [1.0]),
        ("datetime", 1700000000),
        ("binary", 1),
        ("any", b"x"),
    ],
)
def test_typed_values_of_another_type_are_refused(type_: str, value: Any) -> None:
    with pytest.raises(InputError, match="in row 1 of 'x' "):
        read(type_, value, is_text=False)


@pytest.mark.parametrize("type_", ["long?", "integer?", "boolean?", "double", "float", "datetime"])
@pytest.mark.parametrize("text", [None, "", "NA", "NaN", "null", "None"])
def test_the_usual_words_are_missing_values_if_the_type_is_not_text(type_: str, text: str | None) -> None:
    assert read(type_, text) == [None]


@pytest.mark.parametrize("type_", ["long", "integer", "boolean", "binary"])
def test_a_required_value_that_cannot_be_missing_is_refused(type_: str) -> None:
    with pytest.raises(InputError, match="row 1 has no value in 'x', which the model requires"):
        read(type_, None)


def test_an_empty_field_is_empty_text_if_text_is_required_and_missing_if_it_is_optional() -> None:
    assert read("string", None, "") == ["", ""]
    assert read("string?", None, "") == [None, ""]
    assert read("string", None, is_text=False) == [None]


def test_columns_are_chosen_and_ordered_by_name() -> None:
    found = rows(columns(b="long", a="string", c="double?"), a=["1"], extra=["x"], b=["2"])
    assert dict(found.features) == {"b": [2], "a": ["1"]}
    assert list(found.features) == ["b", "a"]
    assert found.ignored == ("extra",)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match="lacks columns that the model needs: b, c"):
        rows(columns(a="long", b="long", c="long", d="long?"), a=["1"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Caf\u00e9", "'Caf\u00e9'"), (" caf\u00e9", "' caf\u00e9'"), ("cafe\u0301", r"'cafe\\u0301'")],
)
def test_an_optional_input_in_another_spelling_is_not_left_out(name: str, shown: str) -> None:
    types = {"a": "long", "caf\u00e9": "long?"}
    signature = columns(**types)
    with pytest.raises(
        InputError, match=f"the column {shown} of rows.csv and the model's input 'caf.*' are written diff"
    ):
        rows(signature, a=["1"], **{name: ["2"]})
    assert rows(signature, a=["1"], **{name: ["2"], "caf\u00e9": ["3"]}).ignored == (name,)


def test_a_required_input_in_another_spelling_is_named() -> None:
    signature, given = Signature((ColumnSpec("\u00e9", "long"),)), {"e\u0301": ["1"]}
    with pytest.raises(InputError, match="are written differently") as wrong:
        rows(signature, **given)
    assert r"'e\u0301'" in wrong.value.message


@pytest.mark.parametrize(
    ("is_text", "given", "sent"),
    [(False, ["1", "true", "{}"], ["1", "true", "{}"]), (True, ["1", "02", "x"], [1, "02", "x"])],
)
def test_text_for_an_input_of_any_type_is_json_only_in_a_text_file(*, is_text: bool, given: Any, sent: Any) -> None:
    assert rows(columns(a="any"), is_text=is_text, a=given).features["a"] == sent


@pytest.mark.parametrize("type_", ["string", "string?"])
def test_an_input_cannot_be_the_truth(type_: str) -> None:
    with pytest.raises(InputError, match="the model takes 'y' as an input"):
        rows(columns(y=type_, a="long"), a=["1"])


def test_a_table_with_only_the_truth_is_rejected() -> None:
    with pytest.raises(InputError, match="nothing to predict from"):
        prepare(Table("rows.csv", {"y": ["1"]}, True), "y", task=None, signature=Signature(), origin="here")


def test_columns_without_names_are_taken_by_position() -> None:
    signature = Signature(inputs=(ColumnSpec(None, "string"), ColumnSpec(None, "long")))
    assert dict(rows(signature, a=["01"], b=["2"]).features) == {"a": ["01"], "b": [2]}
    with pytest.raises(InputError, match="has 1 columns beside the truth, and the model takes 2 without names"):
        rows(signature, a=["01"])


def test_tensors_have_their_numpy_type() -> None:
    one = Signature(inputs=(ColumnSpec(None, "float32", is_tensor=True, shape=(-1, 2)),))
    assert dict(rows(one, a=["1"], b=[None]).features) == {"a": [1.0], "b": [None]}
    named = Signature(inputs=(ColumnSpec("a", "int8", is_tensor=True, shape=(-1, 2)),))
    assert rows(named, is_text=False, a=[[1, 2]]).features["a"] == [[1, 2]]
    with pytest.raises(InputError, match="is beyond an integer of 8 bits"):
        rows(named, is_text=False, a=[[1, 200]])
    half = Signature(inputs=(ColumnSpec("a", "float16", is_tensor=True, shape=(-1,)),))
    assert rows(half, a=["65504"]).features["a"] == [65504.0]
    with pytest.raises(InputError, match="is beyond a floating-point number of 16 bits"):
        rows(half, a=["70000"])
    strange = Signature(inputs=(ColumnSpec("a", "complex64", is_tensor=True, shape=(-1,)),))
    with pytest.raises(InputError, match="cannot be turned into an array of complex64"):
        rows(strange, a=["1"])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["02134", "00501"], ["02134", "00501"]),
        (["02134", "90210"], ["02134", "90210"]),
        (["1", "2", None], [1, 2, None]),
        (["1", "2.5"], [1, 2.5]),
        (["nan", "2.5"], [None, 2.5]),
        (["1e3", ".5"], [1000.0, 0.5]),
        (["NA", "US"], ["NA", "US"]),
        (["True", "false", None], [True, False, None]),
        (["1", "x"], ["1", "x"]),
        (["+49", "1"], ["+49", "1"]),
        (["", None, "a"], ["", None, "a"]),
        ([None, None], [None, None]),
        ([str(2**60 + 1), "1"], [2**60 + 1, 1]),
        (["1", "-inf", "Infinity", None], [1, float("-inf"), float("inf"), None]),
        (["inf", "x"], ["inf", "x"]),
        (["inf", None], ["inf", None]),
    ],
)
def test_without_a_signature_the_type_of_a_text_column_is_inferred_from_all_values(
    given: list[Any], found: list[Any]
) -> None:
    values = rows(Signature(), x=given).features["x"]
    assert values == found
    assert [type(value) for value in values] == [type(value) for value in found]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["1", "NA"], "'x' has numbers and 'NA', and the model has no signature"),
        (["1", "None"], "'x' has numbers and 'None'"),
        ([str(2**60), None], "integers beyond 2\\^53 beside missing values"),
        ([str(2**64)], "is beyond an integer of 64 bits"),
        (["1e999"], "is beyond a floating-point number"),
    ],
)
def test_without_a_signature_ambiguous_text_is_rejected(given: list[Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        rows(Signature(), x=given)


def test_without_a_signature_typed_values_are_not_changed() -> None:
    found = rows(Signature(), is_text=False, x=["02134", None], n=[Decimal("1.5"), float("nan")]).features
    assert dict(found) == {"x": ["02134", None], "n": [1.5, None]}
    with pytest.raises(InputError, match="cannot be sent as JSON without a signature"):
        rows(Signature(), is_text=False, x=[b"x"])


def truth(*values: Any, is_text: bool = True, task: Task | None = None, output: str | None = None) -> list[Any]:
    outputs = (ColumnSpec(None, output),) if output else ()
    table = Table("rows.csv", {"x": ["1"] * len(values), "y": list(values)}, is_text)
    return list(prepare(table, "y", task=task, signature=Signature((), outputs), origin="here").truth)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["NA", "None", "nan", "null"], ["NA", "None", "nan", "null"]),
        (["1", "2"], [1, 2]),
        (["1", "2.0"], [1.0, 2.0]),
        (["02134", "1"], ["02134", "1"]),
        (["true", "False"], [True, False]),
        (["1", "NA"], ["1", "NA"]),
        (["9007199254740993"], [2**53 + 1]),
    ],
)
def test_the_truth_has_the_type_in_which_all_of_it_is_written(given: list[str], found: list[Any]) -> None:
    values = truth(*given)
    assert values == found
    assert [type(value) for value in values] == [type(value) for value in found]


def test_the_truth_stays_text_if_the_model_predicts_text() -> None:
    assert truth("1", "02", output="string") == ["1", "02"]


def test_the_truth_of_a_regression_is_numbers() -> None:
    assert truth("1", "02", " 3.5 ", task="regression") == [1.0, 2.0, 3.5]
    with pytest.raises(InputError, match="the truth in row 2 \\('y'\\) is 'NA', which is not a number"):
        truth("1", "NA", task="regression")
    with pytest.raises(InputError, match="is infinite"):
        truth("inf", task="regression")


@pytest.mark.parametrize("empty", [None, ""])
def test_rows_without_a_truth_are_refused(empty: str | None) -> None:
    with pytest.raises(InputError, match=r"lacks the truth \(column 'y'\) in 2 of 3 rows, first in row 2"):
        truth("1", empty, empty)
    with pytest.raises(InputError, match=r"in 1 of 1 rows"):
        truth(empty)
    with pytest.raises(InputError, match=r"in 1 of 1 rows"):
        truth(float("nan"), is_text=False)


def test_the_truth_cannot_be_a_list() -> None:
    with pytest.raises(InputError, match="give text or a number"):
        truth([1], is_text=False)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (files.parse(b'[{"x": 1, "y": 1e400}]', "rows.json"), "the truth in row 1 .'y'. is infinite"),
        (files.parse(b'[{"x": %s, "y": 1}]' % (b"[" * 900 + b"]" * 900), "rows.json"), "is nested too deeply"),
        (Table("rows.parquet", {"x": [[("a", 1), ("a", 2)]], "y": [1]}, is_text=False), "has a key twice"),
    ],
)
def test_values_that_cannot_be_sent_or_compared_are_an_error(table: Table, message: str) -> None:
    signature = columns(x="map") if table.name.endswith("parquet") else Signature()
    with pytest.raises(InputError, match=message):
        prepare(table, "y", task=None, signature=signature, origin="a test")


def test_whole_decimals_are_sent_exactly_without_a_signature() -> None:
    table = Table("rows.parquet", {"x": [Decimal(2**53 + 1), Decimal("1.50")], "y": [1, 2]}, is_text=False)
    prepared = prepare(table, "y", task=None, signature=Signature(), origin="a test")
    assert list(prepared.features["x"]) == [2**53 + 1, 1.5]
