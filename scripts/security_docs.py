"""Walk the road once more, and write what its policies allow and deny into docs/security.md.

The work is that of the tests in tests/policy, so that the page cannot say what was not proven.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

REPOSITORY = Path(__file__).resolve().parents[1]
WALK = "tests/policy/test_road.py"
TABLES = "tests/policy/test_security_docs.py"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when the page is not current.")] = False,
    walk: Annotated[bool, typer.Option(help="Record the road anew; without, take the recording as it is.")] = True,
) -> None:
    """Write the tables of docs/security.md: who may do what, how much is granted, what is denied."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *([WALK] if walk else []), TABLES]
    environ = dict(os.environ) if check else {**os.environ, "REWRITE": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        typer.echo(done.stdout, err=True)
        typer.echo(
            "error: docs/security.md is not current: run `scripts/security_docs.py`" if check else done.stderr, err=True
        )
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
