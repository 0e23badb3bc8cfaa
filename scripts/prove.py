"""Prove on AWS what localaws cannot prove: apply a throw-away environment, check it, destroy it."""

from __future__ import annotations

import os
import secrets
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlflow_common.console import Console, Debug, Env, Json, Local, make_app, run
from mlflow_common.errors import FAILED, InputError
from mlflow_common.output_paths import check_output_folder
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.outputs import environment_names

if TYPE_CHECKING:
    from mlflow_platform.proving.record import Record

app = make_app()


@app.command()
def prove(
    env: Env = "staging",
    local: Local = False,
    region: Annotated[
        str | None, typer.Option(metavar="REGION", help="The AWS region. Default: the environment's own.")
    ] = None,
    limit: Annotated[float, typer.Option("--limit", min=0.0, help="Do not start if it may cost more USD.")] = 5.0,
    own: Annotated[
        list[Path] | None,
        typer.Option("--prices", metavar="FILE", help="Prices of your own, which replace list prices. Repeatable."),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the record and the output of the commands are written.")
    ] = Path("reports/prove"),
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Apply a copy of an environment under a new name, check what only AWS can prove, and destroy it again.

    Writes a record (JSON and Markdown) without the account's number. It destroys everything after a failure or Ctrl-C
    too, and lists what is left.

    Exit status 1: a check failed, or something is left.
    """
    if env not in (known := environment_names()):
        raise InputError(f"there is no environment {env!r}. --env takes {' or '.join(known)}.")
    check_output_folder(output)
    # A job that is cancelled is sent SIGTERM. It must remove what it made, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Console(as_json=as_json) as console:
        from mlflow_platform.proving.session import ProofOptions, start_proof

        options = ProofOptions(
            repository=REPOSITORY,
            source=env,
            suffix=secrets.token_hex(3),
            local=local,
            region=region,
            limit=limit,
            prices=tuple(own or ()),
            output=output.resolve(),
            now=datetime.now(UTC),
        )
        record, file = start_proof(options, os.environ, console.progress)
        _show(console, record, file, as_json=as_json)
    if not record.passed:
        raise typer.Exit(FAILED)


def _show(console: Console, record: Record, file: Path, *, as_json: bool) -> None:
    if as_json:
        console.result({**record.as_json(), "record": str(file)})
        return
    colours = {"pass": "green", "fail": "red", "skip": "yellow"}
    width = max(len(step.name) for step in record.steps)
    console.table(
        [
            (f"{step.status}  {step.name:{width}}  {step.seconds:6.1f} s  {step.evidence}", colours[step.status])
            for step in record.steps
        ]
        + [(f"left  {each}", "red") for each in record.left]
        + ([("Delete what is left with these commands:", "")] if record.commands else [])
        + [(f"  {command}", "") for command in record.commands]
    )
    console.result(
        {
            "result": "passed" if record.passed else "failed",
            "cost_USD": f"{record.cost_usd:.2f}",
            "left": f"{len(record.left)} resources, and the folder with their state" if record.left else "nothing",
            "record": str(file),
        }
    )


if __name__ == "__main__":
    run(app)
