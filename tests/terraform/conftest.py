"""Real plans of the roots and examples, each made once a session, on a copy, against localaws."""

import pytest

from tests.support.running import RunningLocalAws
from tests.terraform.planning import Planner


@pytest.fixture(scope="session")
def planner(tmp_path_factory: pytest.TempPathFactory, worker_id: str, localaws: RunningLocalAws) -> Planner:
    """Plans by the name of a root or an example."""
    base = tmp_path_factory.getbasetemp()
    return Planner(base if worker_id == "master" else base.parent, localaws)
