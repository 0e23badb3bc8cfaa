"""Check whether an environment works, and show how to repair what does not."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import FAILED, PreconditionError
from mlflow_platform import outputs

if TYPE_CHECKING:
    from mlflow_platform.doctor.context import Context
    from mlflow_platform.doctor.finding import Finding
    from mlflow_platform.environment import Environment

app = make_app()
_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red", "skip": "bright_black"}


@app.command()
def doctor(
    env: Env = "staging",
    local: Local = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 1 on warnings too.")] = False,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Check whether an environment works, and show how to repair what does not.

    Reads only, except for one small object that it writes to the artifact store and deletes.

    Exit status 1: a check failed.
    """
    with Console(as_json=as_json) as console:
        console.progress(f"reading the outputs of {env}")
        environment = outputs.load(env, local=local, environ=os.environ)
        context = _context(environment)
        console.progress("running the checks")
        from mlflow_platform.doctor.diagnosis import diagnose

        findings = diagnose(context)
        counts = {status: sum(one.status == status for one in findings) for status in _COLOURS}
        if as_json:
            console.result({"environment": env, **counts, "checks": [one.as_json() for one in findings]})
        else:
            _show(console, findings)
            console.result({"result": ", ".join(f"{count} {status}" for status, count in counts.items() if count)})
    if counts["fail"] or (strict and counts["warn"]):
        raise typer.Exit(FAILED)


def _context(environment: Environment) -> Context:
    import boto3

    from mlflow_platform.doctor.context import Context
    from mlflow_platform.doctor.terraform_state import locked_provider, read_state

    os.environ.setdefault("AWS_RETRY_MODE", "standard")
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "3")
    session = boto3.Session(region_name=environment.region)
    boto3.DEFAULT_SESSION = session
    folder = outputs.root_folder(environment.ref, os.environ)
    try:
        state = read_state(folder, outputs.run_terraform)
    except PreconditionError:
        # The check "Terraform" reports it.
        state = None
    return Context(
        environment, session, state, _version, outputs.terraform_version(), dict(os.environ),
        lambda: datetime.now(UTC), locked_provider(folder),
    )  # fmt: skip


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _show(console: Console, findings: list[Finding]) -> None:
    width = max(len(one.check) for one in findings)
    lines = []
    for one in findings:
        lines.append((f"{one.status}  {one.check:{width}}  {one.detail}", _COLOURS[one.status]))
        if one.repair:
            lines.append((f"{'':6}{'':{width}}  {one.repair}", ""))
    console.table(lines)


if __name__ == "__main__":
    run(app)
