"""A table as a file holds it: named columns of values, before a model's signature gives them types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_common.errors import InputError

_SHOWN = 60


@dataclass(frozen=True)
class Table:
    """Columns of equal length.

    Attributes:
        name: the file's name, for messages.
        columns: each column's values. Of a CSV file these are `str`; an empty field is None, and a quoted empty field
            (`""`) is the empty string. Of JSON and Parquet files they are what the file holds.
        is_text: whether the file has no types (CSV), so that every value is text.
        index: the columns that were a pandas index. They are not inputs of a model, unless its signature names them.
    """

    name: str
    columns: Mapping[str, Sequence[Any]]
    is_text: bool
    index: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def check_names(file: str, names: Sequence[str]) -> None:
    """Refuse a table that has two columns of the same name.

    Raises:
        InputError: naming the first such column.
    """
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            raise InputError(f"{file} has more than one column {name!r}: rename or remove one of them")
        seen.add(name)


def listed(names: Sequence[Any]) -> str:
    """Names for a message: separated by commas, and only the first ones of many."""
    shown = ", ".join(_printable(str(name)) for name in names[:12])
    return f"{shown}, … ({len(names)} in all)" if len(names) > 12 else shown


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def quoted(value: Any) -> str:
    """A value for a message: on one line, and only the beginning of a long one."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
