"""Findings that are left as they are, each with its written reason."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from tests.terraform.planning import REPOSITORY

Finding = Mapping[str, str]


def excuses(name: str) -> list[dict[str, str]]:
    """The entries of `tools/NAME.yaml`."""
    found: list[dict[str, str]] = yaml.safe_load((Path(REPOSITORY) / "tools" / f"{name}.yaml").read_text())
    return found


def matches(excuse: Mapping[str, str], finding: Finding) -> bool:
    """Whether an entry is about a finding: each of its patterns but the reason fits."""
    return all(fnmatchcase(finding[key], pattern) for key, pattern in excuse.items() if key != "reason")


def unexplained(found: Iterable[Finding], given: list[dict[str, str]]) -> list[Finding]:
    """The findings without a reason."""
    return [finding for finding in found if not any(matches(excuse, finding) for excuse in given)]


def unused(found: Iterable[Finding], given: list[dict[str, str]]) -> list[dict[str, str]]:
    """The entries that excuse nothing."""
    listed = list(found)
    return [excuse for excuse in given if not any(matches(excuse, finding) for finding in listed)]
