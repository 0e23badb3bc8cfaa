"""The plans whose policies are evaluated. They are those of tests/terraform, created once per session."""

import pytest

from tests.policy.rendered import Rendered, rendered
from tests.policy.scenarios import ACCOUNT, REGION, SCENARIOS
from tests.terraform.conftest import planner
from tests.terraform.planning import Planner

__all__ = ["planner"]


@pytest.fixture(scope="session")
def environments(planner: Planner) -> dict[str, Rendered]:
    """The policies of every scenario, by its name."""
    return {
        name: rendered(dict(planner.plan(plan)), account=ACCOUNT, region=REGION) for name, plan in SCENARIOS.items()
    }
