"""Plans of the environments whose policies are judged; most are those of tests/plan, made once a session."""

import pytest
from filelock import FileLock

from tests.plan.conftest import planner
from tests.plan.planning import Planner
from tests.policy.rendered import Rendered, rendered
from tests.policy.scenarios import ACCOUNT, REGION, SCENARIOS, Scenario
from tests.running import LocalAws

__all__ = ["planner"]


@pytest.fixture(scope="session")
def environments(
    planner: Planner, tmp_path_factory: pytest.TempPathFactory, worker_id: str, localaws: LocalAws
) -> dict[str, Rendered]:
    """The policies of every scenario by its name."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "policy"
    shared.mkdir(exist_ok=True)
    # What is applied first leaves a state, which no other test's plan shall meet.
    apart = Planner(shared, localaws)
    return {
        name: rendered(_plan(apart if scenario.first else planner, scenario), account=ACCOUNT, region=REGION)
        for name, scenario in SCENARIOS.items()
    }


def _plan(planner: Planner, scenario: Scenario) -> dict[str, object]:
    if scenario.first:
        root = planner.initialised(scenario.root)
        done = planner.folder(scenario.root) / "first"
        with FileLock(f"{done}.lock"):
            if not done.exists():
                root.apply(targets=[scenario.first])
                done.touch()
    return dict(planner.plan(scenario.root, **scenario.variables))
