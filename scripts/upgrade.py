"""Move an environment to another MLflow version without losses, go back, and retire the old server."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, echo, make_app, run

if TYPE_CHECKING:
    from mlflow_platform.upgrade.upgrade import Upgrade

app = make_app()


@app.command("run")
def upgrade(
    to: Annotated[str, typer.Option(metavar="VERSION", help="The MLflow version to move to, such as 3.0.")],
    env: Env = "staging",
    source: Annotated[
        str, typer.Option("--from", metavar="VERSION", help="The version to copy from, if several are retained.")
    ] = "",
    accept_losses: Annotated[
        bool,
        typer.Option(
            "--accept-losses", help="Go on although something cannot be read, or the new server cannot hold everything."
        ),
    ] = False,
    local: Local = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Add the new server, copy everything, compare, and switch the outputs. Run it again after any interruption.

    The old server stays until you retire it. After the switch, the same command copies what was logged to it since.
    """
    Console(as_json=as_json).result(_upgrade(env, local=local).run(to, source, accept_losses=accept_losses))


@app.command()
def back(
    to: Annotated[str, typer.Option(metavar="VERSION", help="The retained version to go back to, such as 2.13.")],
    env: Env = "staging",
    local: Local = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Make a retained server the active one again. What was logged to the other server stays there."""
    Console(as_json=as_json).result(_upgrade(env, local=local).back(to))


@app.command()
def retire(
    version: Annotated[str, typer.Option(metavar="VERSION", help="The retained version whose server is deleted.")],
    env: Env = "staging",
    confirm: Annotated[
        str, typer.Option(envvar="CONFIRM", metavar="NAME", help="The name of the server that may be deleted.")
    ] = "",
    local: Local = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Delete a retained server, once everything in it was found in the active one."""
    from mlflow_platform.plan_guard import rules

    Console(as_json=as_json).result(_upgrade(env, local=local).retire(version, rules.named(confirm)))


def _upgrade(env: str, *, local: bool) -> Upgrade:
    from mlflow_common.arns import ServerArn
    from mlflow_common.waiting import SystemClock
    from mlflow_platform.account import check_account
    from mlflow_platform.environment import EnvironmentRef
    from mlflow_platform.localaws_client import localaws_home, use_localaws
    from mlflow_platform.upgrade.migration import Migrator
    from mlflow_platform.upgrade.terraform_root import Root
    from mlflow_platform.upgrade.upgrade import Upgrade
    from mlflow_transfer.progress_bars import Bars

    if local:
        use_localaws(localaws_home(os.environ), os.environ)
    root = Root(env, local=local, environ=os.environ)
    root.prepare()
    arn = ServerArn.parse(next(iter(root.servers().arns.values())))

    import boto3

    session = boto3.Session(region_name=arn.region)
    check_account(EnvironmentRef(env, local), arn.account, session.client("sts"))
    migrator = Migrator(root.memory, os.environ, Bars, root.former_stores)
    asks = not local and os.environ.get("AUTO_APPROVE") != "1"
    sagemaker = session.client("sagemaker")
    return Upgrade(root, migrator, sagemaker, progress=_say, clock=SystemClock(), ask=_ask if asks else None)


def _ask(question: str) -> None:
    from mlflow_common.errors import InputError, PlatformError

    if not sys.stdin.isatty():
        raise InputError("this is not a terminal, so the plan cannot be approved here: approve it with AUTO_APPROVE=1")
    if typer.prompt(f"{question} Type yes to go on", default="", show_default=False, err=True) != "yes":
        raise PlatformError("not approved: nothing was changed")


def _say(line: str) -> None:
    echo(line, err=True)


if __name__ == "__main__":
    run(app)
