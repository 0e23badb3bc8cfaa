"""The plans that are checked leave nothing out."""

import json
import re

from tests.terraform.inventory import planned_resources
from tests.terraform.planning import Planner
from tests.terraform.static.plans import PLANS
from tests.terraform.static.test_variables import MODULES, blocks


def test_every_resource_of_every_module_is_in_a_plan(planner: Planner) -> None:
    written = {
        f"module.{module.name.replace('-', '_')}.{kind}.{json.loads(name)}"
        for module in MODULES
        for kind, named in blocks(module, "resource")
        for name in named
    }
    addresses = [address for plan in PLANS for address in planned_resources(planner.plan(plan))]
    planned = {re.sub(r"^module\.platform\.|\[.*\]", "", address) for address in addresses}
    assert written - planned == set()
