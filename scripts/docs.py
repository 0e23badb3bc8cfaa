"""Write what follows from the Terraform modules: README tables, passed-on inputs and outputs, the page of alarms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from mlflow_common.console import Debug, make_app, run
from mlflow_common.errors import InputError, PlatformError
from mlflow_platform.terraform_docs.alarms import PAGE, alarms_page
from mlflow_platform.terraform_docs.composition import callers
from mlflow_platform.terraform_docs.tables import with_tables

REPOSITORY = Path(__file__).resolve().parents[1]

app = make_app()


@app.command()
def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file is not current.")] = False,
    repository: Annotated[Path, typer.Option(help="The checkout to work on.")] = REPOSITORY,
    debug: Debug = False,  # noqa: ARG001 read by `run`
) -> None:
    """Write README tables, the page of alarms, and what the platform module and the roots pass on."""
    stale = []
    try:
        for file, text in _files(repository):
            if file.exists() and file.read_text() == text:
                continue
            stale.append(str(file.relative_to(repository)))
            if not check:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
    except ValueError as error:
        raise InputError(str(error)) from None
    if check and stale:
        raise PlatformError(f"not current: {', '.join(stale)}. Run `make docs`.")


def _files(repository: Path) -> Iterator[tuple[Path, str]]:
    """Each file with its current text. A file may depend on those before it, so write it before you go on."""
    for caller in callers(repository):
        yield from caller.files().items()
    for readme in sorted((repository / "terraform/module").glob("*/README.md")):
        yield readme, with_tables(readme)
    yield repository / PAGE, alarms_page(repository)


if __name__ == "__main__":
    run(app)
