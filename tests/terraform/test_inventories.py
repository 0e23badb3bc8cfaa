"""What each root and example would create, against its inventory."""

import pytest

from tests.terraform.inventory import count_by_type, differences, inventory, outputs, planned_resources
from tests.terraform.planning import Planner

NAMES = ["staging", "prod", "basic", "existing-bucket", "enhanced-security", "private-access"]


@pytest.mark.parametrize("name", NAMES)
def test_the_planned_values_are_those_of_the_inventory(planner: Planner, name: str) -> None:
    found = planned_resources(planner.plan(name))
    assert list(differences(inventory(name)["values"], found)) == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_planned_beside_what_the_inventory_counts(planner: Planner, name: str) -> None:
    assert count_by_type(list(planned_resources(planner.plan(name)))) == inventory(name)["counts"]


@pytest.mark.parametrize("name", NAMES)
def test_the_outputs_are_those_of_the_inventory(planner: Planner, name: str) -> None:
    assert outputs(planner.plan(name)) == inventory(name)["outputs"]
