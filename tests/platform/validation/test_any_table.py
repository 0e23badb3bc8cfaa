"""Any table with any signature: the score equals a direct computation, or the input is rejected with one line.

The endpoint reads requests with MLflow's own scoring code. Its model derives a class from every value that it gets, so
that a value that is changed on its way changes the score.
"""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.validation import files, scoring
from mlflow_platform.validation.rows import LEFT_OUT_IF_MISSING, TASKS, prepare
from mlflow_platform.validation.signature import NESTED, SCALARS, ColumnSpec, Signature
from tests.platform.validation.support import answers_of, ask, rows_of
from tests.support.properties import examples

CHECKS = examples(40)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
TRAPS = st.sampled_from(["NA", "None", "nan", "null", "02134", "1.0", "1", "True", "1e5", "+1", " ", "", "-", "#N/A"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT | TRAPS,
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "datetime": st.datetimes(datetime.fromisoformat("1700-01-01"), datetime.fromisoformat("2200-01-01")),
}
ARROW = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "datetime": pa.timestamp("us"),
}
CLASSES = {
    "text": ["NA", "None", "nan", "02134", "2134"],
    "numbers": [0, 1, 2, 7, 2**53 + 1],
    "booleans": [False, True],
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[Signature, dict[str, list[Any]]]:
    """A signature, and columns with values of its types. Optional columns have missing values."""
    count = draw(st.integers(1, 8))
    names = draw(st.lists(TEXT.filter(lambda name: name not in {"", "y"}), min_size=1, max_size=4, unique=True))
    specs, columns = [], {}
    for name in names:
        type_, required = draw(st.sampled_from(sorted(VALUES))), draw(st.booleans())
        values = VALUES[type_] if required else VALUES[type_] | st.none()
        specs.append(ColumnSpec(name, type_, required))
        columns[name] = draw(st.lists(values, min_size=count, max_size=count))
    return Signature(inputs=tuple(specs)), columns


def seen(value: Any, type_: str) -> Any:
    """A value in a form in which the model distinguishes it from others."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return None
    match type_:
        case "boolean":
            return bool(value)
        case "integer" | "long":
            return int(value)
        case "float":
            return float(np.float32(value)).hex()
        case "double":
            return float(value).hex()
        case "datetime":
            return pd.Timestamp(value).isoformat(timespec="nanoseconds")
    return str(value)


def cannot_be_sent(type_: str, value: Any) -> bool:
    """Whether MLflow has no missing value for the type, so that a request omits the column."""
    return value is None and type_ in LEFT_OUT_IF_MISSING


def zeros_are_lost(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether some have the class 2134 where others have 02134, and neither has both."""
    return "2134" in some and "02134" in others and "02134" not in some and "2134" not in others


def chosen(classes: Sequence[Any], values: Sequence[Any]) -> Any:
    return classes[crc32(json.dumps(values).encode()) % len(classes)]


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def field(value: Any) -> str:
    if value is None:
        return ""
    return quoted(value) if isinstance(value, str) else str(value)


def write(form: str, columns: dict[str, list[Any]], types: dict[str, str], folder: str) -> Path:
    path = Path(folder, f"rows.{form}")
    rows = list(zip(*columns.values(), strict=True))
    if form == "parquet":
        truth = pa.array(columns["y"])
        arrays = [pa.array(values, ARROW[types[name]]) for name, values in columns.items() if name != "y"]
        parquet.write_table(pa.Table.from_arrays([*arrays, truth], names=[*types, "y"]), path)
    elif form == "json":
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        path.write_text(json.dumps(records, default=lambda value: value.isoformat()))
    else:
        lines = [",".join(map(quoted, columns)), *(",".join(map(field, row)) for row in rows)]
        path.write_bytes("\n".join(lines).encode())
    return path


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
@CHECKS
@given(table=tables(), kind=st.sampled_from(sorted(CLASSES)), data=st.data())
def test_the_score_is_the_share_of_rows_that_are_right(
    form: str, table: tuple[Signature, dict[str, list[Any]]], kind: str, data: st.DataObject
) -> None:
    signature, columns = table
    types = {column.name or "": column.type for column in signature.inputs}
    classes = CLASSES[kind]
    rows = list(zip(*columns.values(), strict=True))
    right = [
        chosen(classes, [seen(value, type_) for value, type_ in zip(row, types.values(), strict=True)]) for row in rows
    ]
    changed = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    truth = [
        classes[(classes.index(value) + 1) % len(classes)] if change else value  # type: ignore[attr-defined]
        for value, change in zip(right, changed, strict=True)
    ]

    def predict(frame: pd.DataFrame) -> list[Any]:
        return [
            chosen(
                classes,
                [seen(frame[name].iloc[at], type_) if name in frame else None for name, type_ in types.items()],
            )
            for at in range(len(frame))
        ]

    with TemporaryDirectory() as folder:
        path = write(form, {**columns, "y": truth}, types, folder)
        prepared = prepare(files.read(path, "y"), "y", task="classification", signature=signature, origin="here")
    if any(all(map(cannot_be_sent, types.values(), row)) for row in rows):
        with pytest.raises(InputError, match=r"has no value in any column"):
            ask(prepared, predict)
        return
    answers = ask(prepared, predict)
    if zeros_are_lost(truth, right) or zeros_are_lost(right, truth):
        with pytest.raises(InputError, match="are written differently"):
            scoring.compare(prepared, answers)
        return
    checked = scoring.compare(prepared, answers)
    assert checked.metrics["accuracy"] == pytest.approx(1 - sum(changed) / len(changed))


ANY_TYPE = st.sampled_from([*SCALARS, *NESTED])
ANY_SIGNATURE = st.builds(
    # MLflow has no columns that are optional and without a name.
    lambda names, types, required: Signature(
        inputs=tuple(
            ColumnSpec(name, type_, required or name is None) for name, type_ in zip(names, types, strict=False)
        )
    ),
    st.lists(st.sampled_from("abcd"), unique=True) | st.just([None, None]),
    st.lists(ANY_TYPE, min_size=4, max_size=4),
    st.booleans(),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | TRAPS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("aby") | TEXT, inner, max_size=3),
    max_leaves=12,
)


def check_one_line(error: PlatformError) -> None:
    assert len(error.message.splitlines()) == 1, error.message
    assert len(error.message) < 1_000


def used(path: Path, signature: Signature, task: Any) -> None:
    """Read a file and send its rows to a model that knows nothing: a result, or one line."""
    try:
        prepared = prepare(files.read(path, "y"), "y", task=task, signature=signature, origin="here")
        scoring.compare(prepared, ask(prepared, lambda frame: [1] * len(frame)))
    except PlatformError as error:
        check_one_line(error)


@CHECKS
@given(
    suffix=st.sampled_from([".csv", ".json", ".jsonl", ".parquet", ""]),
    content=st.binary(max_size=60)
    | TEXT.map(str.encode)
    | st.lists(st.lists(TEXT | TRAPS, min_size=2, max_size=3).map(",".join), max_size=4).map(
        lambda lines: "\n".join(["a,y,b", *lines]).encode()
    ),
    signature=ANY_SIGNATURE,
    task=st.sampled_from([None, *TASKS]),
)
def test_any_file_gives_a_result_or_one_line(suffix: str, content: bytes, signature: Signature, task: Any) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"rows{suffix}")
        path.write_bytes(content)
        used(path, signature, task)


@CHECKS
@given(
    form=st.sampled_from(["", "instances", "inputs", "dataframe_records", "dataframe_split"]),
    content=JSON | st.lists(st.fixed_dictionaries({"a": JSON, "y": JSON}, optional={"b": JSON}), max_size=4),
    signature=ANY_SIGNATURE,
    task=st.sampled_from([None, *TASKS]),
)
def test_any_json_gives_a_result_or_one_line(form: str, content: Any, signature: Signature, task: Any) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.json")
        path.write_text(json.dumps({form: content} if form else content))
        used(path, signature, task)


@CHECKS
@given(
    pairs=st.lists(
        st.tuples(
            TRAPS | st.booleans() | st.integers() | st.floats(allow_nan=False),
            JSON | st.lists(st.floats(0, 1), min_size=2, max_size=2),
        ),
        min_size=1,
        max_size=6,
    ),
    task=st.sampled_from([None, *TASKS]),
)
def test_any_answer_gives_a_result_or_one_line(pairs: list[tuple[Any, Any]], task: Any) -> None:
    truth, predicted = zip(*pairs, strict=True)
    try:
        checked = scoring.compare(rows_of(truth, task), answers_of(json.loads(json.dumps(predicted))))
    except PlatformError as error:
        check_one_line(error)
    else:
        assert all(math.isfinite(value) for value in checked.metrics.values())
        assert checked.task == "classification" or not any(isinstance(value, str) for value in checked.predicted)


@CHECKS
@given(truth=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8), data=st.data())
def test_errors_of_a_regression_are_those_of_numpy(truth: list[float], data: st.DataObject) -> None:
    predicted = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(truth), max_size=len(truth)))
    checked = scoring.compare(rows_of(truth, "regression"), answers_of(predicted))
    errors = np.asarray(predicted) - np.asarray(truth)
    assert checked.metrics["rmse"] == pytest.approx(math.sqrt(float(np.mean(errors**2))))
    assert checked.metrics["mae"] == pytest.approx(float(np.mean(np.abs(errors))))


def test_a_wrong_value_is_found_by_these_checks() -> None:
    """Simulate a CSV reader that parses `02134` as a number and `NA` as a missing value."""
    guessed = pd.DataFrame({"zip": [2134, 501], "country": [None, "US"]})
    true = [["02134", "NA"], ["00501", "US"]]
    found = [[seen(value, "string") for value in row] for row in guessed.to_numpy().tolist()]
    assert all(chosen(range(1000), one) != chosen(range(1000), other) for one, other in zip(true, found, strict=True))


def test_the_issues_table_is_scored_as_the_endpoint_answers(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("zip,country,label\n02134,NA,namibia\n00501,US,us\n")
    signature = Signature(inputs=(ColumnSpec("zip", "string"), ColumnSpec("country", "string")))
    known = {("02134", "NA"): "namibia", ("00501", "US"): "us"}
    for each in (signature, Signature()):
        table = files.read(tmp_path / "rows.csv", "label")
        rows = prepare(table, "label", task=None, signature=each, origin="here")
        answers = ask(rows, lambda frame: [known.get(tuple(row), "?") for row in frame.to_numpy().tolist()])
        assert scoring.compare(rows, answers).metrics["accuracy"] == 1


def test_an_input_error_is_a_platform_error() -> None:
    assert issubclass(InputError, PlatformError)
