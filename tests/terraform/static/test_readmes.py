"""Every module's README shows how to call it. ../test_examples.py plans every block."""

from tests.terraform.planning import REPOSITORY
from tests.terraform.readmes import READMES, blocks


def test_every_modules_readme_shows_how_to_call_it() -> None:
    modules = {file.parent for file in (REPOSITORY / "terraform/module").glob("*/variables.tf")}
    assert {file.parent for file in READMES if blocks(file)} >= modules
