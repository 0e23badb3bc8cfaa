"""The policies of the VPC endpoints and of the state bucket: expected decisions, and no superfluous parts."""

import pytest

from tests.policy.guards import GUARDS, Guard, mutants
from tests.policy.rendered import Document, Rendered, rendered
from tests.policy.scenarios import ACCOUNT, GUARDED, REGION
from tests.terraform.planning import Planner


@pytest.fixture(scope="session")
def guarded(planner: Planner) -> dict[str, Rendered]:
    """The policies of every plan that contains a guard."""
    return {name: rendered(planner.plan(plan), account=ACCOUNT, region=REGION) for name, plan in GUARDED.items()}


@pytest.fixture(params=GUARDS, ids=lambda guard: f"{guard.scenario}: {guard.on.rsplit('-', 1)[-1]}")
def guard(request: pytest.FixtureRequest) -> Guard:
    found: Guard = request.param
    return found


@pytest.fixture
def policy(guard: Guard, guarded: dict[str, Rendered]) -> Document:
    return guarded[guard.scenario].resources[guard.on]


def test_allows_and_denies_the_expected_requests(guard: Guard, policy: Document) -> None:
    assert list(guard.wrong(policy)) == []


def test_removing_or_widening_any_part_is_detected(guard: Guard, policy: Document) -> None:
    changed = dict(mutants(policy))
    assert len(changed) > len(policy["Statement"])
    assert [name for name, mutant in changed.items() if not any(guard.wrong(mutant))] == []


def test_covers_every_endpoint(guarded: dict[str, Rendered]) -> None:
    endpoints = {arn for arn in guarded["private access"].resources if ":vpc-endpoint/" in arn}
    assert endpoints == {guard.on for guard in GUARDS if guard.scenario == "private access"}
