"""Bare git repositories below localaws's home: those of CodeCommit, and those that stand in for GitHub.

`git push HOME/repositories/NAME.git` is the local form of a push. A connection's repository OWNER/NAME is
`HOME/repositories/OWNER/NAME.git`; create it with `git init --bare`.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mlflow_common.safe_path import below

_SECONDS = 60
_HEADS = "refs/heads/"


class RepositoryError(Exception):
    """A repository, a branch or a commit does not exist, or git failed; the text is for people."""


@dataclass(frozen=True)
class Commit:
    """One commit. `author_date` is in ISO 8601."""

    id: str
    author: str
    author_date: str
    message: str


class Repositories:
    """The git repositories of one localaws."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where a repository is or would be.

        Raises:
            UnsafeNameError: the name would leave the folder.
        """
        return below(self._folder, f"{name}.git")

    def create(self, name: str) -> Path:
        """Make an empty bare repository, unless it exists."""
        path = self.path(name)
        path.mkdir(parents=True, exist_ok=True)
        _git(path, "init", "--quiet", "--bare", "--initial-branch=main", ".")
        return path

    def delete(self, name: str) -> None:
        """Delete a repository with its commits."""
        shutil.rmtree(self.path(name), ignore_errors=True)

    def names(self) -> list[str]:
        """The repositories that exist."""
        found = [*self._folder.glob("*.git"), *self._folder.glob("*/*.git")]
        return sorted(str(path.relative_to(self._folder)).removesuffix(".git") for path in found)

    def heads(self, name: str) -> dict[str, str]:
        """The commit of each branch. Reads git's files, because the watcher asks several times a second."""
        path = self.path(name)
        found: dict[str, str] = {}
        packed = path / "packed-refs"
        if packed.is_file():
            for line in packed.read_text().splitlines():
                commit, _, ref = line.partition(" ")
                if ref.startswith(_HEADS):
                    found[ref.removeprefix(_HEADS)] = commit
        folder = path / _HEADS
        for file in folder.rglob("*"):
            if file.suffix == ".lock" or not file.is_file():
                continue
            commit = file.read_text().strip()
            if commit:
                found[str(file.relative_to(folder))] = commit
        return found

    def head(self, name: str, branch: str) -> Commit:
        """The newest commit of a branch.

        Raises:
            RepositoryError: there is no such repository or branch.
        """
        path = self.path(name)
        if not path.is_dir():
            raise RepositoryError(f"there is no repository {path}")
        commit = self.heads(name).get(branch)
        if commit is None:
            raise RepositoryError(f"the repository {path} has no branch {branch}")
        answer = _git(path, "show", "--no-patch", "--format=%H%n%an%n%aI%n%B", commit).decode(errors="replace")
        found, author, date, message = answer.split("\n", 3)
        return Commit(found, author, date, message.strip())

    def archive(self, name: str, commit: str) -> bytes:
        """The files of a commit as a zip file.

        Raises:
            RepositoryError: there is no such commit.
        """
        # Callers of AWS choose the commit, and git would take an option for one.
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
        try:
            found = _git(self.path(name), *asked).decode().strip()
        except RepositoryError:
            raise RepositoryError(f"{name} has no commit {commit}") from None
        return _git(self.path(name), "archive", "--format=zip", found)


def _git(folder: Path, *arguments: str) -> bytes:
    # The caller may run inside a hook of another repository, whose variables would lead git there.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, check=False, timeout=_SECONDS
    )
    if done.returncode:
        raise RepositoryError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
