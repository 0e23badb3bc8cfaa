"""The nightly backup has all that the tool imports, in the versions that everything else here is tested with."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.mlops.environment import REPOSITORY

PINNED = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)


def test_the_backup_jobs_packages_are_those_of_the_checkout() -> None:
    ours = dict(PINNED.findall((REPOSITORY / "requirements.lock").read_text()))
    jobs = dict(PINNED.findall((REPOSITORY / "terraform/module/mlflow/backup/requirements.lock").read_text()))
    assert {"boto3", "httpx", "typer"} <= jobs.keys()
    assert {name: ours.get(name) for name in jobs} == jobs


def imported(file: Path) -> Iterator[Path]:
    """The files of this repository that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        for place in (REPOSITORY / name.replace(".", "/") for name in names if name.startswith("scripts")):
            yield from (one for one in (place.with_suffix(".py"), place / "__init__.py") if one.exists())


def test_the_job_is_given_what_the_tool_imports_and_little_else() -> None:
    needed: set[Path] = set()
    new = {REPOSITORY / "scripts/transfer.py"}
    while new:
        needed |= new
        new = {other for file in new for other in imported(file)} - needed
    packages = {folder / "__init__.py" for file in needed for folder in file.parents if folder != REPOSITORY}
    needed |= {file for file in packages if REPOSITORY in file.parents and file.exists()}

    text = (REPOSITORY / "terraform/module/mlflow/backup.tf").read_text()
    [parts] = re.findall(r"backup_parts = \[(.*?)\]", text, re.DOTALL)
    given = set()
    for pattern in re.findall(r'"(.+)"', parts):
        folder, _, names = pattern.rpartition("/")
        # Python's globs have no alternatives.
        stems = re.fullmatch(r"\{(.+)\}\.py", names)
        for name in [f"{stem}.py" for stem in stems[1].split(",")] if stems else [names]:
            given |= set((REPOSITORY / folder).glob(name))
    assert needed <= given
    assert {file.parent.name for file in given - needed} <= {"transfer"}
