"""Plans of the environments whose policies are judged; the plans are those of tests/plan, made once a session."""

import pytest

from tests.plan.conftest import planner
from tests.plan.planning import Planner
from tests.policy.rendered import Rendered, rendered
from tests.policy.scenarios import ACCOUNT, REGION, SCENARIOS

__all__ = ["planner"]


@pytest.fixture(scope="session")
def environments(planner: Planner) -> dict[str, Rendered]:
    """The policies of every scenario by its name."""
    return {
        name: rendered(planner.plan(scenario.root, **scenario.variables), account=ACCOUNT, region=REGION)
        for name, scenario in SCENARIOS.items()
    }
