"""An estimate and a bill as lines for people and as JSON."""

from __future__ import annotations

from typing import Any

from mlflow_platform.monthly_cost.billed import Bill
from mlflow_platform.monthly_cost.lines import PARTS, CostEstimate, CostLine
from mlflow_platform.monthly_cost.months import Months
from mlflow_platform.plan_guard.cost import Prices

_UNKNOWN = "not known"


def as_json(found: CostEstimate, bill: Bill | None, prices: Prices, region: str, months: Months) -> dict[str, Any]:
    """The whole result. `complete` is false if something is not known or was not examined."""
    this, following = found.sums
    return {
        "region": region,
        "currency": prices.currency,
        "prices_of": _prices_of(prices, region),
        "complete": found.complete,
        "this_month": {"month": months.names[0], "known": round(this, 2)},
        "next_month": {"month": months.names[1], "known": round(following, 2)},
        "parts": {part: _part(found.of_part(part)) for part in PARTS},
        "lines": [line.as_json() for line in found.ordered],
        "not_examined": found.not_examined,
        "billed": None if bill is None else bill.as_json(),
    }


def lines(found: CostEstimate, bill: Bill | None, prices: Prices, region: str, months: Months) -> list[tuple[str, str]]:
    """The result as lines and their colours: what is not known first, then a table, then what AWS has billed."""
    shown = [(f"not examined: {part}: {reason}", "yellow") for part, reason in found.not_examined.items()]
    unknown = [line for line in found.ordered if not line.known]
    if unknown:
        shown.append(("Not in the sums, because a price or an amount is not known:", "yellow"))
        shown += [(f"  {line.what}: {line.how}", "yellow") for line in unknown]
    seen = _prices_of(prices, region)
    if seen is not None:
        shown.append((f"Estimated cost in {region} ({prices.currency}, list prices of {seen}, as deployed now):", ""))
    shown += _table([line for line in found.ordered if line.known], found, months)
    if bill is not None:
        shown += _billed(bill, months)
    return shown


def _part(sums: tuple[float, float] | None) -> dict[str, float] | None:
    return None if sums is None else {"this_month": round(sums[0], 2), "next_month": round(sums[1], 2)}


def _prices_of(prices: Prices, region: str) -> str | None:
    dates = [price.seen for price in prices.prices if price.region == region]
    return str(min(dates)) if dates else None


def _table(known: list[CostLine], found: CostEstimate, months: Months) -> list[tuple[str, str]]:
    if not known:
        return [("No price is known for anything that is deployed here. Add prices with --prices FILE.", "yellow")]
    width = max(len(line.what) for line in known)
    rows = [(f"  {'':{width}}  {months.names[0]:>10}  {months.names[1]:>10}", "")]
    rows += [
        (f"  {line.what:{width}}  {line.this_month:10,.2f}  {line.next_month:10,.2f}  {line.how}", "") for line in known
    ]
    this, following = found.sums
    rows.append((f"  {'sum of what is known':{width}}  {this:10,.2f}  {following:10,.2f}", "green"))
    return rows


def _billed(bill: Bill, months: Months) -> list[tuple[str, str]]:
    if bill.reason:
        return [(f"Billed by AWS in {months.names[0]}: {_UNKNOWN}: {bill.reason}.", "yellow")]
    rows = [(f"Billed by AWS in {months.names[0]} so far ({bill.currency}, by tags, up to a day late):", "")]
    for name, cost in sorted(bill.by_service.items(), key=lambda one: -one[1]):
        rows.append((f"  {cost:10,.2f}  {name}", ""))
    return [*rows, (f"  {sum(bill.by_service.values()):10,.2f}  in all", "green")]
