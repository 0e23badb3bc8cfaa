"""CI's comments and issues on GitHub, through the program `gh`: one per environment, found again by its marker."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_common.errors import PlatformError

# Runs `gh` with these arguments and this standard input, and returns its output. It raises PlatformError if `gh` fails.
Gh = Callable[[Sequence[str], str], str]


@dataclass(frozen=True)
class GitHub:
    """One repository, as `OWNER/NAME`."""

    repository: str
    gh: Gh

    def comment(self, number: int, marker: str, body: str) -> str:
        """Create the comment with the marker on a pull request, or update it. Returns "created" or "updated"."""
        path = f"repos/{self.repository}/issues/{number}/comments"
        found = [one for one in self._all(f"{path}?per_page=100") if self._is_own(one, marker)]
        if found:
            self._send("PATCH", f"repos/{self.repository}/issues/comments/{found[0]['id']}", {"body": body})
            return "updated"
        self._send("POST", path, {"body": body})
        return "created"

    def open_issue(self, marker: str, title: str, body: str) -> str:
        """Create the open issue with the marker, or update it. Returns "created" or "updated"."""
        found = self._open_issues(marker)
        if found:
            number = found[0]["number"]
            self._send("PATCH", f"repos/{self.repository}/issues/{number}", {"title": title, "body": body})
            return "updated"
        self._send("POST", f"repos/{self.repository}/issues", {"title": title, "body": body})
        return "created"

    def close_issues(self, marker: str) -> int:
        """Close the open issues with the marker. Returns their number."""
        found = self._open_issues(marker)
        for issue in found:
            path = f"repos/{self.repository}/issues/{issue['number']}"
            self._send("PATCH", path, {"state": "closed", "state_reason": "completed"})
        return len(found)

    def _open_issues(self, marker: str) -> list[dict[str, Any]]:
        found = self._all(f"repos/{self.repository}/issues?state=open&per_page=100")
        return [one for one in found if self._is_own(one, marker) and "pull_request" not in one]

    @staticmethod
    def _is_own(found: dict[str, Any], marker: str) -> bool:
        """Whether a workflow wrote it. Everybody can write a comment that begins with the marker."""
        author = found.get("user") or {}
        return author.get("type") == "Bot" and str(found.get("body") or "").startswith(marker)

    def _all(self, path: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        output = self.gh(["api", "--paginate", "--slurp", path], "")
        try:
            pages = json.loads(output)
        except ValueError:
            raise PlatformError(f"gh api {path} did not answer with JSON. Update gh to 2.48 or later.") from None
        return [one for page in pages for one in page]

    def _send(self, method: str, path: str, content: dict[str, Any]) -> None:
        self.gh(["api", "--method", method, path, "--input", "-"], json.dumps(content))
