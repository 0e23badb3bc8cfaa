"""Values of the types that MLflow's signatures know: from the text of a CSV field, or from what a typed file holds.

Each function takes one value and returns it as Python holds it without loss, or raises `UnusableError` with the reason.
What MLflow's scoring server does with the values: mlflow/utils/proto_json_utils.py
(`cast_df_types_according_to_schema`) and mlflow/models/utils.py (`_enforce_mlflow_datatype`). It wraps an integer
beyond its type around and turns a missing boolean into False, both without an error: such values are refused here.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

# What pandas takes for a missing value in a column that is not text (pandas/_libs/parsers.pyx, STR_NA_VALUES).
MISSING_TEXTS = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
    | {"NULL", "NaN", "None", "n/a", "nan", "null"}
)
# A number as programs write it, without a leading zero or plus sign: "02134" and "+49" are text.
PLAIN_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
PLAIN_NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")
INFINITE = re.compile(r"([+-]?)(?:inf|infinity)", re.IGNORECASE)
_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<minutes>[0-9]{2}:[0-9]{2})(?::(?P<seconds>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?)?"
    r" ?(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})?"
)
# What fits into 64 bits of nanoseconds, which is MLflow's datetime.
_EARLIEST, _LATEST = datetime(1677, 9, 22), datetime(2262, 4, 11)  # noqa: DTZ001 MLflow's datetimes have no zone
_LARGEST_SINGLE = 3.4028234663852886e38
# Numbers of 16 bits go up to 65,504. From here on they are rounded to infinity.
_INFINITE_HALF = 65520
LARGEST_EXACT_FLOAT = 2**53
_MOST_DIGITS = 400
_TOO_DEEP = "is nested too deeply"


class UnusableError(ValueError):
    """A value that is not of the type; the message says what it should be."""


def is_missing(value: Any) -> bool:
    """Whether a typed value is missing: None, or not equal to itself (NaN, NaT)."""
    return value is None or (not isinstance(value, (str, bytes, list, dict)) and bool(value != value))


def as_text(value: Any) -> str:
    """Text as it is; whole numbers and decimals as they are written.

    How a floating-point number was written is lost, and pandas turns a column of whole numbers with a gap into them.
    """
    match value:
        case str():
            return value
        case bool():
            raise UnusableError("is not text")
        case float():
            raise UnusableError("is a number, and the model takes text: store the column as text")
        case int() | Decimal():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case _:
            raise UnusableError("is not text")


def as_boolean(value: Any) -> bool:
    """`true` and `false` in any case, 1 and 0."""
    match value:
        case bool():
            return value
        case str():
            known = {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
            if known is not None:
                return known
        case int() | float() | Decimal() if value in (0, 1):
            return bool(value)
    raise UnusableError("is not a boolean (true or false)")


def as_integer(value: Any, *, bits: int = 64, signed: bool = True) -> int:
    """A whole number within the bounds of an integer of so many bits. `3.0` is one."""
    number = _whole(value)
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if not least <= number <= most:
        raise UnusableError(f"is beyond an integer of {bits} bits")
    return number


def _whole(value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _MOST_DIGITS or not _NUMBER.fullmatch(text):
            raise UnusableError("is not an integer")
        value = Decimal(text)
        if value.adjusted() > _MOST_DIGITS:
            raise UnusableError("is beyond any integer")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        if abs(value) > LARGEST_EXACT_FLOAT:
            raise UnusableError(
                "is a floating-point number beyond 2^53, which is not exact: store the column as integers"
            )
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    raise UnusableError("is not an integer")


def as_float(value: Any, *, single: bool = False) -> float:
    """A floating-point number, of 32 bits if `single`. Infinity is one."""
    if isinstance(value, bool):
        raise UnusableError("is not a number")
    if isinstance(value, str):
        text = value.strip()
        if infinite := INFINITE.fullmatch(text):
            return -math.inf if infinite[1] == "-" else math.inf
        if not _NUMBER.fullmatch(text):
            raise UnusableError("is not a number")
        value = Decimal(text)
    if not isinstance(value, (int, float, Decimal)):
        raise UnusableError("is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    infinite_by_rounding = math.isinf(number) and not (isinstance(value, float) and math.isinf(value))
    if infinite_by_rounding or (single and math.isfinite(number) and abs(number) > _LARGEST_SINGLE):
        raise UnusableError(f"is beyond a floating-point number of {32 if single else 64} bits")
    return number


def as_datetime(value: Any) -> str:
    """An ISO 8601 date or time, in UTC if it has an offset, as text with nine digits of a second.

    One form for all values of a column: MLflow's server reads a column in the form of its first value.
    """
    if isinstance(value, str):
        moment, fraction = _parse_time(value.strip())
    elif isinstance(value, datetime):
        # pandas's Timestamp is a datetime with nanoseconds.
        fraction = f"{value.microsecond:06d}{getattr(value, 'nanosecond', 0):03d}"
        moment = datetime(*value.timetuple()[:6], tzinfo=value.tzinfo)
    elif isinstance(value, date):
        moment, fraction = datetime(value.year, value.month, value.day), "0" * 9  # noqa: DTZ001
    else:
        raise UnusableError("is not a date or time in ISO 8601 (2026-01-31T12:00:00)")
    try:
        moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:
        raise UnusableError("is not within the years 1678 to 2261") from None
    if not _EARLIEST <= moment <= _LATEST:
        raise UnusableError("is not within the years 1678 to 2261")
    return f"{moment.isoformat(timespec='seconds')}.{fraction}"


def _parse_time(text: str) -> tuple[datetime, str]:
    found = _TIME.fullmatch(text)
    if not found:
        raise UnusableError("is not a date or time in ISO 8601 (2026-01-31T12:00:00)")
    clock = f"{found['minutes'] or '00:00'}:{found['seconds'] or '00'}"
    try:
        moment = datetime.fromisoformat(f"{found['date']}T{clock}{found['offset'] or ''}")
    except ValueError:
        raise UnusableError("is not a date or time that exists") from None
    return moment, (found["fraction"] or "").ljust(9, "0")


def as_binary(value: Any) -> bytes:
    """Bytes; in text, as base64."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise UnusableError("is not base64")


def as_nested(value: Any, type_: str, *, is_text: bool) -> Any:
    """An object, array, map or anything: JSON as it is, and JSON in text.

    `is_text`: the value is from a file without types. In a file with types, text for an input of any type is text.
    """
    if isinstance(value, str) and (is_text or type_ != "any"):
        try:
            value = json.loads(value)
        except RecursionError:
            raise UnusableError(_TOO_DEEP) from None
        except ValueError:
            if type_ != "any":
                raise UnusableError(f"is not JSON, which a column of type {type_} needs in a text file") from None
    if type_ == "map" and isinstance(value, list) and all(isinstance(each, tuple) for each in value):
        # What pyarrow makes of Parquet's maps.
        pairs, value = value, dict(value)
        if len(value) < len(pairs):
            raise UnusableError("has a key twice")
    wanted: Mapping[str, type | tuple[type, ...]] = {"array": list, "object": dict, "map": dict}
    if not isinstance(value, wanted.get(type_, object)):
        raise UnusableError(f"is not of type {type_}")
    return as_json(value)


def as_json(value: Any) -> Any:
    """A value of any type as a JSON value. Times become ISO 8601, decimals numbers, NaN null."""
    try:
        return _as_json(value)
    except RecursionError:
        raise UnusableError(_TOO_DEEP) from None


def _as_json(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return None if math.isnan(value) else value
        case Decimal():
            # Whole numbers stay exact.
            return int(value) if value.is_finite() and value.as_tuple().exponent == 0 else as_float(value)
        case datetime() | date():
            return as_datetime(value)
        case list() | tuple():
            return [_as_json(each) for each in value]
        case dict():
            return {str(key): _as_json(each) for key, each in value.items()}
        case _:
            raise UnusableError("cannot be sent as JSON without a signature that gives its type")


def of_array(value: Any, dtype: str) -> Any:
    """A number, text or nested list of them, of a NumPy type."""
    if isinstance(value, (list, tuple)):
        return [of_array(each, dtype) for each in value]
    if is_missing(value) and dtype.startswith("float"):
        return None
    if found := re.fullmatch(r"(u?)int(8|16|32|64)", dtype):
        return as_integer(value, bits=int(found[2]), signed=not found[1])
    if dtype.startswith("float"):
        number = as_float(value, single=dtype in {"float16", "float32"})
        if dtype == "float16" and _INFINITE_HALF <= abs(number) < math.inf:
            raise UnusableError("is beyond a floating-point number of 16 bits")
        return number
    if dtype == "bool":
        return as_boolean(value)
    if dtype in {"str", "object"} or dtype.startswith(("<U", "U")):
        return as_text(value)
    raise UnusableError(f"cannot be turned into an array of {dtype}")


def single(value: float) -> float:
    """The 32-bit floating-point number that is nearest to a number."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return value


CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "string": as_text,
    "boolean": as_boolean,
    "integer": lambda value: as_integer(value, bits=32),
    "long": as_integer,
    "float": lambda value: as_float(value, single=True),
    "double": as_float,
    "datetime": as_datetime,
    "binary": as_binary,
}


def looks_numeric(text: str) -> bool:
    """Whether a text is a number in any form, with leading zeros too."""
    return _NUMBER.fullmatch(text.strip()) is not None


def number_in(text: str) -> int | float | None:
    """The number that a plain text of one is; None for any other text. Whole numbers are exact, however long."""
    if len(text) > _MOST_DIGITS or not PLAIN_NUMBER.fullmatch(text):
        return None
    try:
        exact = Decimal(text)
        if exact.adjusted() <= _MOST_DIGITS and exact == exact.to_integral_value():
            return int(exact)
        return as_float(exact)
    except (InvalidOperation, UnusableError):
        return None
