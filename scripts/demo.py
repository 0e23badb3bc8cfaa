"""Run the whole path on localaws: Terraform, a run, a registered model, an endpoint, and its validation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from mlflow_common.console import Console, Debug, echo, fail, make_app, run
from mlflow_common.errors import InputError
from mlflow_common.numbers import short
from mlflow_platform import roles
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.outputs import environment_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

app = make_app()

# The lowest accepted score on the held-out rows: accuracy, or R² of a regression.
THRESHOLDS = {"iris": 0.9, "diabetes": 0.3}
# Lines of Terraform's output that the demo shows.
_TOLD = re.compile(r"^Plan: |^No changes|^Apply complete!|: (Creation|Modifications|Destruction) complete after ")
LOCALAWS = [sys.executable, "-m", "localaws"]


@app.command()
def demo(
    dataset: Annotated[str, typer.Option(help="What to train on: iris or diabetes.")] = "iris",
    env: Annotated[str, typer.Option("--env", help="The environment to deploy on localaws.")] = "staging",
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="ROLE",
            help="Log, deploy and validate with the module's writer or admin permissions only, on a localaws that "
            "enforces IAM policies. Terraform still runs as the administrator.",
        ),
    ] = None,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Run the whole path on this machine, without an AWS account.

    Each step is a command that you can run yourself. localaws stays up afterwards, so that you can look around.
    """
    check_usage(dataset, env, as_)
    began = time.monotonic()
    if as_:
        os.environ["LOCALAWS_ENFORCE_IAM"] = "1"
    where = ["--env", env, "--local"]
    model = f"models:/{dataset}@champion"
    # The script that make calls: make itself turns every exit status into 2.
    terraform = ["env", "LOCAL=1", "scripts/terraform.sh", env]
    step("AWS on this machine", [*LOCALAWS, "status" if is_up() else "up"])
    if as_:
        roles.become_administrator(os.environ)
    apply("Tracking server, bucket, roles", [*terraform, "apply"])
    outputs = json.loads(captured([*terraform, "output", "-json"]))
    role = take_up(f"demo-{env}-{as_}", outputs["client_policy_arns"]["value"][as_]) if as_ else None
    logged = result(
        "Train, log, register",
        ["scripts/log_run.py", "--dataset", dataset, "--register", dataset, "--alias", "champion", *where],
        role,
    )
    deployed = result("Deploy", ["scripts/deploy_model.py", model, *where], role)
    threshold = str(THRESHOLDS[dataset])
    validated = result("Validate", ["scripts/validate_endpoint.py", model, "--threshold", threshold, *where], role)
    score = "accuracy" if "accuracy" in validated else "r2"
    typer.echo()
    Console().result(
        {
            "tracking_URI": outputs["mlflow_tracking_uri"]["value"],
            "run": logged["run_id"],
            "model_version": f"{logged['registered_model']} {logged['model_version']} (@champion)",
            "endpoint": f"{deployed['endpoint']}, {deployed['status']}",
            f"{score}_against_the_truth": f"{short(validated[score])} on {validated['rows']} held-out rows",
            "report": str((REPOSITORY / validated["report"]).resolve()),
            "UI_link": f"{logged['ui_link']}  (opens once, within five minutes)",
            "as": role and f"{role.arn}, with the permissions of a {as_} only",
            "took": f"{time.monotonic() - began:.0f} s",
        }
    )
    typer.echo("\nlocalaws stays up.")
    Console().result(
        {
            "use_aws_and_mlflow": 'source .venv/bin/activate && eval "$(make -s local-env)"',
            "another_link": "make server ARGS=ui LOCAL=1",
            "stop_it": "make local-down",
        }
    )


def check_usage(dataset: str, env: str, as_: str | None) -> None:
    """Check the options before anything is started.

    Raises:
        InputError: one of them is not valid.
    """
    if dataset not in THRESHOLDS:
        raise InputError(f"there is no data set {dataset!r}. --dataset takes {' or '.join(THRESHOLDS)}.")
    if env not in (known := environment_names()):
        raise InputError(f"there is no environment {env!r}. --env takes {' or '.join(known)}.")
    if as_ not in (None, *roles.DEMO_LEVELS):
        raise InputError(f"the demo cannot run as {as_!r}. --as takes {' or '.join(roles.DEMO_LEVELS)}.")


def is_up() -> bool:
    """Whether localaws runs already."""
    return not subprocess.run([*LOCALAWS, "status"], cwd=REPOSITORY, capture_output=True, check=False).returncode


def step(title: str, command: Sequence[str]) -> None:
    """Run a command and show its output.

    Raises:
        typer.Exit: it failed; with its exit status.
    """
    announce(title, command)
    _checked(subprocess.run(command, cwd=REPOSITORY, check=False), command)


def apply(title: str, command: Sequence[str]) -> None:
    """Run Terraform and show what it creates and what that costs. A file keeps its output of thousands of lines.

    Raises:
        typer.Exit: it failed; with its exit status.
    """
    announce(title, command)
    log = REPOSITORY / ".cache/demo-apply.log"
    typer.echo(f"Terraform's plan and all of its output: {log.relative_to(REPOSITORY)}")
    log.parent.mkdir(exist_ok=True)
    # On GitHub, terraform.sh would write errors to the output too, of which only some lines are shown here.
    environ = {**os.environ, "GITHUB_ACTIONS": ""}
    with (
        log.open("w") as file,
        subprocess.Popen(command, cwd=REPOSITORY, env=environ, stdout=subprocess.PIPE, text=True) as process,
    ):
        for line in shortened(_kept(process.stdout or (), file)):
            echo(line.rstrip("\n"))
            sys.stdout.flush()
    _checked(process, command)


def _kept(lines: Iterable[str], file: TextIO) -> Iterator[str]:
    for line in lines:
        file.write(line)
        yield line


def shortened(lines: Iterable[str]) -> Iterator[str]:
    """Of the output of `terraform.sh apply`: the totals, the estimated cost, and each finished resource."""
    cost = False
    for line in lines:
        cost = line.startswith("Monthly cost ") or (cost and line.startswith("  "))
        if cost or _TOLD.search(line):
            yield line


def take_up(name: str, policy_arns: Sequence[str]) -> roles.Role:
    """Create a role with these policies on localaws, as its administrator."""
    import boto3

    role = roles.make_role(boto3.client("iam"), boto3.client("sts"), name, policy_arns)
    announce(
        "Continue as a role", ["aws", "sts", "assume-role", "--role-arn", role.arn, "--role-session-name", "SCRIPT"]
    )
    return role


def result(title: str, command: Sequence[str], role: roles.Role | None) -> dict[str, Any]:
    """Run a script and show its progress. Returns the JSON object that it printed.

    With a role, the script runs in a session of that role. The session is named after the script, so that the call log
    shows which step made a call.

    Raises:
        typer.Exit: it failed; with its exit status.
    """
    announce(title, [sys.executable, *command])
    session = role.session(Path(command[0]).stem) if role else {}
    text = captured([sys.executable, *command, "--json"], session)
    found: dict[str, Any] = json.loads(text)
    return found


def captured(command: Sequence[str], more: Mapping[str, str] | None = None) -> str:
    """Run a command and return its standard output. `more` are additional environment variables."""
    environ = {**os.environ, **(more or {})}
    done = subprocess.run(command, cwd=REPOSITORY, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    _checked(done, command)
    return done.stdout


def announce(title: str, command: Sequence[str]) -> None:
    """Show the title and the command of the next step."""
    typer.secho(f"\n{title}", bold=True, nl=False)
    typer.secho(f"   {_typed(command)}", dim=True)
    sys.stdout.flush()


def _checked(done: subprocess.CompletedProcess[Any] | subprocess.Popen[str], command: Sequence[str]) -> None:
    if done.returncode:
        # The step itself has printed the reason.
        fail(f"the demo stopped at: {_typed(command)}")
        raise typer.Exit(done.returncode)


def _typed(command: Sequence[str]) -> str:
    """A command as a user would type it."""
    return " ".join(".venv/bin/python" if part == sys.executable else part for part in command)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    run(app)
