"""The result of a clean-up as lines for people and as JSON, with the money that it saves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from mlflow_platform.cleanup.items import IMAGES, KINDS, Found, Item
from mlflow_platform.plan_guard.cost import Prices

# At most this many items and kept items of a kind are printed. --json has all.
_SHOWN = 25
# AWS bills a gigabyte of 2**30 bytes (aws.amazon.com/s3/faqs, "How will I be charged").
_GB = 1 << 30
One = TypeVar("One")


def monthly_cost(items: Iterable[Item], prices: Prices, region: str) -> float | None:
    """What the items' storage costs a month; None if no price is known for the region."""
    total = 0.0
    for item in items:
        resource = "aws_ecr_repository" if item.kind == IMAGES else "aws_s3_bucket"
        price = next((one for one in prices.find(region, resource, "")[1] if one.unit == "GB-month"), None)
        if price is None:
            return None
        total += item.size / _GB * price.price
    return total


def as_json(found: Found, prices: Prices, region: str) -> dict[str, Any]:
    """The search's result as a JSON object. `monthly_cost` is None where no price is known."""
    return {
        "items": [item.as_json() for item in found.items],
        "kept": [one.as_json() for one in found.kept],
        "not_examined": found.skipped,
        "totals": {
            kind: {
                "items": len(items),
                "bytes": sum(item.size for item in items),
                "monthly_cost": monthly_cost(items, prices, region),
            }
            for kind, items in _by_kind(found).items()
        },
        "currency": prices.currency,
    }


def lines(found: Found, prices: Prices, region: str) -> list[tuple[str, str]]:
    """The search's result as lines and their colours: items, what is kept, what was not examined, and the sums."""
    shown: list[tuple[str, str]] = []
    for kind, items in _by_kind(found).items():
        shown.append((f"{kind}: {KINDS[kind]}", "yellow"))
        shown += [
            (f"  {item.name}  {item.changed:%Y-%m-%d}  {size(item.size)}  {item.detail}", "") for item in _some(items)
        ]
        shown += _rest(items)
    for kind in KINDS:
        kept = [one for one in found.kept if one.kind == kind]
        if kept:
            shown.append((f"{kind}: kept", "green"))
            shown += [(f"  {one.name}  {one.reason}", "") for one in _some(kept)] + _rest(kept)
    shown += [(f"{kind}: not examined: {reason}", "bright_black") for kind, reason in found.skipped.items()]
    return [*shown, *_table(found, prices, region)]


def size(count: int) -> str:
    """A number of bytes for people."""
    amount, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"


def _table(found: Found, prices: Prices, region: str) -> list[tuple[str, str]]:
    rows = [("", "items", "size", f"{prices.currency} a month")]
    for kind, items in (*_by_kind(found).items(), ("total", found.items)):
        cost = monthly_cost(items, prices, region)
        text = "no price known" if cost is None else f"{cost:.2f}"
        rows.append((kind, f"{len(items):,}", size(sum(item.size for item in items)), text))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [(_row(row, widths), "") for row in rows]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The first cell is aligned to the left, numbers to the right."""
    numbers = (f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join((f"{cells[0]:{widths[0]}}", *numbers))


def _by_kind(found: Found) -> dict[str, list[Item]]:
    by_kind = {kind: [item for item in found.items if item.kind == kind] for kind in KINDS}
    return {kind: items for kind, items in by_kind.items() if items}


def _some(given: Sequence[One]) -> Sequence[One]:
    return given[:_SHOWN]


def _rest(given: Sequence[object]) -> list[tuple[str, str]]:
    more = len(given) - _SHOWN
    return [(f"  and {more:,} more (--json lists all)", "bright_black")] if more > 0 else []
