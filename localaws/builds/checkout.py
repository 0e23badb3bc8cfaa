"""Gets a build's source from a git repository: CodeCommit, or the local stand-in for GitHub.

Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ProjectSource.html
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from localaws.builds.source import SourceError, unpack
from localaws.credentials import Credentials
from localaws.delivery.repositories import Repositories

REPOSITORIES = ("CODECOMMIT", "GITHUB")
_CODECOMMIT = re.compile(r"https://git-codecommit\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/v1/repos/([A-Za-z0-9._-]+)")
_GITHUB = re.compile(r"https://github\.com/([A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(?:\.git)?")

# Takes credentials, an action and the ARN of a resource; raises AwsError if the policies deny it.
Require = Callable[[Credentials, str, str], None]


class Checkout:
    """Copies the files of a branch or commit."""

    def __init__(self, repositories: Repositories, account: str, require: Require) -> None:
        self._repositories = repositories
        self._account = account
        self._require = require

    def fetch(self, project: Mapping[str, Any], credentials: Credentials, folder: Path) -> None:
        """Put the files of a project's source into a folder.

        Args:
            project: with a source of type CODECOMMIT or GITHUB; `sourceVersion` is a branch or a commit.
            credentials: of the project's role, which needs codecommit:GitPull, or the use of the connection.

        Raises:
            AwsError: the role may not read the repository.
            RepositoryError: there is no such repository or version.
            SourceError: localaws does not know the location.
        """
        source = project["source"]
        name = self._allowed(source, credentials)
        version = project.get("sourceVersion") or "main"
        commit = self._repositories.heads(name).get(version, version)
        archive = folder / ".source.zip"
        archive.write_bytes(self._repositories.archive(name, commit))
        unpack(archive, folder)
        archive.unlink()

    def _allowed(self, source: Mapping[str, Any], credentials: Credentials) -> str:
        location = source["location"]
        found = (_CODECOMMIT if source["type"] == "CODECOMMIT" else _GITHUB).fullmatch(location)
        if found is None:
            raise SourceError(f"localaws knows no repository at {location}")
        if source["type"] == "CODECOMMIT":
            region, name = found.groups()
            self._require(credentials, "codecommit:GitPull", f"arn:aws:codecommit:{region}:{self._account}:{name}")
            return name
        auth = source.get("auth") or {}
        if auth.get("type") == "CODECONNECTIONS":
            service = auth["resource"].split(":")[2]
            # https://docs.aws.amazon.com/codebuild/latest/userguide/connections-github-app.html
            for action in ("GetConnection", "GetConnectionToken"):
                self._require(credentials, f"{service}:{action}", auth["resource"])
        return found.group(1)
