"""Create the bucket for Terraform's states, or find it, and write every environment's backend.hcl."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from mlflow_common.console import Console, Debug, Json, make_app, run
from mlflow_common.errors import InputError, PlatformError, PreconditionError
from mlflow_platform.bootstrap import Bootstrap
from mlflow_platform.environment import REPOSITORY

app = make_app()


@app.command()
def main(
    repository: Annotated[Path, typer.Option(help="The checkout to work in.")] = REPOSITORY,
    as_json: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Create the bucket for Terraform's states, or find it, and write every environment's backend.hcl.

    Name the bucket and your account in terraform/bootstrap/terraform.tfvars first. It plans, shows the plan, asks and
    applies. AUTO_APPROVE=1 does not ask. You can run it again at any time.
    """
    console = Console(as_json=as_json)
    console.result(Bootstrap(repository, Terraform(os.environ), approve, console.progress)())


class Terraform:
    """Runs Terraform, with the AWS provider of this machine."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        script = REPOSITORY / "scripts/terraform.sh"
        found = subprocess.run([script, "mirror"], capture_output=True, text=True, check=False)
        if found.returncode != 0:
            raise PreconditionError(found.stderr.strip().removeprefix("error: "))
        self._mirror = found.stdout.strip()
        self._environ = {**environ, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        if not Path(self._environ.get("TF_CLI_CONFIG_FILE") or "/").is_file():
            self._environ["TF_CLI_CONFIG_FILE"] = ""

    def __call__(self, folder: Path, arguments: list[str], capture: bool) -> subprocess.CompletedProcess[str]:
        """Run it in a folder. Its output is captured, or else shown on standard error."""
        verb, *rest = arguments
        plugins = [f"-plugin-dir={self._mirror}"] if verb == "init" and self._mirror else []
        color = [] if verb == "state" or sys.stderr.isatty() else ["-no-color"]
        return subprocess.run(
            ["terraform", f"-chdir={folder}", verb, *color, *plugins, *rest],
            env=self._environ,
            stdout=subprocess.PIPE if capture else sys.stderr,
            stderr=subprocess.PIPE if capture else None,
            text=True,
            check=False,
        )


def approve(plan: Path) -> None:
    """Show the plan guard's review, and ask for approval.

    Raises:
        InputError: there is no terminal to ask on.
        PlatformError: the guard or the user refused.
    """
    interactive = os.environ.get("AUTO_APPROVE") != "1"
    if interactive and not sys.stdin.isatty():
        raise InputError("there is no terminal to approve the plan on. Approve it with AUTO_APPROVE=1.")
    guard = [sys.executable, str(REPOSITORY / "scripts/plan_guard.py"), str(plan)]
    shown = subprocess.run(guard, stdout=sys.stderr, check=False)
    if shown.returncode != 0:
        raise typer.Exit(shown.returncode)
    if interactive and input("Apply this plan? Type yes to continue: ") != "yes":
        raise PlatformError("the plan was not approved. Nothing was changed.")


if __name__ == "__main__":
    run(app)
