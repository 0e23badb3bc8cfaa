"""parliament over every policy that the plans know: nothing is found that has no written reason."""

import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.plan.planning import Planner
from tests.policy.rendered import rendered
from tests.policy.scenarios import ACCOUNT, REGION
from tests.static.excuses import Finding, excuses, unexplained, unused
from tests.static.plans import PLANS


@pytest.fixture(scope="module")
def policies(planner: Planner) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in PLANS:
        plan = planner.plan(name)
        found |= rendered(plan, account=ACCOUNT, region=REGION).documents()
    return found


@pytest.fixture(scope="module")
def findings(policies: dict[str, Any], checks: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    return parliament(checks, policies, tmp_path_factory.mktemp("parliament"))


def identity(document: dict[str, Any]) -> dict[str, Any]:
    """The policy as parliament reads one: as if it hung on an identity."""
    changed = deepcopy(document)
    for statement in changed["Statement"]:
        statement.pop("Principal", None)
        if "Resource" not in statement and "NotResource" not in statement:
            statement["Resource"] = "*"
    return changed


def parliament(checks: Path, policies: dict[str, Any], folder: Path) -> list[Finding]:
    names = dict(enumerate(policies))
    for number, name in names.items():
        (folder / f"{number}.json").write_text(json.dumps(identity(policies[name])))
    done = subprocess.run(
        [checks / "parliament", "--directory", folder, "--json"], capture_output=True, text=True, timeout=120
    )
    found: dict[str, Finding] = {}
    for line in done.stdout.splitlines():
        issue = json.loads(line)
        name = names[int(Path(issue["location"]["filepath"]).stem)]
        finding = {"issue": issue["issue"], "policy": name, "detail": str(issue["detail"])}
        found[json.dumps(finding)] = finding
    return list(found.values())


def test_the_policies_of_every_kind_are_looked_at(policies: dict[str, Any]) -> None:
    for kind in ("MLflowBasicAccess", "/trust", "StartAndStop", ":sqs:", ":sns:", ":kms:", "arn:aws:s3:::", "-writer"):
        assert any(kind in name for name in policies), kind


def test_nothing_is_found_that_has_no_reason(findings: list[Finding]) -> None:
    assert unexplained(findings, excuses("parliament")) == []


def test_no_reason_outlives_its_finding(findings: list[Finding]) -> None:
    assert unused(findings, excuses("parliament")) == []


def test_a_misspelled_action_is_found(checks: Path, tmp_path: Path) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::bucket/*"}
    found = parliament(checks, {"policy wrong": {"Version": "2012-10-17", "Statement": [statement]}}, tmp_path)
    assert [finding["issue"] for finding in unexplained(found, excuses("parliament"))] == ["UNKNOWN_ACTION"]
