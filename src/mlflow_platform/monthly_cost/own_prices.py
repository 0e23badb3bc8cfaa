"""Prices of your own contract or region, in the format of `prices.toml`, in addition to that file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from mlflow_common.errors import InputError
from mlflow_platform.plan_guard.cost import Price, Prices

_TYPES: dict[str, tuple[type, ...]] = {
    "region": (str,),
    "resource": (str,),
    "unit": (str,),
    "price": (int, float),
    "seen": (date,),
    "source": (str,),
    "size": (str,),
    "of": (str,),
}
_OPTIONAL = frozenset({"size", "of"})
_UNITS = ("hour", "hour and subnet", "month", "GB", "GB-month", "build minute", "thousand events")


def with_own_prices(prices: Prices, file: Path) -> Prices:
    """Add the prices of a file. They come first, so that they replace equal ones.

    Raises:
        InputError: the file cannot be read, or is not in the format of `prices.toml`.
    """
    try:
        given = tomllib.loads(file.read_text())
    except OSError as error:
        raise InputError(f"the prices {file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not a TOML file: {error}.") from None
    entries = given.get("price")
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{file} has no [[price]]. docs/guides/cost.md shows one.")
    if given.get("currency", prices.currency) != prices.currency:
        raise InputError(f"{file} has prices in {given['currency']}. All prices must be in {prices.currency}.")
    own = tuple(_price(file, number, entry) for number, entry in enumerate(entries, 1))
    for number, price in enumerate(own, 1):
        _check_use(f"price {number} of {file}", price, prices.prices)
    return replace(prices, prices=(*own, *prices.prices))


def _check_use(where: str, price: Price, known: Sequence[Price]) -> None:
    """Refuse a price that would be multiplied by the wrong number, or used for nothing.

    Raises:
        InputError: the resource is priced by another unit, or by its size.
    """
    units = sorted({one.unit for one in known if one.resource == price.resource})
    if units and price.unit not in units:
        raise InputError(f"{where}: {price.resource} is priced by {' or '.join(units)}, not by {price.unit}.")
    sizes = {one.size for one in known if (one.resource, one.unit) == (price.resource, price.unit)}
    if sizes and "" not in sizes and not price.size:
        raise InputError(f"{where} lacks size, such as {min(sizes)}, by which {price.resource} is priced.")


def _price(file: Path, number: int, entry: Any) -> Price:
    where = f"price {number} of {file}"
    if not isinstance(entry, dict):
        raise InputError(f"{where} is not a table. docs/guides/cost.md shows one.")
    unknown = sorted(entry.keys() - _TYPES.keys())
    missing = sorted(_TYPES.keys() - _OPTIONAL - entry.keys())
    if unknown or missing:
        problem = f"lacks {', '.join(missing)}" if missing else f"has the unknown {', '.join(unknown)}"
        raise InputError(f"{where} {problem}. It takes {', '.join(_TYPES)}.")
    for name, value in entry.items():
        if not isinstance(value, _TYPES[name]) or isinstance(value, (bool, datetime)):
            raise InputError(f"{where}: {name} is not a {_TYPES[name][-1].__name__}.")
    if not 0 <= entry["price"] < float("inf"):
        raise InputError(f"{where}: the price must be zero or more.")
    if entry["unit"] not in _UNITS:
        raise InputError(f"{where}: there is no unit {entry['unit']!r}. It takes {', '.join(_UNITS)}.")
    return Price(**entry)
