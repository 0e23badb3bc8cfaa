"""Review a saved Terraform plan before it is applied: what it changes, what it costs, and what it would lose."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common import console
from mlflow_common.console import Debug, Env, Json, Local, echo, make_app, printable, run
from mlflow_platform.environment import EnvironmentRef
from mlflow_platform.localaws_client import localaws_home, use_localaws
from mlflow_platform.outputs import run_terraform
from mlflow_platform.plan_guard import rules
from mlflow_platform.plan_guard.changes import Action, TerraformPlan, read

if TYPE_CHECKING:
    from mlflow_platform.plan_guard.review import Review

SIGNS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.REPLACE: ("!", "bold red"),
    Action.DELETE: ("-", "bold red"),
    Action.FORGET: ("x", "yellow"),
}

app = make_app()


@app.command()
def main(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN", help="A saved plan, or the output of `terraform show -json` as .json or, for -, on stdin."
        ),
    ],
    root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The plan's root, if the plan is in another folder.")
    ] = None,
    env: Env = "staging",
    local: Local = False,
    destroy: Annotated[
        bool, typer.Option("--destroy", help="The plan destroys everything: count what would be lost.")
    ] = False,
    only_show: Annotated[
        bool, typer.Option("--only-show", help="Show what would be refused, but do not refuse it.")
    ] = False,
    confirm: Annotated[
        str, typer.Option(envvar="CONFIRM", metavar="NAME,NAME", help="What the plan may delete or replace, by name.")
    ] = "",
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Show what a saved plan changes and costs, and refuse a plan that loses a server, bucket, key or Studio domain.

    A refused plan ends with exit status 3. To allow a loss, confirm it by name: CONFIRM=mlflow-staging-3-0 make apply
    """
    if local:
        use_localaws(localaws_home(os.environ), os.environ)
    folder = root or file.parent
    plan = read(file, folder, run_terraform, sys.stdin)
    reviewed = _review(plan, EnvironmentRef(env, local), rules.named(confirm), None if destroy else folder)
    if as_json:
        typer.echo(console.as_json(reviewed.as_json))
    else:
        _print(reviewed, destroy=destroy)
    if reviewed.refusal is None:
        return
    if not only_show:
        raise reviewed.refusal
    if not as_json:
        echo(f"`make apply` will refuse this plan: {reviewed.refusal.message}", colour="yellow")


def _review(plan: TerraformPlan, environment: EnvironmentRef, confirmed: set[str], root: Path | None) -> Review:
    """Review a plan of the root in this folder; None if the plan destroys everything."""
    from mlflow_platform.plan_guard.review import review, review_destroy

    if root and not rules.updated_servers(plan):
        return review(plan, environment, confirmed, None, root)
    import boto3

    from mlflow_platform import tracking

    tracking.prepare(os.environ)
    session = boto3.Session(region_name=plan.region)
    if root is None:
        return review_destroy(plan, environment, confirmed, session)
    return review(plan, environment, confirmed, session, root)


def _print(reviewed: Review, *, destroy: bool) -> None:
    from mlflow_platform.plan_guard import text

    _print_changes(reviewed.plan)
    for found in reviewed.contents:
        echo(f"would be lost: {found}")
    for line in () if destroy else text.cost_lines(reviewed):
        echo(line)
    for warning in reviewed.warnings:
        echo(f"warning: {warning}", colour="yellow")


def _print_changes(plan: TerraformPlan) -> None:
    """Print the table of changes: with rich in a terminal, otherwise as one line each."""
    from mlflow_platform.plan_guard import text

    if not plan.changing:
        typer.echo("The plan changes nothing.")
        return
    rows = text.change_rows(plan)
    if not sys.stdout.isatty():
        for change, detail in rows:
            line = f"{SIGNS[change.action][0]} {change.action.value:<7}  {change.address}"
            echo(line + (f"  {detail}" if detail else ""))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "", "Resource", "Details"):
        table.add_column(heading, overflow="fold")
    for change, detail in rows:
        sign, style = SIGNS[change.action]
        table.add_row(
            sign, change.action.value, escape(printable(change.address)), escape(printable(detail)), style=style
        )
    Console().print(table)


if __name__ == "__main__":
    run(app)
