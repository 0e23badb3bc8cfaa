"""Notices pushes: compares the branches of all repositories with what they were."""

import logging
import threading
from collections.abc import Callable

from localaws.delivery.repositories import Repositories

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.5

# Takes the repository, the branch, its former commit or None, and its new commit.
Pushed = Callable[[str, str, str | None, str], None]


class Watcher:
    """Calls `pushed` for each branch that moved. Commits that exist at the start are not pushes."""

    def __init__(self, repositories: Repositories, pushed: Pushed) -> None:
        self._repositories = repositories
        self._pushed = pushed
        self._stop = threading.Event()
        self._heads = self._all()
        self._thread = threading.Thread(target=self._watch, name="pushes", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def look(self) -> None:
        """Compare once."""
        now = self._all()
        for (repository, branch), commit in now.items():
            before = self._heads.get((repository, branch))
            if before != commit:
                self._pushed(repository, branch, before, commit)
        self._heads = now

    def _all(self) -> dict[tuple[str, str], str]:
        return {
            (name, branch): commit
            for name in self._repositories.names()
            for branch, commit in self._repositories.heads(name).items()
        }

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            try:
                self.look()
            except OSError as error:  # A repository that is being deleted.
                log.warning("The repositories cannot be read: %s", error)
