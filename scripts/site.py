"""Build the documentation as a website, and check its links."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from mlflow_common.console import Debug, make_app, run
from mlflow_common.errors import PreconditionError
from mlflow_platform.site.building import build

REPOSITORY = Path(__file__).resolve().parents[1]

app = make_app()


@app.command()
def main(
    source_url: Annotated[
        str | None,
        typer.Option(help="Where the repository's files can be read. On GitHub Actions: the repository itself."),
    ] = None,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Write the website to .cache/site/site, and print the address of its first page.

    Links to files that are not pages, such as tests, lead to --source-url; without it they are plain text.
    """
    tools = subprocess.run([REPOSITORY / "scripts/checks.sh"], stdout=subprocess.PIPE, text=True, check=False)
    if tools.returncode:
        raise PreconditionError("zensical is not installed, for the reason above.")
    site = build(
        REPOSITORY, REPOSITORY / ".cache/site", Path(tools.stdout.strip()) / "zensical", source_url or _github()
    )
    typer.echo((site / "index.html").as_uri())


def _github() -> str | None:
    """https://docs.github.com/en/actions/reference/workflows-and-actions/variables."""
    if "GITHUB_REPOSITORY" not in os.environ:
        return None
    return "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/blob/{GITHUB_SHA}".format_map(os.environ)


if __name__ == "__main__":
    run(app)
