"""Record the scripts' AWS calls again, and write what the policies allow and deny into docs/security.md.

The tests in tests/policy do the work, so that the page only contains what they have proven.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlflow_common.console import Debug, make_app, run
from mlflow_common.errors import PlatformError

REPOSITORY = Path(__file__).resolve().parents[1]
WALK = "tests/policy/test_demo_calls.py"
TABLES = "tests/policy/test_security_docs.py"

app = make_app()


@app.command()
def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when the page is not current.")] = False,
    walk: Annotated[bool, typer.Option(help="Record the calls again; --no-walk uses the existing recording.")] = True,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Write the tables of docs/security.md: who may do what, how much is granted, and what is denied."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *([WALK] if walk else []), TABLES]
    environ = dict(os.environ) if check else {**os.environ, "REWRITE": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        message = "docs/security.md is not current. Run `scripts/security_docs.py`." if check else "the tests failed."
        raise PlatformError(message, [*done.stdout.splitlines(), *done.stderr.splitlines()])


if __name__ == "__main__":
    run(app)
