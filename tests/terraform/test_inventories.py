"""The plans of the roots and of two examples match their inventories. Those of the others: test_examples.py."""

import pytest

from tests.terraform.inventory import count_by_type, differences, inventory, outputs, planned_resources
from tests.terraform.planning import Planner

NAMES = ["staging", "prod", "enhanced-security", "private-access"]


@pytest.mark.parametrize("name", NAMES)
def test_planned_values_match_the_inventory(planner: Planner, name: str) -> None:
    found = planned_resources(planner.plan(name))
    assert list(differences(inventory(name)["values"], found)) == []


@pytest.mark.parametrize("name", NAMES)
def test_planned_resource_counts_match_the_inventory(planner: Planner, name: str) -> None:
    assert count_by_type(list(planned_resources(planner.plan(name)))) == inventory(name)["counts"]


@pytest.mark.parametrize("name", NAMES)
def test_outputs_match_the_inventory(planner: Planner, name: str) -> None:
    assert outputs(planner.plan(name)) == inventory(name)["outputs"]
