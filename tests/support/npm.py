"""Installs npm packages that tests run as separate processes."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

REPOSITORY = Path(__file__).resolve().parents[2]


class UnavailableError(Exception):
    """What a test runs is not available here."""


def install(name: str, source: Path, files: Sequence[str]) -> Path:
    """Install packages below `.cache/NAME`, once for each content of the files.

    Args:
        source: the folder of the files.
        files: package.json, its lock file, npm's settings, and the program.

    Returns:
        The folder with the files and `node_modules`.

    Raises:
        UnavailableError: no node or npm, or the packages cannot be fetched.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is not installed")
    folder = REPOSITORY / ".cache" / name
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        current = all(
            (folder / file).exists() and (folder / file).read_bytes() == (source / file).read_bytes() for file in files
        )
        if not (current and (folder / "node_modules").exists()):
            for file in files:
                shutil.copy(source / file, folder / file)
            done = subprocess.run(
                ["npm", "ci", "--silent"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode:
                (folder / "package.json").unlink()
                raise UnavailableError(f"npm ci failed: {done.stderr.strip()[-200:]}")
    return folder
