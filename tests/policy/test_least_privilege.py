"""Least privilege: needed permissions are allowed, others are denied, and no statement is superfluous."""

from collections.abc import Iterator
from copy import deepcopy
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from tests.policy.demo_calls import recorded
from tests.policy.harness import failures, granted, needed, refused
from tests.policy.judging import CLIENTS, ROLES, has, names
from tests.policy.operations_expectations import OPERATIONS_REDUNDANT
from tests.policy.rendered import Document, Rendered
from tests.policy.scenarios import SCENARIOS

# The policies of the training pipeline, of the delivery and against deletion, whose mutants are in
# test_optional_roles.py, test_delivery_roles.py and test_deletion_protection.py.
PROVEN_APART = ("-pipeline-role/", "-pipeline-runner", "-delivery-", "-deletion-protection")
REASONS = yaml.safe_load((Path(__file__).parent / "unexercised.yaml").read_text())


@pytest.fixture(params=SCENARIOS)
def environment(request: pytest.FixtureRequest, environments: dict[str, Rendered]) -> Rendered:
    return environments[request.param]


def test_needed_permissions_are_allowed(environment: Rendered) -> None:
    assert [str(judged) for judged in needed(environment, recorded()) if not judged.decision.allowed] == []


def test_other_permissions_are_denied(environment: Rendered) -> None:
    assert [str(judged) for judged in refused(environment) if judged.decision.allowed] == []


def test_requests_without_tls_are_explicitly_denied_even_to_administrators(environment: Rendered) -> None:
    without = [judged for judged in refused(environment) if judged.title == "Call without TLS"]
    assert without
    assert all(judged.decision.explicit for judged in without)


def test_policies_unknown_in_one_plan_are_evaluated_in_another(environments: dict[str, Rendered]) -> None:
    known = {address for environment in environments.values() for address in environment.known}
    unknown = {address for environment in environments.values() for address in environment.unknown}
    assert unknown - known == set()


def mutants(environment: Rendered) -> Iterator[tuple[str, Rendered, Document]]:
    """The environment with one statement removed, without its conditions, or on every resource; and the policy."""
    for name, document in environment.documents().items():
        if any(part in name for part in PROVEN_APART):
            continue
        for number, statement in enumerate(document["Statement"]):
            for change in ("without", "unconditional", "on every resource"):
                changed = deepcopy(document["Statement"])
                if change == "without":
                    del changed[number]
                elif change == "unconditional" and "Condition" in statement:
                    del changed[number]["Condition"]
                elif (
                    change == "on every resource"
                    and statement.get("Resource", "*") != "*"
                    and statement["Effect"] == "Allow"
                ):
                    changed[number]["Resource"] = "*"
                else:
                    continue
                sid = statement.get("Sid", number)
                policy = {**document, "Statement": changed}
                yield f"{_general(environment, name)}/{sid} {change}", _with(environment, document, policy), policy


def test_removing_or_widening_any_statement_is_detected(environments: dict[str, Rendered]) -> None:
    recording = recorded()
    caught: dict[str, bool] = {}
    for environment in environments.values():
        for name, mutant, changed in mutants(environment):
            if not caught.get(name):  # It is sufficient that one environment detects it.
                caught[name] = next(failures(mutant, recording, changed), None) is not None
    assert len(caught) > len(OPERATIONS_REDUNDANT)
    assert {name for name, noticed in caught.items() if not noticed} == set(OPERATIONS_REDUNDANT)


@pytest.mark.parametrize("subject", [*ROLES, *CLIENTS])
def test_every_granted_action_is_needed_or_has_a_reason(environments: dict[str, Rendered], subject: str) -> None:
    environment = next(found for found in (environments["prod"], *environments.values()) if has(found, subject))
    exercised = {judged.ask.action for judged in needed(environment, recorded()) if judged.subject == subject}
    idle = granted(environment, subject) - exercised
    reasons = REASONS.get(subject, {})
    assert [action for action in sorted(idle) if not any(fnmatchcase(action, pattern) for pattern in reasons)] == []
    assert [pattern for pattern in reasons if not any(fnmatchcase(action, pattern) for action in idle)] == []


def _with(environment: Rendered, document: Document, changed: Document) -> Rendered:
    """A copy of the environment in which one document is replaced. It shares the other documents."""
    kept = {id(other): other for other in environment.documents().values()}
    return deepcopy(environment, kept | {id(document): changed})


def _general(environment: Rendered, name: str) -> str:
    """A document's name, the same in every environment."""
    own = {"bucket": environment.names["aws_s3_bucket"], "name": names(environment)["name"], "key": environment.key}
    for general, value in own.items():
        name = name.replace(value, f"{{{general}}}") if value else name
    return name
