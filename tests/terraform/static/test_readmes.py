"""The Terraform in READMEs and docs is real: every block of it is planned."""

from tests.terraform.inventory import planned_resources
from tests.terraform.planning import REPOSITORY, Planner
from tests.terraform.readmes import READMES, blocks, root


def test_every_modules_readme_shows_how_to_call_it() -> None:
    modules = {file.parent for file in (REPOSITORY / "terraform/module").glob("*/variables.tf")}
    assert {file.parent for file in READMES if blocks(file)} >= modules


def test_all_blocks_are_planned(planner: Planner) -> None:
    planned = planned_resources(planner.plan("readmes"))
    assert [name for name in root()[1] if not any(address.startswith(f"module.{name}.") for address in planned)] == []
