"""`scripts/secrets.sh`: a secret in a tracked or staged file is found and named; a user's own files are not read."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mlflow_platform.environment import REPOSITORY

# Split into two parts, so that the check does not find it here.
SECRET = "aws_key = 'AKIAZ7QH3LM" + "NOP4XYZ12'\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git repository that has the script, with the tools of this one."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "tools").mkdir()
    for name in ("scripts/secrets.sh", "scripts/checks.sh", "tools/secrets.lock", "tools/secrets.baseline"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for name in (".cache", ".venv"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / ".gitignore").write_text(".cache\n.venv\nignored.txt\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    return tmp_path


def git(checkout: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=checkout, check=True, capture_output=True, timeout=300)


def secrets(checkout: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["scripts/secrets.sh"], cwd=checkout, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_untracked_and_ignored_files_are_not_read(checkout: Path) -> None:
    (checkout / "debug log.txt").write_text(SECRET)
    (checkout / "ignored.txt").write_text(SECRET)
    assert secrets(checkout) == (0, "")


@pytest.mark.parametrize("name", ["notes.txt", "deep/two words.py"])
def test_a_secret_in_a_staged_file_is_named_in_one_line(checkout: Path, name: str) -> None:
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("first = 1\n" + SECRET)
    git(checkout, "add", ".")
    status, message = secrets(checkout)
    assert status == 1
    [line] = message.splitlines()
    assert line.startswith(f"secrets: this looks like a secret: {name}:2. Remove it.")


def test_a_tracked_file_that_was_deleted_is_skipped(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("nothing\n")
    git(checkout, "add", ".")
    (checkout / "notes.txt").unlink()
    assert secrets(checkout) == (0, "")


def test_a_file_that_was_found_clean_is_read_again_after_a_change(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("nothing\n")
    git(checkout, "add", ".")
    assert secrets(checkout) == (0, "")
    (checkout / "notes.txt").write_text(SECRET)
    assert secrets(checkout)[0] == 1
    assert secrets(checkout)[0] == 1


def test_a_file_whose_name_has_a_line_break_is_read(checkout: Path) -> None:
    assert secrets(checkout) == (0, "")
    (checkout / "two\nlines.txt").write_text(SECRET)
    git(checkout, "add", ".")
    assert secrets(checkout)[0] == 1
