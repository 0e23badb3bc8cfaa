"""A build's source in a git repository: which locations are known, and which permissions the role needs."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localaws.builds.checkout import Checkout
from localaws.builds.source import SourceError
from localaws.credentials import Credentials
from localaws.delivery.repositories import Repositories, RepositoryError
from localaws.errors import AwsError

ACCOUNT = "123456789012"
ROLE = Credentials("key", "secret")
CONNECTION = f"arn:aws:codeconnections:us-east-1:{ACCOUNT}:connection/11111111-2222-3333-4444-555555555555"
CODECOMMIT = {
    "type": "CODECOMMIT",
    "location": "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/models",
}
GITHUB = {
    "type": "GITHUB",
    "location": "https://github.com/acme/models.git",
    "auth": {"type": "CODECONNECTIONS", "resource": CONNECTION},
}


class Asked:
    """Allows everything but one action, and records what was asked."""

    def __init__(self, denied: str = "") -> None:
        self.denied = denied
        self.found: list[tuple[str, str]] = []

    def __call__(self, _: Credentials, action: str, resource: str) -> None:
        if action == self.denied:
            raise AwsError("AccessDeniedException", f"not authorized to perform: {action}")
        self.found.append((action, resource))


@pytest.fixture
def repositories(tmp_path: Path) -> Repositories:
    """Repositories `models` and `acme/models`, each with one commit on two branches."""
    made = Repositories(tmp_path / "repositories")
    work = tmp_path / "work"
    work.mkdir()
    (work / "word").write_text("hello")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    remotes = [str(made.create(name)) for name in ("models", "acme/models")]
    for command in (
        ["init", "-q", "-b", "main", "."],
        ["add", "-A"],
        [*author, "commit", "-q", "-m", "change"],
        *(["push", "-q", remote, "main", "main:other"] for remote in remotes),
    ):
        subprocess.run(["git", *command], cwd=work, env=environment, check=True)
    return made


def fetch(
    repositories: Repositories, folder: Path, asked: Asked, source: dict[str, Any], version: str = "main"
) -> Path:
    folder.mkdir(exist_ok=True)
    Checkout(repositories, ACCOUNT, asked).fetch({"source": source, "sourceVersion": version}, ROLE, folder)
    return folder


def test_codecommit_needs_the_right_to_pull(repositories: Repositories, tmp_path: Path) -> None:
    asked = Asked()
    assert (fetch(repositories, tmp_path / "a", asked, CODECOMMIT) / "word").read_text() == "hello"
    assert asked.found == [("codecommit:GitPull", f"arn:aws:codecommit:us-east-1:{ACCOUNT}:models")]
    with pytest.raises(AwsError, match="codecommit:GitPull"):
        fetch(repositories, tmp_path / "b", Asked("codecommit:GitPull"), CODECOMMIT)
    assert list((tmp_path / "b").iterdir()) == []


def test_github_needs_the_use_of_the_connection(repositories: Repositories, tmp_path: Path) -> None:
    asked = Asked()
    assert (fetch(repositories, tmp_path / "a", asked, GITHUB, "other") / "word").read_text() == "hello"
    assert asked.found == [
        ("codeconnections:GetConnection", CONNECTION),
        ("codeconnections:GetConnectionToken", CONNECTION),
    ]
    with pytest.raises(AwsError, match="GetConnectionToken"):
        fetch(repositories, tmp_path / "b", Asked("codeconnections:GetConnectionToken"), GITHUB)


def test_unknown_locations_and_versions_are_refused(repositories: Repositories, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"https://example\.com/models"):
        fetch(repositories, tmp_path / "a", Asked(), {"type": "GITHUB", "location": "https://example.com/models"})
    with pytest.raises(RepositoryError, match="missing"):
        fetch(repositories, tmp_path / "b", Asked(), CODECOMMIT, "missing")


def test_a_version_is_never_an_option_of_git(repositories: Repositories, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    with pytest.raises(RepositoryError, match="models has no commit --output"):
        fetch(repositories, tmp_path / "a", Asked(), CODECOMMIT, f"--output={kept}")
    assert kept.read_text() == "kept"
