"""The data set of captured rows: Parquet, one row for each predicted row, in the types of the model's signature.

Columns that begin with `_` say which request a row is from; the others are the model's inputs.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import InputError
from mlflow_platform.monitoring import capture, payload
from mlflow_platform.monitoring.capture import Captured, LineError, Problem
from mlflow_platform.validation import files
from mlflow_platform.validation.signature import ColumnSpec, Signature

if TYPE_CHECKING:
    import pyarrow as pa

EVENT, INFERENCE, ROW, ROWS, TIME, RUN, PREDICTION = (
    "_event_id",
    "_inference_id",
    "_row",
    "_rows",
    "_time",
    "_run_id",
    "_prediction",
)
ABOUT = (EVENT, INFERENCE, ROW, ROWS, TIME, RUN, PREDICTION)


@dataclass(frozen=True)
class Deployment:
    """A model that an endpoint's variant served from a moment on.

    `run_id` is the run that logged it, and None if that is unknown.
    """

    since: datetime
    run_id: str | None
    uri: str | None
    signature: Signature = field(default_factory=Signature)


def deployment_at(deployments: Sequence[Deployment], moment: datetime) -> Deployment | None:
    """The deployment that served at a moment; None for a moment before the first known one."""
    served = [each for each in deployments if each.since <= moment]
    return max(served, key=lambda each: each.since, default=None)


def convert(content: bytes, deployments: Sequence[Deployment]) -> tuple[list[pa.Table], list[Problem]]:
    """Turn one captured file into rows of the data set. Returns them and the unusable lines.

    There is one table for each type that a column has: two models may take one column as a number and as text, and
    clients may send arrays of several shapes. Rows from before the first known deployment have no run id. They are read
    with the signature of the first one.

    Raises:
        InputError: an input of the model has the name of one of the data set's own columns.
    """
    import pyarrow as pa

    events, problems = capture.parse(content)
    tables: list[pa.Table] = []
    for line, event in events:
        deployment = deployment_at(deployments, event.time)
        signature = (deployment or min(deployments, key=lambda each: each.since)).signature
        try:
            tables.append(_rows(event, signature, deployment.run_id if deployment else None))
        except LineError as error:
            problems.append(Problem(line, str(error)))
        except (pa.ArrowException, UnicodeError, OverflowError, RecursionError) as error:
            # What callers of an endpoint send must not stop its monitoring.
            problems.append(Problem(line, f"has a value that Parquet cannot hold ({type(error).__name__})"))
    return [pa.concat_tables(group, promote_options="default") for group in _alike(tables)], problems


def _alike(tables: Sequence[pa.Table]) -> list[list[pa.Table]]:
    """The tables in groups in which a column always has the same type."""
    groups: list[tuple[dict[str, pa.DataType], list[pa.Table]]] = []
    for table in tables:
        types = {column.name: column.type for column in table.schema}
        for known, group in groups:
            if all(known.get(name, type_) == type_ for name, type_ in types.items()):
                known.update(types)
                group.append(table)
                break
        else:
            groups.append((types, [table]))
    return [group for _, group in groups]


def to_parquet(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    from pyarrow import parquet

    content = io.BytesIO()
    parquet.write_table(table, content, compression="zstd")
    return content.getvalue()


def from_parquet(content: bytes) -> pa.Table:
    """The table in a Parquet file."""
    from pyarrow import parquet

    return files.read_parquet(parquet.ParquetFile(io.BytesIO(content)), "a file of the data set")


def select(tables: Sequence[pa.Table], *, run_id: str | None, since: datetime, until: datetime) -> pa.Table | None:
    """The rows of one model in a period, each once; None for no row.

    The same event in two files, as a retried upload leaves behind, counts once.
    """
    import pyarrow as pa
    from pyarrow import compute

    wanted = []
    for table in tables:
        times = table[TIME]
        mine = compute.equal(table[RUN], run_id) if run_id is not None else compute.is_null(table[RUN])
        within = compute.and_(compute.greater_equal(times, since), compute.less(times, until))
        found = table.filter(compute.and_(compute.fill_null(mine, fill_value=False), within))
        if found.num_rows:
            wanted.append(found)
    if not wanted:
        return None
    together = pa.concat_tables(_of_one_type(wanted), promote_options="default")
    seen: set[tuple[Any, Any]] = set()
    first = []
    for key in zip(together[EVENT].to_pylist(), together[ROW].to_pylist(), strict=True):
        first.append(key not in seen)
        seen.add(key)
    return together.filter(pa.array(first))


def _of_one_type(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """The tables with each column in the type that most of its rows have. Other values count as missing."""
    rows: dict[str, Counter[pa.DataType]] = defaultdict(Counter)
    for table in tables:
        for column in table.schema:
            rows[column.name][column.type] += table.num_rows
    chosen = {name: types.most_common(1)[0][0] for name, types in rows.items()}
    found = []
    for table in tables:
        for at, column in enumerate(table.schema):
            if column.type != chosen[column.name]:
                table = table.set_column(at, column.name, _cast(table.column(at), chosen[column.name]))
        found.append(table)
    return found


def _cast(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray | pa.Array:
    import pyarrow as pa

    try:
        return column.cast(type_)
    except pa.ArrowException:
        return pa.nulls(len(column), type_)


def take(table: pa.Table, positions: Sequence[int]) -> pa.Table:
    """The rows at some positions; there may be none."""
    import pyarrow as pa

    return table.take(pa.array(positions, pa.int64()))


def predicted(table: pa.Table) -> list[Any]:
    """The predictions of rows, as the endpoint gave them."""
    return [None if value is None else json.loads(value) for value in table[PREDICTION].to_pylist()]


def answered(table: pa.Table) -> list[int]:
    """The positions of the rows whose answer was captured. The model may have predicted nothing (null)."""
    return [at for at, is_valid in enumerate(table[PREDICTION].is_valid().to_pylist()) if is_valid]


def inputs(table: pa.Table) -> list[str]:
    """The names of the columns that are inputs of the model."""
    return [name for name in table.column_names if name not in ABOUT]


def _rows(event: Captured, signature: Signature, run_id: str | None) -> pa.Table:
    import pyarrow as pa

    found = payload.inputs(event.request, signature)
    names = payload.column_names(signature, found)
    if reserved := [name for name in names if name in ABOUT]:
        if not any(spec.name in ABOUT for spec in signature.inputs):
            # A model without names takes any column, which must not stop its monitoring.
            raise LineError(f"has a request with a column {reserved[0]!r}, which the data set has for itself")
        raise InputError(
            f"the model has an input {reserved[0]!r}, which is a column of the monitoring data set. Log the model with "
            "another name for it."
        )
    count = len(next(iter(found.values())))
    answers: Sequence[str | None] = [None] * count
    if event.response is not None:
        # As JSON: models predict numbers, text, and lists of probabilities.
        answers = [json.dumps(value) for value in payload.answers(event.response, count)]
    about: Mapping[str, tuple[Any, Sequence[Any]]] = {
        EVENT: (pa.string(), [event.event_id] * count),
        INFERENCE: (pa.string(), [event.inference_id] * count),
        ROW: (pa.int32(), range(count)),
        ROWS: (pa.int32(), [count] * count),
        TIME: (pa.timestamp("us", tz="UTC"), [event.time] * count),
        RUN: (pa.string(), [run_id] * count),
        PREDICTION: (pa.string(), answers),
    }
    specs = dict(zip(names, signature.inputs, strict=False))
    columns = {name: pa.array(values, type_) for name, (type_, values) in about.items()}
    for name in names:
        columns[name] = _column(found[name], _spec(specs.get(name), signature))
    return pa.table(columns)


def _spec(spec: ColumnSpec | None, signature: Signature) -> ColumnSpec | None:
    return signature.inputs[0] if signature.is_unnamed_tensor else spec


def _column(values: Sequence[Any], spec: ColumnSpec | None) -> pa.Array:
    import pyarrow as pa

    if any(isinstance(value, str) for value in values):
        # Text, times, and what is kept as JSON: nested values and columns without a type.
        if spec is not None and spec.type == "datetime":
            return pa.array([None if value is None else datetime.fromisoformat(value[:26]) for value in values])
        return pa.array(values, pa.string())
    return pa.array(values, _arrow_type(spec))


def _arrow_type(spec: ColumnSpec | None) -> pa.DataType:
    import pyarrow as pa

    if spec is None:
        return pa.string()
    known = {
        "boolean": pa.bool_(),
        "integer": pa.int32(),
        "long": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "binary": pa.binary(),
        "datetime": pa.timestamp("us"),
    }
    if not spec.is_tensor:
        return known.get(spec.type, pa.string())
    if spec.type == "bool":
        return pa.bool_()
    return pa.float64() if spec.type.startswith("float") else pa.int64() if "int" in spec.type else pa.string()
