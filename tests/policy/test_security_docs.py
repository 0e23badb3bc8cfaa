"""The tables of docs/security.md match the current policies, and the tests that it names exist."""

import os
import re

from tests.policy.demo_calls import recorded
from tests.policy.matrix import with_tables
from tests.policy.rendered import Rendered
from tests.policy.test_least_privilege import REASONS
from tests.terraform.planning import REPOSITORY

PAGE = REPOSITORY / "docs" / "security.md"


def test_the_page_is_current(environments: dict[str, Rendered]) -> None:
    current = with_tables(PAGE.read_text(), environments["prod"], recorded(), REASONS)
    if os.environ.get("REWRITE"):
        PAGE.write_text(current)
    assert PAGE.read_text() == current, "run scripts/security_docs.py"


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(tests/[^`]+)`", PAGE.read_text()))
    assert len(named) > 10
    assert [path for path in sorted(named) if not (REPOSITORY / path).exists()] == []
