"""Everything that the documents refer to exists: files, headings, make commands, scripts."""

import re
from pathlib import Path

import pytest

from tests.terraform.planning import REPOSITORY
from tests.terraform.readmes import READMES

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
VERB = re.compile(r"(?<![\w-])make (?:-s )?([a-z][a-z-]+)")
SCRIPT = re.compile(r"\bscripts/\w+\.(?:py|sh)\b")
VERBS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)


def name(file: Path) -> str:
    return str(file.relative_to(REPOSITORY))


def anchors(file: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", READMES, ids=name)
def test_every_link_within_the_repository_has_a_target(file: Path) -> None:
    lost = []
    for path, anchor in LINK.findall(file.read_text()):
        target = (file.parent / path).resolve() if path else file
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            lost.append(f"{path}#{anchor}")
    assert lost == []


def test_every_page_is_listed_in_docs_and_every_decision_among_the_decisions() -> None:
    decisions = REPOSITORY / "docs/adr"
    linked = {
        (file.parent / path).resolve()
        for file in (REPOSITORY / "README.md", REPOSITORY / "docs/README.md", decisions / "README.md")
        for path, _ in LINK.findall(file.read_text())
        if path
    }
    pages = [file for file in READMES if file.is_relative_to(REPOSITORY / "docs")]
    assert len(pages) > 30
    assert [name(file) for file in pages if file not in linked] == []


@pytest.mark.parametrize("file", READMES, ids=name)
def test_every_command_of_make_and_every_script_exists(file: Path) -> None:
    code = "\n".join(block or inline for block, inline in CODE.findall(file.read_text()))
    assert {verb for verb in VERB.findall(code) if verb not in VERBS} == set()
    assert {script for script in SCRIPT.findall(file.read_text()) if not (REPOSITORY / script).is_file()} == set()


def test_the_runbook_has_a_section_for_every_known_problem() -> None:
    found = anchors(REPOSITORY / "docs/guides/runbook.md")
    assert {
        "day-one",
        "the-plan-wants-to-replace-a-server-that-is-fine",
        "the-server-exists-already",
        "the-state-is-locked",
        "a-server-stays-in-updating",
        "emptying-a-bucket",
        "the-key-is-gone",
        "rotating-a-key",
        "the-schedule-failed",
        "who-touched-this-artifact",
    } <= found
