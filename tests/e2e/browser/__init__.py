"""A browser for tests: playwright-core with Debian's Chromium. Installed on first use; runs in a separate process."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.npm import UnavailableError, install

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", ".npmrc", "browse.mjs")


class Browser:
    """Opens pages in Chromium."""

    def __init__(self, folder: Path, chromium: str) -> None:
        self._folder, self._chromium = folder, chromium

    @classmethod
    def installed(cls) -> "Browser":
        """Install its driver below `.cache/`, once for each version of the lock file.

        Raises:
            UnavailableError: no Chromium, node or npm, or the driver cannot be fetched.
        """
        chromium = shutil.which("chromium")
        if chromium is None:
            raise UnavailableError("chromium is not installed (apt install chromium)")
        return cls(install("browser", HERE, FILES), chromium)

    def open(self, link: str, pages: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
        """Open a presigned link and then the pages, and save their screenshots in a folder."""
        given = {"link": link, "chromium": self._chromium, "folder": str(folder), "seconds": 300, "pages": pages}
        done = subprocess.run(
            ["node", "browse.mjs"],
            cwd=self._folder,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"the browser failed:\n{done.stderr}")
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found
