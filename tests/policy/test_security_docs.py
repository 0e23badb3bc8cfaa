"""The tables of docs/security.md are those of the policies as they are."""

import os

from tests.policy.matrix import with_tables
from tests.policy.rendered import Rendered
from tests.policy.road import recorded
from tests.policy.test_least_privilege import REASONS
from tests.terraform.planning import REPOSITORY

PAGE = REPOSITORY / "docs" / "security.md"


def test_the_page_shows_what_the_policies_allow_and_deny(environments: dict[str, Rendered]) -> None:
    current = with_tables(PAGE.read_text(), environments["prod"], recorded(), REASONS)
    if os.environ.get("REWRITE"):
        PAGE.write_text(current)
    assert PAGE.read_text() == current, "run scripts/security_docs.py"
