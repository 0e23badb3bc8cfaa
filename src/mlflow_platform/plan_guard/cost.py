"""Estimates what a plan's resources cost a month, with and without a schedule, from the prices in `prices.toml`."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mlflow_platform.plan_guard.app_stacks import holds_app
from mlflow_platform.plan_guard.changes import SERVER, TerraformPlan
from mlflow_platform.plan_guard.running_hours import HOURS_PER_MONTH, monthly_hours

TABLE = Path(__file__).with_name("prices.toml")
# An example for teams that work on weekdays, shown if the plan has no schedule.
WEEKDAYS = ("weekdays 08:00-20:00", "cron(0 8 ? * MON-FRI *)", "cron(0 20 ? * MON-FRI *)")
_START, _STOP = "start", "stop"  # The actions in the inputs of schedules (start_stop.tf of the mlflow module).
# Units of what depends on use: shown, but not added up.
_BY_USE = frozenset({"GB", "GB-month", "build minute", "thousand events"})
_NAMES = ("tracking_server_name", "service_name", "alarm_name", "description")


@dataclass(frozen=True)
class Price:
    """The price of one unit of a kind of resource."""

    region: str
    resource: str
    unit: str
    price: float
    seen: date
    source: str
    size: str = ""
    of: str = ""


@dataclass(frozen=True)
class Prices:
    """The table of prices."""

    currency: str
    prices: tuple[Price, ...]
    free: frozenset[str]

    @classmethod
    def load(cls, file: Path = TABLE) -> Prices:
        """Read the table."""
        given = tomllib.loads(file.read_text())
        return cls(
            given["currency"], tuple(Price(**price) for price in given["price"]), frozenset(given["free"]["resources"])
        )

    @property
    def regions(self) -> list[str]:
        """The regions that have prices."""
        return sorted({price.region for price in self.prices})

    def find(self, region: str, resource: str, size: str) -> tuple[Price | None, list[Price]]:
        """The price that applies whether the resource is used or not, if there is one, and the prices by use."""
        fitting = [price for price in self.prices if (price.region, price.resource) == (region, resource)]
        fixed = next((price for price in fitting if price.unit not in _BY_USE and price.size == size), None)
        return fixed, [price for price in fitting if price.unit in _BY_USE]


@dataclass(frozen=True)
class Line:
    """What one resource costs a month, always running and on its schedule; None if that is not known."""

    what: str
    how: str
    always: float | None
    scheduled: float | None


@dataclass(frozen=True)
class Estimate:
    """A month's cost. `schedule` describes the plan's own schedule or, if `planned` is false, an example."""

    currency: str
    region: str
    seen: date
    lines: tuple[Line, ...]
    by_use: tuple[str, ...]
    unknown: tuple[str, ...]
    schedule: str
    planned: bool

    @property
    def always(self) -> float:
        """The sum with servers that always run, of the known prices."""
        return sum(line.always or 0.0 for line in self.lines)

    @property
    def scheduled(self) -> float | None:
        """The sum with servers that run on the schedule only; None if the schedule cannot be evaluated."""
        if any(line.always is not None and line.scheduled is None for line in self.lines):
            return None
        return sum(line.scheduled or 0.0 for line in self.lines)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The resources that the sums leave out because their prices are not known."""
        return tuple(line.what for line in self.lines if line.always is None)

    @property
    def complete(self) -> bool:
        """Whether every price is known."""
        return not self.unknown and all(line.always is not None for line in self.lines)


@dataclass(frozen=True)
class Schedule:
    """When servers are started and stopped, by server name. The empty name stands for every server."""

    starts: Mapping[str, Sequence[str]]
    stops: Mapping[str, Sequence[str]]

    @classmethod
    def planned(cls, resources: Sequence[Mapping[str, Any]]) -> Schedule | None:
        """The schedule among planned resources, if there is one."""
        found: dict[str, dict[str, list[str]]] = {_START: {}, _STOP: {}}
        for resource in resources:
            values = resource["values"]
            if resource["type"] != "aws_scheduler_schedule" or values.get("state") == "DISABLED":
                continue
            for target in values.get("target") or []:
                given = _input(target)
                action, server = given.get("Action"), str(given.get("TrackingServerName") or "")
                if action in found:
                    found[action].setdefault(server, []).append(str(values["schedule_expression"]))
        return cls(found[_START], found[_STOP]) if any(found.values()) else None

    def hours(self, server: str) -> float | None:
        """The hours a month that a server runs; None if its expressions cannot be evaluated."""
        try:
            return monthly_hours(
                [*self.starts.get(server, ()), *self.starts.get("", ())],
                [*self.stops.get(server, ()), *self.stops.get("", ())],
            )
        except ValueError:
            return None

    def __str__(self) -> str:
        # Several servers usually have the same schedule: each expression is shown once.
        parts = [
            f"{verb} {expression}"
            for verb, given in (("start", self.starts), ("stop", self.stops))
            for expressions in given.values()
            for expression in expressions
        ]
        return ", ".join(dict.fromkeys(parts))


def estimate(plan: TerraformPlan, prices: Prices) -> Estimate | None:
    """Estimate what the plan's resources will cost; None if nothing is left or the region has no prices."""
    resources = [resource for resource in plan.planned if resource["mode"] == "managed"]
    region = plan.region
    if not resources or region is None or region not in prices.regions:
        return None
    planned = Schedule.planned(resources)
    schedule = planned or Schedule({"": [WEEKDAYS[1]]}, {"": [WEEKDAYS[2]]})
    lines: list[Line] = []
    by_use: dict[str, None] = {}
    unknown: Counter[str] = Counter()
    for resource in resources:
        size = size_of(resource)
        fixed, used = prices.find(region, resource["type"], size)
        for price in used:
            by_use[f"{price.price:g} {prices.currency} a {price.unit} for {price.of}"] = None
        if fixed is not None:
            lines.append(line_of(resource, size, fixed, schedule))
        elif resource["type"] == SERVER:
            lines.append(
                Line(name_of(resource, size), "not priced: prices.toml has no price for this size", None, None)
            )
        elif not used and resource["type"] not in prices.free and not holds_app(resource["type"], resource["values"]):
            unknown[resource["type"]] += 1
    return Estimate(
        currency=prices.currency,
        region=region,
        seen=min(price.seen for price in prices.prices if price.region == region),
        # What is not priced comes first: it is usually the largest part. Terraform lists modules in any order.
        lines=tuple(
            sorted(lines, key=lambda line: (-(float("inf") if line.always is None else line.always), line.what))
        ),
        by_use=tuple(sorted(by_use)),
        unknown=tuple(f"{kind} ({count})" for kind, count in sorted(unknown.items())),
        schedule=WEEKDAYS[0] if planned is None else str(planned),
        planned=planned is not None,
    )


def line_of(resource: Mapping[str, Any], size: str, price: Price, schedule: Schedule) -> Line:
    """What a resource (`type` and `values`) with a fixed price costs a month."""
    what = name_of(resource, size)
    match price.unit:
        case "hour":
            hours = schedule.hours(str(resource["values"].get("tracking_server_name")))
            scheduled = None if hours is None else price.price * hours
            return Line(what, f"{HOURS_PER_MONTH:.0f} h x {price.price:g}", price.price * HOURS_PER_MONTH, scheduled)
        case "hour and subnet":
            subnets = resource["values"].get("subnet_ids")
            each = price.price * HOURS_PER_MONTH
            if not subnets:
                return Line(
                    what, f"not priced: {each:.2f} for each subnet, and their number is not known yet", None, None
                )
            how = f"{len(subnets)} subnets x {HOURS_PER_MONTH:.0f} h x {price.price:g}"
            return Line(what, how, len(subnets) * each, len(subnets) * each)
        case _:
            return Line(what, "a month", price.price, price.price)


def _input(target: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input of a schedule's target, as far as the plan contains it and it is an object."""
    try:
        found = json.loads(target.get("input") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def size_of(resource: Mapping[str, Any]) -> str:
    """The size by which a resource is priced; empty if its price does not depend on one."""
    values = resource["values"]
    return str(values.get("tracking_server_size") or values.get("vpc_endpoint_type") or "")


def name_of(resource: Mapping[str, Any], size: str) -> str:
    """A resource's kind, name and size, for people."""
    values = resource["values"]
    kind = str(resource["type"]).removeprefix("aws_").removeprefix("sagemaker_mlflow_").replace("_", " ")
    name = next((values[key] for key in _NAMES if values.get(key)), "")
    return " ".join(filter(None, (kind, str(name), f"({size})" if size else "")))
