"""`scripts/release_notes.sh`: the notes of a release, if tag, project and changelog agree."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mlflow_platform.environment import REPOSITORY

CHANGELOG = """\
# Changelog

## Unreleased

- next

## 0.2.0 - 2026-12-01

### Added

- this

## 0.1.0 - 2026-11-01

- before
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts/release_notes.sh", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def notes(checkout: Path, tag: str) -> tuple[int, str, str]:
    command = ["scripts/release_notes.sh", tag]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_section_of_the_version_is_printed(checkout: Path) -> None:
    assert notes(checkout, "v0.2.0") == (0, "\n### Added\n\n- this\n", "")


@pytest.mark.parametrize(
    ("tag", "status", "line"),
    [
        ("0.2.0", 2, 'error: the tag "0.2.0" is not a version: use vMAJOR.MINOR.PATCH'),
        ("v0.2.0; touch x", 2, 'error: the tag "v0.2.0; touch x" is not a version: use vMAJOR.MINOR.PATCH'),
        ("v0.1.0", 1, "error: pyproject.toml has version 0.2.0, the tag 0.1.0: set the version, or move the tag"),
    ],
)
def test_rejects_a_tag_that_does_not_match(checkout: Path, tag: str, status: int, line: str) -> None:
    assert notes(checkout, tag) == (status, "", line + "\n")


def test_rejects_a_version_without_notes(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n- next\n\n## 0.2.0 - 2026-12-01\n\n## 0.1.0\n"
    )
    assert notes(checkout, "v0.2.0")[:2] == (1, "")


def test_the_changelog_of_this_project_has_a_section_for_the_next_release() -> None:
    assert "\n## Unreleased\n" in (REPOSITORY / "CHANGELOG.md").read_text()
