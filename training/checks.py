"""Checks of training data with pandera. Every problem names its column and its row.

Rows are counted from 1, without the header.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS = 10
# A column in which at least this share of the values are numbers is a column of numbers: the others are mistakes.
_NUMBERS = 0.8
_MOST_PROBLEMS = 5
# The largest floating-point number of 32 bits, in which trees hold the features.
LARGEST = 3.4028234663852886e38
_PLAIN = r"[+-]?[0-9]+(?:\.[0-9]+)?"
_COMMAS = r"[+-]?(?:[0-9]+,[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+)"
# Numbers with commas or a sign, such as `1,5`, `1,000`, `12.5 %` and `$3`.
_DECORATED = re.compile(f"(?P<comma>{_COMMAS})|[$€£¥] ?(?:{_COMMAS}|{_PLAIN})|(?:{_COMMAS}|{_PLAIN}) ?[%$€£¥]")
# A column of text with at most so many different values may be one of names, such as `5%` and `10%`, or of codes, such
# as `1`, `2` and `1,2`.
_MOST_NAMES = 20
_RULES = {"min", "max", "values", "required", "type"}
_TYPES = ("number", "text")


class DataError(ValueError):
    """The data cannot be used. The message is one line and says what is wrong, and in which column and row."""


def reason(error: BaseException) -> str:
    """The first line of an error's message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def check(frame: pd.DataFrame, target: str, rules: Mapping[str, Mapping[str, Any]]) -> None:
    """Check a table before it is used for training.

    Args:
        target: the column with the true values. It must be complete.
        rules: for a column, `min`, `max`, `values` (the allowed ones) `required` (no missing value) and `type`
            (`number` or `text`; otherwise a column in which most values are numbers must hold only numbers).

    Raises:
        DataError: the table is unusable.
    """
    import pandera.pandas as pa

    _check_shape(frame, target, rules)
    for name in frame:
        if rules.get(str(name), {}).get("type") != "text":
            _check_numbers(str(name), frame[name])
    columns = {
        str(name): pa.Column(
            checks=_checks(frame[name], rules.get(str(name), {}), is_target=name == target),
            nullable=name != target and not rules.get(str(name), {}).get("required"),
        )
        for name in frame
    }
    try:
        pa.DataFrameSchema(columns).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise DataError(_problems(error.failure_cases)) from None


def read_rules(path: Path) -> dict[str, dict[str, Any]]:
    """Read the rules of `check` from a JSON file.

    Raises:
        DataError: it is not such a file.
    """
    try:
        rules = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"the rules {path} cannot be read: {error}") from None
    if not isinstance(rules, dict) or not all(isinstance(one, dict) for one in rules.values()):
        raise DataError(f'the rules {path} must be a JSON object such as {{"age": {{"min": 0, "max": 120}}}}')
    for column, given in rules.items():
        if unknown := sorted(set(given) - _RULES):
            raise DataError(f"the rules of the column {column!r} have {unknown[0]!r}. Use {', '.join(sorted(_RULES))}.")
        if given.get("type", "text") not in _TYPES:
            raise DataError(f"the rule type of the column {column!r} must be {' or '.join(_TYPES)}")
        if not isinstance(given.get("values", []), list):
            raise DataError(f"the rule values of the column {column!r} must be a list, not {given['values']!r}")
        if not isinstance(given.get("required", True), bool):
            raise DataError(f"the rule required of the column {column!r} must be true or false")
        for name in sorted({"min", "max"} & set(given)):
            if isinstance(given[name], bool) or not isinstance(given[name], (int, float)):
                raise DataError(f"the rule {name} of the column {column!r} must be a number, not {given[name]!r}")
    return rules


def _check_shape(frame: pd.DataFrame, target: str, rules: Mapping[str, Any]) -> None:
    names = [str(name) for name in frame]
    if target not in names:
        raise DataError(f"there is no column {target!r}. The columns are {', '.join(names[:20]) or 'none'}.")
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        raise DataError(f"the column {repeated[0]!r} occurs more than once")
    if len(names) < 2:
        raise DataError(f"{target!r} is the only column: there is nothing to learn from")
    if len(frame) < FEWEST_ROWS:
        raise DataError(f"the data has {len(frame)} rows. Training needs at least {FEWEST_ROWS}.")
    if missing := sorted(set(rules) - set(names)):
        raise DataError(f"the rules name the column {missing[0]!r}, which the data does not have")


def decorated(values: Iterable[Any]) -> str | None:
    """The first number with a comma or a sign in a column of such numbers; None if it is none.

    Training would take them for names. Whole numbers that all have a plus sign may be names, such as telephone numbers.
    """
    texts = [str(value).strip() for value in values]
    found = [match for text in texts if (match := _DECORATED.fullmatch(text))]
    plain = sum(re.fullmatch(_PLAIN, text) is not None for text in texts)
    if len(found) + plain < _NUMBERS * len(texts):
        return None
    if not found:
        are_signed = any(text.startswith("-") or "." in text for text in texts) and len(set(texts)) > _MOST_NAMES
        return next((text for text in texts if text.startswith("+") and are_signed), None)
    with_comma = sum(match["comma"] is not None for match in found)
    is_number = with_comma >= _NUMBERS * len(texts) or len(set(texts)) > _MOST_NAMES
    return found[0].group() if is_number else None


def _check_numbers(name: str, values: pd.Series[Any]) -> None:
    if values.dtype.kind not in "bif" and (first := decorated(values.dropna())):
        raise DataError(
            f"the column {name!r} has numbers such as {first!r}. Write them as 1234.5, without other characters, or "
            "give the column the rule type text."
        )


def _checks(values: pd.Series[Any], rules: Mapping[str, Any], *, is_target: bool) -> list[Any]:
    import numpy as np
    import pandas as pd
    import pandera.pandas as pa

    def numbers(column: pd.Series[Any]) -> pd.Series[Any]:
        return pd.to_numeric(column, errors="coerce")

    present = int(values.notna().sum())
    mostly = bool(present and numbers(values).notna().sum() >= _NUMBERS * present)
    found: list[Any] = []
    if rules.get("type") != "text" and (rules.get("type") == "number" or mostly) and values.dtype.kind != "b":
        found.append(pa.Check(lambda column: numbers(column).notna(), error="is not a number"))
        found.append(pa.Check(lambda column: ~np.isinf(numbers(column)), error="is not a finite number"))
        if not is_target:
            large = pa.Check(
                lambda column: ~(numbers(column).abs() > LARGEST), error=f"is beyond {LARGEST:.2g}: scale the column"
            )
            found.append(large)
    if "min" in rules:
        found.append(pa.Check(lambda column: numbers(column) >= rules["min"], error=f"is less than {rules['min']}"))
    if "max" in rules:
        found.append(pa.Check(lambda column: numbers(column) <= rules["max"], error=f"is more than {rules['max']}"))
    if "values" in rules:
        allowed = list(rules["values"])
        found.append(pa.Check(lambda column: column.isin(allowed), error=f"is not one of {allowed}"))
    return found


def _problems(cases: pd.DataFrame) -> str:
    """The first problems in the order of the rows, and how many there are."""
    cases = cases.dropna(subset=["index"]).drop_duplicates(["column", "index"]).sort_values(["index", "column"])
    lines = []
    for case in cases.head(_MOST_PROBLEMS).to_dict("records"):
        missing = case["check"] == "not_nullable"
        what = "the value is missing" if missing else f"{case['failure_case']!r} {case['check']}"
        lines.append(f"column {case['column']!r}, row {int(case['index']) + 1}: {what}")
    more = len(cases) - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more else "")
