"""checkov over the plans: nothing is found that has no written reason."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.terraform.planning import Planner
from tests.terraform.static.excuses import Finding, excuses, unexplained, unused
from tests.terraform.static.plans import PLANS


@pytest.fixture(scope="module")
def findings(planner: Planner, checks: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    folder = tmp_path_factory.mktemp("checkov")
    files = []
    for name in PLANS:
        file = folder / f"{name}.json"
        file.write_text(json.dumps(dict(planner.plan(name))))
        files += ["--file", str(file)]
    return checkov(checks, *files)


def checkov(checks: Path, *files: str) -> list[Finding]:
    options = ["--framework", "terraform_plan", "--skip-download", "--quiet", "--compact", "--output", "json"]
    done = subprocess.run([checks / "checkov", *files, *options], capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    reports = found if isinstance(found, list) else [found]
    assert sum(report["summary"]["parsing_errors"] for report in reports) == 0
    return [
        {"check": failed["check_id"], "resource": failed["resource"]}
        for report in reports
        for failed in report["results"]["failed_checks"]
    ]


def test_nothing_is_found_that_has_no_reason(findings: list[Finding]) -> None:
    assert unexplained(findings, excuses("checkov")) == []


def test_no_reason_outlives_its_finding(findings: list[Finding]) -> None:
    assert unused(findings, excuses("checkov")) == []


def test_every_entry_says_what_where_and_why() -> None:
    for excuse in excuses("checkov"):
        assert excuse.keys() == {"check", "resource", "reason"}
        assert len(excuse["reason"].split()) > 5
