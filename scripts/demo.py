"""Run the whole road on localaws: Terraform, a run, a registered model, an endpoint, its answers against the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts._console import Console, Debug, fail, make_app, run
from scripts.mlops.environment import REPOSITORY
from scripts.mlops.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

app = make_app()

# What a model must reach on the held-out rows: accuracy, or R² of a regression.
THRESHOLDS = {"iris": 0.9, "diabetes": 0.3}


@app.command()
def demo(
    dataset: Annotated[str, typer.Option(help="What to train on: iris or diabetes.")] = "iris",
    env: Annotated[str, typer.Option("--env", help="The environment to make on localaws.")] = "staging",
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Take the whole road on this machine, without an AWS account.

    Each step is a command that you can type yourself; localaws stays up afterwards, so that you can look around.
    """
    if dataset not in THRESHOLDS:
        raise InputError(f"there is no data set {dataset!r}: --dataset takes {' or '.join(THRESHOLDS)}")
    began = time.monotonic()
    where = ["--env", env, "--local"]
    model = f"models:/{dataset}@champion"
    step("AWS on this machine", ["make", "-s", "local-up"])
    step("Tracking server, bucket, roles", ["make", "-s", "apply", f"ENV={env}", "LOCAL=1"])
    logged = result(
        "Train, log, register",
        ["scripts/log_run.py", "--dataset", dataset, "--register", dataset, "--alias", "champion", *where],
    )
    deployed = result("Deploy", ["scripts/deploy_model.py", model, *where])
    threshold = str(THRESHOLDS[dataset])
    validated = result(
        "Compare with the truth", ["scripts/validate_endpoint.py", model, "--threshold", threshold, *where]
    )
    outputs = json.loads(captured(["make", "-s", "output", f"ENV={env}", "LOCAL=1", "ARGS=-json"]))
    score = "accuracy" if "accuracy" in validated else "r2"
    typer.echo()
    Console().result(
        {
            "tracking_URI": outputs["mlflow_tracking_uri"]["value"],
            "run": logged["run_id"],
            "model_version": f"{logged['registered_model']} {logged['model_version']} (@champion)",
            "endpoint": f"{deployed['endpoint']}, {deployed['status']}",
            f"{score}_against_the_truth": f"{validated[score]:.4f} on {validated['rows']} held-out rows",
            "report": str((REPOSITORY / validated["report"]).resolve()),
            "UI_link": f"{logged['ui_link']}  (opens once, within five minutes)",
            "took": f"{time.monotonic() - began:.0f} s",
        }
    )
    typer.echo(
        '\nlocalaws stays up. Look around:  eval "$(make -s local-env)"    Another link:  make server ARGS=ui LOCAL=1'
        "    Stop it:  make local-down"
    )


def step(title: str, command: Sequence[str]) -> None:
    """Run a command in front of the reader.

    Raises:
        typer.Exit: it failed; with its exit status.
    """
    announce(title, command)
    _checked(subprocess.run(command, cwd=REPOSITORY, check=False), command)


def result(title: str, command: Sequence[str]) -> dict[str, Any]:
    """Run a script with its progress in front of the reader; returns what it printed as JSON.

    Raises:
        typer.Exit: it failed; with its exit status.
    """
    announce(title, command)
    text = captured([sys.executable, *command, "--json"])
    found: dict[str, Any] = json.loads(text)
    return found


def captured(command: Sequence[str]) -> str:
    """What a command prints on standard output."""
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
    _checked(done, command)
    return done.stdout


def announce(title: str, command: Sequence[str]) -> None:
    """Say what comes, and the command that does it."""
    typer.secho(f"\n{title}", bold=True, nl=False)
    typer.secho(f"   {' '.join(command)}", dim=True)
    sys.stdout.flush()


def _checked(done: subprocess.CompletedProcess[Any], command: Sequence[str]) -> None:
    if done.returncode:
        # The step has said why itself.
        fail("the demo stopped at: " + " ".join(part for part in command if part != sys.executable))
        raise typer.Exit(done.returncode)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    run(app)
