"""The smoke tests as a step of a proof: what counts as evidence."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_platform.proving.checks import smoke


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (None, "left no report in"),
        ("<testsuites>", "left no report in"),
        ("<testsuites/>", "has no results"),
        ('<testsuites><testsuite tests="2" skipped="2"/></testsuites>', "no smoke test ran: 2 tests, 2 skipped"),
    ],
)
def test_smoke_tests_that_did_not_run_prove_nothing(tmp_path: Path, report: str | None, message: str) -> None:
    if report is not None:
        (tmp_path / "smoke.xml").write_text(report)
    given: Any = SimpleNamespace(
        runner=SimpleNamespace(logs=tmp_path, run=lambda *_, **__: ""), environment="prove-ab12cd", local=True
    )
    with pytest.raises(PlatformError, match=message):
        smoke(given)


def test_the_counts_of_the_smoke_tests_are_evidence(tmp_path: Path) -> None:
    (tmp_path / "smoke.xml").write_text(
        '<testsuites><testsuite tests="7" failures="0" errors="0" skipped="1"/></testsuites>'
    )
    given: Any = SimpleNamespace(
        runner=SimpleNamespace(logs=tmp_path, run=lambda *_, **__: ""), environment="prove-ab12cd", local=True
    )
    assert smoke(given) == "7 tests, 0 failures, 0 errors, 1 skipped"
