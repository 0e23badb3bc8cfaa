"""Truth that arrives later: reading it, and joining it to captured rows by inference id and row number.

A truth without a row number is of the only row of its request. Rows are numbered from 0 in the order of the request.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mlflow_common.errors import InputError
from mlflow_platform.monitoring import dataset
from mlflow_platform.validation import values as types
from mlflow_platform.validation.table import Table, listed, quoted

if TYPE_CHECKING:
    import pyarrow as pa

ID, ROW, TRUTH = "inference_id", "row", "truth"
_SHOWN = 5


@dataclass(frozen=True)
class Truth:
    """The true value of one predicted row. `row` is None where only the request is named."""

    inference_id: str
    row: int | None
    value: str


@dataclass
class Joined:
    """Truth joined to captured rows.

    Attributes:
        rows: for each captured row with truth, its position in the table and its true value (as text).
        duplicates: truths that repeat an earlier one.
        corrections: truths that a later file replaced by another value.
        conflicts: rows for which one file states two values. They are not joined.
        unknown: ids that no captured request of the period has.
        ambiguous: truths without a row number for a request of several rows, or for an id that two requests have.
        without_id: captured rows without an inference id, which no truth can be joined to.
    """

    rows: list[tuple[int, str]] = field(default_factory=list)
    duplicates: int = 0
    corrections: int = 0
    conflicts: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    without_id: int = 0

    @property
    def notes(self) -> list[str]:
        """Sentences about what was not joined, for people."""
        found = []
        for names, what in (
            (self.conflicts, "rows have two different true values in one file and were left out"),
            (self.unknown, "true values are of no captured request that this model answered in this period"),
            (self.ambiguous, "true values do not say which row they are of, and were left out"),
        ):
            if names:
                found.append(f"{len(names)} {what}: {listed(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}.")
        if self.duplicates:
            found.append(f"{self.duplicates} true values were given more than once; each counts once.")
        if self.corrections:
            found.append(f"{self.corrections} true values were corrected by a later file.")
        if self.without_id:
            found.append(f"{self.without_id} captured rows have no inference id, so no truth can be joined to them.")
        return found


def read(table: Table, *, id_column: str, truth_column: str, row_column: str | None) -> list[Truth]:
    """Read truth from a table.

    Raises:
        InputError: a column or an id is missing, or a row number is not one. The message names the row.
    """
    for name in (id_column, truth_column, *([row_column] if row_column else [])):
        if name not in table.columns:
            raise InputError(f"{table.name} has no column {name!r} (it has: {listed(list(table.columns)) or 'none'})")
    rows = table.columns[row_column] if row_column else [None] * len(table)
    triples = zip(table.columns[id_column], rows, table.columns[truth_column], strict=True)
    return [_truth(table, number, *triple) for number, triple in enumerate(triples, 1)]


def _truth(table: Table, number: int, id_: Any, row: Any, value: Any) -> Truth:
    if types.is_missing(id_) or str(id_).strip() == "":
        raise InputError(f"{table.name}: row {number} has no inference id")
    if types.is_missing(value) or value == "":
        raise InputError(f"{table.name}: row {number} has no true value")
    try:
        at = None if types.is_missing(row) or row == "" else types.as_integer(row)
        if at is not None and at < 0:
            raise types.UnusableError("is negative")
    except types.UnusableError:
        raise InputError(f"{table.name}: {quoted(row)} in row {number} is not a row number (0, 1, …)") from None
    if isinstance(value, (bytes, list, tuple, dict)):
        raise InputError(f"{table.name}: the true value in row {number} is {quoted(value)}: give text or a number")
    # Times in the form in which validation compares them.
    text = value.isoformat() if isinstance(value, date) else str(value)
    return Truth(_id(table, number, id_), at, text)


def _id(table: Table, number: int, value: Any) -> str:
    """An inference id, which is text. pandas turns a column of whole numbers with a gap into floating-point numbers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < types.LARGEST_EXACT_FLOAT:
        value = int(value)
    if not isinstance(value, (str, int, UUID)) or isinstance(value, bool):
        raise InputError(f"{table.name}: the inference id in row {number} is {quoted(value)}: give text")
    return str(value).strip()


def to_parquet(truths: Sequence[Truth]) -> tuple[str, bytes]:
    """A file name made of the content, so that the same truth is stored once; and the content as Parquet."""
    import pyarrow as pa

    table = pa.table(
        {
            ID: pa.array([each.inference_id for each in truths], pa.string()),
            ROW: pa.array([each.row for each in truths], pa.int64()),
            TRUTH: pa.array([each.value for each in truths], pa.string()),
        }
    )
    digest = hashlib.sha256(repr([(each.inference_id, each.row, each.value) for each in truths]).encode())
    content = io.BytesIO(dataset.to_parquet(table))
    return f"{digest.hexdigest()[:24]}.parquet", content.getvalue()


def join(table: pa.Table, files: Iterable[Sequence[Truth]]) -> Joined:
    """Join truth to captured rows. If files contradict each other, the newest is right; they are given oldest first."""
    joined = Joined()
    positions, requests = _positions(table, joined)
    known: dict[tuple[str, int], str] = {}
    for truths in files:
        stated: dict[tuple[str, int], str] = {}
        conflicting: set[tuple[str, int]] = set()
        for each in truths:
            key = _key(each, positions, requests, joined)
            if key is None:
                continue
            if key not in stated:
                stated[key] = each.value
            elif stated[key] == each.value:
                joined.duplicates += 1
            else:
                conflicting.add(key)
        joined.conflicts += [f"{id_} row {row}" for id_, row in sorted(conflicting)]
        for key, value in stated.items():
            if key in conflicting:
                known.pop(key, None)
                continue
            joined.duplicates += known.get(key) == value
            joined.corrections += key in known and known[key] != value
            known[key] = value
    joined.rows = sorted((positions[key], value) for key, value in known.items())
    return joined


def _positions(table: pa.Table, joined: Joined) -> tuple[dict[tuple[str, int], int], dict[str, int | None]]:
    """Where each (id, row) is in the table, and how many rows the request of an id has (None: of several requests)."""
    positions: dict[tuple[str, int], int] = {}
    requests: dict[str, int | None] = {}
    events: dict[str, str] = {}
    columns = (table[name].to_pylist() for name in (dataset.INFERENCE, dataset.ROW, dataset.ROWS, dataset.EVENT))
    for position, (id_, row, count, event) in enumerate(zip(*columns, strict=True)):
        if id_ is None:
            joined.without_id += 1
            continue
        if events.setdefault(id_, event) != event:
            requests[id_] = None
            continue
        requests.setdefault(id_, count)
        positions[id_, row] = position
    return positions, requests


def _key(
    each: Truth, positions: dict[tuple[str, int], int], requests: dict[str, int | None], joined: Joined
) -> tuple[str, int] | None:
    if each.inference_id not in requests:
        joined.unknown.append(each.inference_id)
        return None
    count = requests[each.inference_id]
    if count is None or (each.row is None and count != 1):
        joined.ambiguous.append(each.inference_id)
        return None
    key = (each.inference_id, each.row or 0)
    if key not in positions:
        joined.unknown.append(f"{each.inference_id} row {each.row}")
        return None
    return key
