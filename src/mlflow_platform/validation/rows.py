"""Rows whose truth is known, with the types that the model's signature gives them.

How a table's columns become the model's inputs:
- A model with a named signature gets the columns that it names; others are left out. A required one must be there.
- A signature without names takes the columns by position.
- Without names, what was a pandas index is not an input.
- Without a signature, the columns of a typed file stay as they are, and those of a CSV file are numbers or booleans if
  every value is written as one, else text. A number with a leading zero is text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from mlflow_common.errors import InputError
from mlflow_platform.validation import values as types
from mlflow_platform.validation.signature import NESTED, ColumnSpec, Signature, named
from mlflow_platform.validation.spelling import distinguished, folded
from mlflow_platform.validation.table import Table, listed, quoted
from mlflow_platform.validation.values import LARGEST_EXACT_FLOAT, UnusableError

Task = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = ("classification", "regression")

# Types in which MLflow's server cannot read a missing value: it refuses it, or takes it for False. A column of such a
# type that is optional is left out of a request instead.
LEFT_OUT_IF_MISSING = frozenset({"integer", "long", "boolean", "binary"})


@dataclass(frozen=True)
class Rows:
    """Rows to predict, and their truth.

    Attributes:
        features: columns in the order in which they are sent; each has one value per row.
        truth: one value per row: str, bool, int or float.
        target: the name of the column that held the truth.
        task: classification or regression where that is known.
        origin: where the rows are from, for the report.
        signature: the model's; an empty one if it has none.
        ignored: columns of the file that the model does not take.
        texts: the truth as a text file writes it; empty for a typed file.
    """

    features: Mapping[str, Sequence[Any]]
    truth: Sequence[Any]
    target: str
    task: Task | None
    origin: str
    signature: Signature = field(default_factory=Signature)
    ignored: tuple[str, ...] = ()
    texts: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.truth)


def task_named(text: str | None) -> Task | None:
    """The task of that name, or None."""
    return next((task for task in TASKS if task == text), None)


def prepare(table: Table, target: str, *, task: Task | None, signature: Signature, origin: str) -> Rows:
    """Give a table's columns the types of a signature, and split off the truth.

    Raises:
        InputError: a column is missing or written differently, a value is not of its type, or a row has no truth.
    """
    truth = read_truth(table, target, task, signature)
    given = {name: values for name, values in table.columns.items() if name != target}
    if not given:
        raise InputError(f"{table.name} has no column beside {target!r}, and so nothing to predict from")
    return _typed(table, given, Rows({}, truth, target, task, origin, signature, texts=texts(table, target)))


def without_truth(table: Table, signature: Signature, *, origin: str) -> Rows:
    """Give a table's columns the types of a signature. No column is the truth, so each row's truth is None.

    Raises:
        InputError: a column is missing, or a value is not of its type.
    """
    return _typed(table, table.columns, Rows({}, [None] * len(table), "", None, origin, signature))


def _typed(table: Table, given: Mapping[str, Sequence[Any]], rows: Rows) -> Rows:
    """The rows with these columns as features, in the types of their signature."""
    signature, target = rows.signature, rows.target
    if not (signature.inputs and named(signature.inputs)):
        given = {name: values for name, values in given.items() if name not in table.index}
    if not signature.inputs:
        features = {name: _without_type(table, name, values) for name, values in given.items()}
        return replace(rows, features=features)
    if signature.is_unnamed_tensor:
        dtype = signature.inputs[0].type
        return replace(rows, features={name: _array(table, name, values, dtype) for name, values in given.items()})
    chosen = (
        _by_name(table, target, given, signature) if named(signature.inputs) else _by_position(table, given, signature)
    )
    features = {name: _with_type(table, name, given[name], column) for name, column in chosen.items()}
    return replace(rows, features=features, ignored=tuple(name for name in given if name not in chosen))


def _by_name(
    table: Table, target: str, given: Mapping[str, Sequence[Any]], signature: Signature
) -> dict[str, ColumnSpec]:
    wanted = {column.name or "": column for column in signature.inputs}
    missing = [name for name, column in wanted.items() if column.required and name not in given]
    if target and target in wanted:
        # Without an optional input, the model would answer otherwise than with it.
        raise InputError(f"the model takes {target!r} as an input, so it cannot be the truth: choose another --target")
    _check_spelling(
        table, [name for name in given if name not in wanted], [name for name in wanted if name not in given]
    )
    if missing:
        raise InputError(f"{table.name} lacks columns that the model needs: {listed(missing)}")
    return {name: column for name, column in wanted.items() if name in given}


def _check_spelling(table: Table, surplus: Sequence[str], absent: Sequence[str]) -> None:
    """Refuse a column that an input would be, if it were written alike: the model would not get it."""
    known = {folded(name): name for name in absent}
    for name in surplus:
        if (other := known.get(folded(name))) is not None:
            column, wanted = distinguished(name, other)
            raise InputError(
                f"the column {column} of {table.name} and the model's input {wanted} are written differently: rename "
                "or remove the column"
            )


def _by_position(table: Table, given: Mapping[str, Sequence[Any]], signature: Signature) -> dict[str, ColumnSpec]:
    if len(given) != len(signature.inputs):
        raise InputError(
            f"{table.name} has {len(given)} columns beside the truth, and the model takes {len(signature.inputs)} "
            "without names"
        )
    return dict(zip(given, signature.inputs, strict=True))


def _with_type(table: Table, name: str, values: Sequence[Any], column: ColumnSpec) -> list[Any]:
    if column.is_tensor:
        return _array(table, name, values, column.type)
    convert = types.CONVERTERS.get(
        column.type, lambda value: types.as_nested(value, column.type, is_text=table.is_text)
    )
    refuses_missing = column.required and column.type in LEFT_OUT_IF_MISSING
    found: list[Any] = []
    for number, value in enumerate(values, 1):
        if is_missing(value, column, is_text=table.is_text):
            if refuses_missing:
                raise InputError(f"{table.name}: row {number} has no value in {name!r}, which the model requires")
            # An empty field of a text that is always there is the empty text.
            found.append("" if column.type == "string" and column.required and table.is_text else None)
            continue
        try:
            found.append(convert(value))
        except UnusableError as error:
            raise _unusable(table, name, number, value, error) from None
    return found


def is_missing(value: Any, column: ColumnSpec, *, is_text: bool) -> bool:
    """Whether a value of an input is missing. `is_text`: it is from a file without types."""
    if column.type == "string":
        return types.is_missing(value)
    if isinstance(value, str):
        if column.type in NESTED or column.type == "binary":
            return is_text and value == ""
        return value.strip() in types.MISSING_TEXTS
    return types.is_missing(value)


def _array(table: Table, name: str, values: Sequence[Any], dtype: str) -> list[Any]:
    found: list[Any] = []
    for number, value in enumerate(values, 1):
        if table.is_text and dtype.startswith("float") and (value or "").strip() in types.MISSING_TEXTS:
            found.append(None)
            continue
        try:
            found.append(types.of_array(value, dtype))
        except UnusableError as error:
            raise _unusable(table, name, number, value, error) from None
    return found


def _without_type(table: Table, name: str, values: Sequence[Any]) -> list[Any]:
    if table.is_text:
        found = _guessed(table, name, values)
    else:
        found = []
        for number, value in enumerate(values, 1):
            try:
                found.append(types.as_json(None if types.is_missing(value) else value))
            except UnusableError as error:
                raise _unusable(table, name, number, value, error) from None
    long = any(isinstance(value, int) and abs(value) > LARGEST_EXACT_FLOAT for value in found)
    if long and any(value is None for value in found):
        raise InputError(
            f"{table.name}: {name!r} has integers beyond 2^53 beside missing values, which a model without a signature "
            "would get as rounded numbers: log the model with a signature"
        )
    return found


def _guessed(table: Table, name: str, values: Sequence[str | None]) -> list[Any]:
    """A CSV column of unknown type: numbers or booleans where every value is plainly one, else text."""
    present = [value for value in values if value]
    # Programs that write ", " between the fields leave a space in front of a number.
    numbers = [value for value in present if types.PLAIN_NUMBER.fullmatch(value.strip())]
    markers = {value for value in present if value in types.MISSING_TEXTS}
    infinite = [value for value in present if types.INFINITE.fullmatch(value.strip())]
    if numbers and len(numbers) + len(infinite) + sum(value in markers for value in present) == len(present):
        if markers - {"nan", "NaN"}:
            raise InputError(
                f"{table.name}: {name!r} has numbers and {listed(sorted(map(repr, markers)))}, and the model has no "
                "signature that says which type it is: leave missing fields empty, or log the model with a signature"
            )
        return [_number(table, name, number, value) for number, value in enumerate(values, 1)]
    if present and all(value.lower() in {"true", "false"} for value in present):
        return [value.lower() == "true" if value else None for value in values]
    return list(values)


def _number(table: Table, name: str, row: int, text: str | None) -> int | float | None:
    if not text or text in types.MISSING_TEXTS:
        return None
    text = text.strip()
    try:
        if types.PLAIN_INTEGER.fullmatch(text):
            return types.as_integer(text)
        return types.as_float(text)
    except UnusableError as error:
        raise _unusable(table, name, row, text, error) from None


def texts(table: Table, target: str) -> Sequence[str]:
    """The truth as a text file writes it; empty for a typed file."""
    return list(table.columns[target]) if table.is_text else ()


def read_truth(table: Table, target: str, task: Task | None, signature: Signature) -> list[Any]:
    """The true values in a column, as numbers, booleans or text.

    Raises:
        InputError: a row has no truth, or one that is not a number where the task is regression.
    """
    values = table.columns[target]
    missing = [number for number, value in enumerate(values, 1) if types.is_missing(value) or value == ""]
    if missing:
        raise InputError(
            f"{table.name} lacks the truth (column {target!r}) in {len(missing)} of {len(values)} rows, first in row "
            f"{missing[0]}"
        )
    if task == "regression":
        return [_true_number(table, target, number, value) for number, value in enumerate(values, 1)]
    if table.is_text:
        return _typed_truth(values, signature.output_type)
    return [_true_value(table, target, number, value) for number, value in enumerate(values, 1)]


def _typed_truth(values: Sequence[str], output: str | None) -> list[Any]:
    """The values that the texts stand for: numbers or booleans if all of them are written so, else text.

    They stay text if the model predicts text.
    """
    if output == "string":
        return list(values)
    numbers = [types.number_in(value) for value in values]
    if None not in numbers:
        if all(types.PLAIN_INTEGER.fullmatch(value) for value in values):
            return numbers
        # Like pandas: one value with a decimal point makes all values of the column floating-point numbers.
        return [
            float(number) if abs(number) <= LARGEST_EXACT_FLOAT else number for number in numbers if number is not None
        ]
    if all(value.lower() in {"true", "false"} for value in values):
        return [value.lower() == "true" for value in values]
    return list(values)


def _true_number(table: Table, target: str, row: int, value: Any) -> float:
    try:
        number = types.as_float(int(value) if isinstance(value, bool) else value)
    except UnusableError as error:
        raise InputError(
            f"{table.name}: the truth in row {row} ({target!r}) is {quoted(value)}, which {error}: give numbers, or "
            "--task classification"
        ) from None
    if number in (float("inf"), float("-inf")):
        raise InputError(f"{table.name}: the truth in row {row} ({target!r}) is infinite")
    return number


def _true_value(table: Table, target: str, row: int, value: Any) -> Any:
    match value:
        case float() if math.isinf(value):
            raise InputError(f"{table.name}: the truth in row {row} ({target!r}) is infinite")
        case str() | bool() | int() | float():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date():
            return value.isoformat()
    raise InputError(f"{table.name}: the truth in row {row} ({target!r}) is {quoted(value)}: give text or a number")


def _unusable(table: Table, name: str, row: int, value: Any, error: UnusableError) -> InputError:
    return InputError(f"{table.name}: {quoted(value)} in row {row} of {name!r} {error}")
