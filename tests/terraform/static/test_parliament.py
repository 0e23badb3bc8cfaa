"""parliament over every policy that the plans know: nothing is found that has no written reason."""

import json
import re
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.policy.rendered import rendered
from tests.policy.scenarios import ACCOUNT, REGION
from tests.terraform.planning import REPOSITORY, Planner
from tests.terraform.static.excuses import Finding, excuses, unexplained, unused
from tests.terraform.static.plans import PLANS

Policies = list[tuple[str, dict[str, Any]]]
# parliament writes its arguments to a fixed file, which may belong to another user of the machine.
PROGRAM = """
import builtins, os, sys
from parliament import cli

def open_quietly(path, *mode):
    return builtins.open(os.devnull if path == "/tmp/parliament.log" else path, *mode)

cli.open = open_quietly
sys.exit(cli.main(sys.argv))
"""


@pytest.fixture(scope="module")
def policies(planner: Planner) -> Policies:
    """Every policy with its name; two plans may know one of the same name, which is looked at twice if it differs."""
    found = {}
    for plan in PLANS:
        for name, document in rendered(planner.plan(plan), account=ACCOUNT, region=REGION).documents().items():
            found[name, json.dumps(document)] = (name, document)
    return list(found.values())


@pytest.fixture(scope="module")
def findings(policies: Policies, checks: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    return parliament(checks, policies, tmp_path_factory.mktemp("parliament"))


def identity(document: dict[str, Any]) -> dict[str, Any]:
    """The policy as parliament reads one: as if it hung on an identity."""
    changed = deepcopy(document)
    for statement in changed["Statement"]:
        statement.pop("Principal", None)
        if "Resource" not in statement and "NotResource" not in statement:
            statement["Resource"] = "*"
    return changed


def parliament(checks: Path, policies: Policies, folder: Path) -> list[Finding]:
    for number, (_, document) in enumerate(policies):
        (folder / f"{number}.json").write_text(json.dumps(identity(document)))
    done = subprocess.run(
        [checks / "python", "-c", PROGRAM, "--directory", folder, "--json"], capture_output=True, text=True, timeout=300
    )
    # Its exit status says whether it found anything.
    assert "Traceback" not in done.stderr, done.stderr
    found: dict[str, Finding] = {}
    for line in done.stdout.splitlines():
        issue = json.loads(line)
        name, _ = policies[int(Path(issue["location"]["filepath"]).stem)]
        finding = {"issue": issue["issue"], "policy": name, "detail": str(issue["detail"])}
        found[json.dumps(finding)] = finding
    return list(found.values())


def test_the_statements_of_every_module_are_looked_at(policies: Policies) -> None:
    written = {
        statement
        for file in (REPOSITORY / "terraform/module").glob("*/*.tf")
        for statement in re.findall(r'^ +sid += "(\w+)"$', file.read_text(), re.MULTILINE)
    }
    found = {statement["Sid"] for _, document in policies for statement in document["Statement"] if "Sid" in statement}
    assert written - found == set()


def test_nothing_is_found_that_has_no_reason(findings: list[Finding]) -> None:
    assert unexplained(findings, excuses("parliament")) == []


def test_no_reason_outlives_its_finding(findings: list[Finding]) -> None:
    assert unused(findings, excuses("parliament")) == []


def test_a_misspelled_action_is_found(checks: Path, tmp_path: Path) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::bucket/*"}
    found = parliament(checks, [("policy wrong", {"Version": "2012-10-17", "Statement": [statement]})], tmp_path)
    assert [finding["issue"] for finding in unexplained(found, excuses("parliament"))] == ["UNKNOWN_ACTION"]
