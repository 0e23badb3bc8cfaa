"""Read a plan of Terraform's before it is applied: what it changes, what it costs, and what it must not do unasked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlflow_common.console import Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import PreconditionError
from mlflow_platform import environment as environments
from mlflow_platform.plan_guard import cost as plan_cost
from mlflow_platform.plan_guard import losses as plan_losses
from mlflow_platform.plan_guard import rules as plan_rules
from mlflow_platform.plan_guard.changes import Action, Change, Plan, read

if TYPE_CHECKING:
    from mlflow_platform.plan_guard.cost import Estimate
    from mlflow_platform.plan_guard.losses import BucketContents, ServerContents

SIGNS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.REPLACE: ("!", "bold red"),
    Action.DELETE: ("-", "bold red"),
    Action.FORGET: ("x", "yellow"),
}
# Longer than this a value is a document, and Terraform's own plan shows it better.
_LONGEST = 40

app = make_app()


@app.command()
def main(
    file: Annotated[Path, typer.Argument(metavar="PLAN", help="A saved plan, or what `terraform show -json` printed.")],
    root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The plan's root, if the plan lies elsewhere.")
    ] = None,
    env: Env = "staging",
    local: Local = False,
    destroy: Annotated[
        bool, typer.Option("--destroy", help="The plan destroys all: count what would be lost.")
    ] = False,
    only_show: Annotated[
        bool, typer.Option("--only-show", help="Show what would be refused, and refuse nothing.")
    ] = False,
    confirm: Annotated[
        str, typer.Option(envvar="CONFIRM", metavar="NAME,NAME", help="What the plan may delete or replace, by name.")
    ] = "",
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Show what a saved plan changes and costs, and refuse one that loses a tracking server, a bucket or a key.

    Exit status 3 refuses. What is meant all the same is named: CONFIRM=mlflow-staging-3-0 make apply
    """
    if local:
        environments.use_localaws(environments.localaws_home(os.environ), os.environ)
    plan = read(file, root or file.parent, _terraform)
    traps = list(plan_rules.traps(plan))
    contents = _contents(plan, env, local=local) if destroy else []
    cost = None if destroy else plan_cost.estimate(plan, plan_cost.Prices.load())
    refusal = _refusal(plan, contents, plan_rules.named(confirm), env, local=local, destroy=destroy)
    if as_json:
        _print_json(plan, traps, cost, contents, refusal)
    else:
        _print_changes(plan)
        for found in contents:
            typer.echo(f"would be lost: {found}")
        if cost is not None:
            _print_cost(cost)
        elif not destroy and any(resource["mode"] == "managed" for resource in plan.planned):
            known = ", ".join(plan_cost.Prices.load().regions)
            typer.echo(f"Monthly cost: not known for {plan.region or 'this region'} (prices.toml has {known})")
        for trap in traps:
            typer.secho(f"trap: {trap}", fg="yellow")
    if refusal is not None and not only_show:
        raise refusal
    if refusal is not None and not as_json:
        typer.secho(f"`make apply` will say: {refusal.message}", fg="yellow")


def _terraform(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["terraform", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PreconditionError("terraform is not installed or not on the PATH: install 1.11 or later") from None


def _contents(plan: Plan, env: str, *, local: bool) -> list[ServerContents | BucketContents]:
    import boto3

    from mlflow_platform import tracking

    tracking.prepare(os.environ)
    session = boto3.Session(region_name=plan.region)
    found: list[ServerContents | BucketContents] = [
        plan_losses.server_contents(change, session, environment=env, local=local)
        for change in plan_losses.servers(plan)
    ]
    return [
        *found,
        *(plan_losses.bucket_contents(change, session.client("s3")) for change in plan_losses.buckets(plan)),
    ]


def _refusal(
    plan: Plan,
    contents: list[ServerContents | BucketContents],
    confirmed: set[str],
    env: str,
    *,
    local: bool,
    destroy: bool,
) -> PreconditionError | None:
    try:
        if destroy:
            plan_losses.check(plan, contents, confirmed, command=f"ENV={env}" + (" LOCAL=1" if local else ""))
        else:
            plan_rules.check(plan, confirmed)
    except PreconditionError as refusal:
        return refusal
    return None


def _print_changes(plan: Plan) -> None:
    """The table of changes: in a terminal with rich, otherwise a line each."""
    if not plan.changing:
        typer.echo("The plan changes nothing.")
        return
    rows = [
        (*SIGNS[change.action], change.action.value, change.address, _detail(plan, change)) for change in plan.changing
    ]
    if not sys.stdout.isatty():
        for sign, _, action, address, detail in rows:
            typer.echo(f"{sign} {action:<7}  {address}" + (f"  {detail}" if detail else ""))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "", "Resource", "What"):
        table.add_column(heading, overflow="fold")
    for sign, style, action, address, detail in rows:
        table.add_row(sign, action, escape(address), escape(detail), style=style)
    Console().print(table)


def _detail(plan: Plan, change: Change) -> str:
    named = plan.name_of(change)
    parts = [named] if named != change.address else []
    for name in change.attributes:
        forced = " (replaces it)" if name in change.forced_by else ""
        parts.append(f"{name}: {_value(change, name, change.before)} -> {_value(change, name, change.after)}{forced}")
    return "  ".join(parts)


def _value(change: Change, name: str, side: Any) -> str:
    if name in change.hidden:
        return "(sensitive)"
    if side is change.after and change.unknown.get(name):
        return "(known after apply)"
    value = side.get(name)
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST and not isinstance(value, list | dict) else "..."


def _print_cost(cost: Estimate) -> None:
    typer.echo(f"Monthly cost in {cost.region} ({cost.currency}, list prices of {cost.seen}):")
    width = max((len(line.what) for line in cost.lines), default=0)
    for line in cost.lines:
        month = f"{line.always:10,.2f}" if line.always is not None else "   unknown"
        typer.echo(f"  {line.what:{width}}  {month}  {line.how}")
    at_least = "" if cost.complete else "at least "
    if cost.lines:
        typer.echo(f"  Running day and night: {at_least}{cost.always:,.2f}")
    called = f"On the planned schedule ({cost.schedule})" if cost.planned else f"If it ran on {cost.schedule} only"
    scheduled = "unknown, for it cannot be counted" if cost.scheduled is None else f"{at_least}{cost.scheduled:,.2f}"
    if cost.planned or cost.scheduled != cost.always:
        typer.echo(f"  {called}: {scheduled}")
    if cost.by_use:
        typer.echo(f"  By use, not added up: {'; '.join(cost.by_use)}")
    if cost.unknown:
        typer.echo(f"  No price known for: {', '.join(cost.unknown)}")


def _print_json(
    plan: Plan,
    traps: list[str],
    cost: Estimate | None,
    contents: list[ServerContents | BucketContents],
    refusal: PreconditionError | None,
) -> None:
    import json

    typer.echo(
        json.dumps(
            {
                "changes": [
                    {
                        "action": change.action.value,
                        "address": change.address,
                        "name": plan.name_of(change),
                        "attributes": change.attributes,
                    }
                    for change in plan.changing
                ],
                "traps": traps,
                "monthly_cost": None
                if cost is None
                else {
                    "currency": cost.currency,
                    "prices_of": str(cost.seen),
                    "always": round(cost.always, 2),
                    "scheduled": None if cost.scheduled is None else round(cost.scheduled, 2),
                    "schedule": cost.schedule,
                    "schedule_planned": cost.planned,
                    "complete": cost.complete,
                },
                "lost": [str(found) for found in contents],
                "refused": None if refusal is None else refusal.message,
            }
        )
    )


if __name__ == "__main__":
    run(app)
