"""What the tracking servers cost: hours, by their size and schedule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlflow_platform.monthly_cost.lines import SERVERS, CostLine
from mlflow_platform.monthly_cost.months import Months, in_hours
from mlflow_platform.plan_guard.changes import SERVER
from mlflow_platform.plan_guard.cost import Prices, Schedule
from mlflow_platform.plan_guard.running_hours import HOURS_PER_MONTH
from mlflow_platform.tracking_server import STOPPED, find

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_MONTHLY = "GB-month"


def server_lines(
    sagemaker: SageMakerClient, names: Iterable[str], schedule: Schedule | None, prices: Prices, months: Months
) -> list[CostLine]:
    """The lines of the servers, and of their database.

    A server without a schedule counts for all hours from its creation, or until it was stopped. AWS does not say how
    long it was stopped before. A server with a schedule counts for the share of the hours that the schedule gives it.
    """
    region = sagemaker.meta.region_name
    lines: list[CostLine] = []
    for name in names:
        if find(sagemaker, name) is None:
            lines.append(CostLine(SERVERS, f"tracking server {name}", "not known: there is no server of this name"))
            continue
        lines.append(
            _line(sagemaker.describe_mlflow_tracking_server(TrackingServerName=name), schedule, prices, months)
        )
    return [*lines, *_metadata(prices, region)]


def _line(server: Any, schedule: Schedule | None, prices: Prices, months: Months) -> CostLine:
    name, size = server["TrackingServerName"], server["TrackingServerSize"]
    what = f"tracking server {name} ({size})"
    price, _ = prices.find(server["TrackingServerArn"].split(":")[3], SERVER, size)
    if price is None:
        return CostLine(SERVERS, what, "no price known for this size in this region")
    scheduled = schedule.hours(name) if schedule is not None else HOURS_PER_MONTH
    runs_on_schedule = scheduled is not None and scheduled < HOURS_PER_MONTH
    stopped = server["TrackingServerStatus"] in STOPPED and not runs_on_schedule
    this, following = months.hours(server["CreationTime"], server["LastModifiedTime"] if stopped else None)
    share = scheduled / HOURS_PER_MONTH if runs_on_schedule and scheduled is not None else 1.0
    how = f"{in_hours(this * share)} and {in_hours(following * share)} x {price.price:g}"
    if stopped:
        how += ", stopped"
    elif scheduled is None:
        how += ", always running: its schedule has expressions that cannot be counted"
    elif runs_on_schedule:
        how += f", on its schedule ({in_hours(scheduled)} a month)"
    return CostLine(SERVERS, what, how, this * share * price.price, following * share * price.price)


def _metadata(prices: Prices, region: str) -> list[CostLine]:
    used = next((price for price in prices.find(region, SERVER, "")[1] if price.unit == _MONTHLY), None)
    each = "no price known" if used is None else f"{used.price:g} a {_MONTHLY}"
    return [CostLine(SERVERS, "database of experiments and runs", f"{each}; AWS does not say how large it is")]
