"""The plans of the examples match their inventories, and the Terraform in READMEs and docs is real."""

import pytest

from tests.terraform.inventory import count_by_type, differences, inventory, outputs, planned_resources
from tests.terraform.planning import Planner
from tests.terraform.readmes import root

EXAMPLES = ["basic", "existing-bucket", "many-teams"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_matches_its_inventory(planner: Planner, name: str) -> None:
    found, expected = planned_resources(planner.plan(name)), inventory(name)
    assert list(differences(expected["values"], found)) == []
    assert count_by_type(list(found)) == expected["counts"]
    assert outputs(planner.plan(name)) == expected["outputs"]


def test_all_blocks_of_readmes_and_docs_are_planned(planner: Planner) -> None:
    planned = planned_resources(planner.plan("readmes"))
    assert [name for name in root()[1] if not any(address.startswith(f"module.{name}.") for address in planned)] == []
