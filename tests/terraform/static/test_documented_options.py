"""Every option of a script that the documents show exists."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import typer

from tests.terraform.planning import REPOSITORY
from tests.terraform.readmes import READMES
from tests.terraform.static.test_docs import CODE, name

# A command ends with its line, or with what a shell puts between two commands.
SCRIPT = re.compile(r"\bscripts/(\w+)\.py\b([^\n|;&)`]*)")
VERB = re.compile(r"(?<![\w-])make (?:-s )?([a-z][a-z-]+)[^\n`]*?\bARGS=(\"[^\"]*\"|'[^']*'|[^\s\"']+)")
RECIPE = re.compile(r"^([a-z-]+):[^\n]*\n((?:\t[^\n]*\n)+)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w=-])--[a-z][a-z-]*")


@cache
def scripts_of_make() -> dict[str, str]:
    """The script that each command of make runs; the last one gets ARGS."""
    recipes = RECIPE.findall((REPOSITORY / "Makefile").read_text())
    return {verb: found[-1] for verb, recipe in recipes if (found := re.findall(r"scripts/(\w+)\.py", recipe))}


@cache
def options(script: str) -> frozenset[str]:
    """The options of a script and of its commands."""
    command = typer.main.get_command(import_module(f"scripts.{script}").app)
    commands = [command, *getattr(command, "commands", {}).values()]
    return frozenset(
        option for one in commands for param in one.params for option in (*param.opts, *param.secondary_opts, "--help")
    )


def documented(file: Path) -> Iterator[tuple[str, str]]:
    """Each script and option in the code of a document."""
    for block, inline in CODE.findall(file.read_text()):
        code = re.sub(r"\\\n\s*", " ", block or inline)
        for script, rest in SCRIPT.findall(code):
            # What follows a comment sign belongs to no command.
            yield from ((script, option) for option in OPTION.findall(rest.partition(" # ")[0]))
        for verb, rest in VERB.findall(code):
            if verb in scripts_of_make():
                yield from ((scripts_of_make()[verb], option) for option in OPTION.findall(rest.strip("\"'")))


@pytest.mark.parametrize("file", READMES, ids=name)
def test_every_option_of_a_documented_command_exists(file: Path) -> None:
    unknown = {f"scripts/{script}.py {option}" for script, option in documented(file) if option not in options(script)}
    assert unknown == set()


def test_options_are_found_in_the_documents() -> None:
    found = {pair for file in READMES for pair in documented(file)}
    assert len({script for script, _ in found}) > 15
    assert ("deploy_model", "--rollback") in found
    assert ("sweep", "--param") in found
