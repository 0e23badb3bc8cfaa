"""Virtual environments, built with uv from a requirements file and cached by its hash."""

import hashlib
import os
import platform
import shutil
import sys
import sysconfig
import threading
from collections import defaultdict
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from localaws.processes import Run, lives, run_here

CLEANING_SECONDS = 10


class BuildError(Exception):
    """An environment could not be built. The message is uv's output."""


class Venvs:
    """Environments in one folder. Each is built under another name and renamed, so an incomplete one is never used."""

    def __init__(self, folder: Path, run: Run = run_here) -> None:
        """`run` runs uv: in this process group, or as a child that `Processes` can end."""
        self.run = run
        self._folder = folder
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def python(self, requirements: Path, python: str | None = None) -> Path:
        """The interpreter of the environment with these `requirements`, which the first call builds.

        Args:
            requirements: a requirements file; one with hashes is installed with --require-hashes.
            python: the Python to use, as uv names it ("3.12", ">=3.11,<3.13"); by default the running version.

        Raises:
            BuildError: a requirement cannot be installed, or there is no such Python.
            OSError: uv cannot be started.
        """
        text = requirements.read_bytes()
        wanted = python or f"{sys.version_info.major}.{sys.version_info.minor}"
        key = hashlib.sha256(b"\0".join([text, wanted.encode(), sys.platform.encode()])).hexdigest()[:16]
        environment = self._folder / key
        interpreter = environment / "bin" / "python"
        with self._locks[key]:
            if not interpreter.exists():
                # The running interpreter by its path: it may not be on the PATH, and uv would download another.
                chosen = sys.executable if _is_own(wanted) else wanted
                self._build(environment, requirements, chosen, hashed=b"--hash=" in text)
        return interpreter

    def close(self) -> None:
        """Waits until the drafts of interrupted builds are removed. End the building processes first."""
        for lock in list(self._locks.values()):
            lock.acquire(timeout=CLEANING_SECONDS)

    def _build(self, environment: Path, requirements: Path, python: str, *, hashed: bool) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Built under a unique name and renamed, because two processes may build the same environment at once.
        # uv's --relocatable keeps the programs in bin/ right after the rename.
        draft = environment.with_name(f"{environment.name}.{os.getpid()}")
        for left in self._folder.glob(f"{environment.name}.*"):
            if left == draft or not lives(int(left.suffix[1:])):
                shutil.rmtree(left, ignore_errors=True)
        name = f"build-{environment.name}"
        try:
            self._uv(name, "venv", "--quiet", "--relocatable", "--python", python, draft)
            flags = ["--require-hashes"] if hashed else []
            self._uv(name, "pip", "install", "--quiet", *flags, "--python", draft / "bin/python", "-r", requirements)
            try:
                draft.rename(environment)
            except OSError:
                if not environment.exists():
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _uv(self, name: str, *arguments: str | Path) -> None:
        program = Path(sysconfig.get_path("scripts")) / "uv"
        status, output = self.run(name, [program, *arguments])
        if status:
            raise BuildError(output or f"uv ended with {status}.")


def _is_own(wanted: str) -> bool:
    """Whether `wanted` ("3.12", ">=3.11,<3.13") allows the running Python."""
    try:
        allowed = SpecifierSet(wanted if wanted[:1] in "<>=~!" else f"=={wanted}.*")
    except InvalidSpecifier:
        return False
    return platform.python_version() in allowed
