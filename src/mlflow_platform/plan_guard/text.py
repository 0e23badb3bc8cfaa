"""A review of a plan as text: rows of a table for the changes, lines for the cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlflow_platform.plan_guard.changes import Change, TerraformPlan
from mlflow_platform.plan_guard.cost import Estimate, Prices
from mlflow_platform.plan_guard.review import Review

# A longer value is a document. Terraform's own plan shows it better.
_LONGEST = 40


def change_rows(plan: TerraformPlan) -> list[tuple[Change, str]]:
    """Each change, and its details: the resource's name and the attributes that change."""
    return [(change, _detail(plan, change)) for change in plan.changing]


def cost_lines(review: Review) -> Iterator[str]:
    """The estimated cost, or why there is none."""
    estimate = review.cost
    if estimate is not None:
        yield from _estimate_lines(estimate)
    elif any(resource["mode"] == "managed" for resource in review.plan.planned):
        known = ", ".join(Prices.load().regions)
        yield f"Monthly cost: not known for {review.plan.region or 'this region'} (prices.toml has {known})"


def _estimate_lines(estimate: Estimate) -> Iterator[str]:
    yield f"Monthly cost in {estimate.region} ({estimate.currency}, list prices of {estimate.seen}):"
    width = max((len(line.what) for line in estimate.lines), default=0)
    for line in estimate.lines:
        month = f"{line.always:10,.2f}" if line.always is not None else "         ?"
        yield f"  {line.what:{width}}  {month}  {line.how}"
    without = f", without {_and(estimate.unpriced)} (not priced)" if estimate.unpriced else ""
    if estimate.lines:
        yield f"  Always running: {estimate.always:,.2f}{without}"
    name = (
        f"On the planned schedule ({estimate.schedule})"
        if estimate.planned
        else f"If it ran on {estimate.schedule} only"
    )
    scheduled = (
        "not known: the schedule cannot be evaluated"
        if estimate.scheduled is None
        else f"{estimate.scheduled:,.2f}{without}"
    )
    if estimate.planned or estimate.scheduled != estimate.always:
        yield f"  {name}: {scheduled}"
    if estimate.by_use:
        yield f"  By use, not added up: {'; '.join(estimate.by_use)}"
    if estimate.unknown:
        yield f"  Not priced: {', '.join(estimate.unknown)}"


def _and(names: tuple[str, ...]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _detail(plan: TerraformPlan, change: Change) -> str:
    name = plan.name_of(change)
    parts = [name] if name != change.address else []
    for attribute in change.attributes:
        forced = " (replaces it)" if attribute in change.forced_by else ""
        before, after = _value(change, attribute, change.before), _value(change, attribute, change.after)
        parts.append(f"{attribute}: {before} -> {after}{forced}")
    return "  ".join(parts)


def _value(change: Change, name: str, side: Mapping[str, Any]) -> str:
    if name in change.hidden:
        return "(sensitive)"
    if side is change.after and change.unknown.get(name):
        return "(known after apply)"
    value = side.get(name)
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST and not isinstance(value, list | dict) else "..."
