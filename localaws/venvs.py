"""Virtual environments made from a requirements file and cached by its hash. Built with uv, which takes seconds."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections import defaultdict
from pathlib import Path


class BuildError(Exception):
    """An environment could not be built; the text is uv's own last words."""


class Venvs:
    """Environments under one folder. An environment appears whole or not at all: it is built beside its place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def python(self, requirements: Path, python: str | None = None) -> Path:
        """The interpreter of the environment that holds `requirements`; builds it the first time.

        Args:
            requirements: a requirements file; one with hashes is installed with --require-hashes.
            python: the Python to use, as uv names it ("3.12", ">=3.11,<3.13"); this one's version by default.

        Raises:
            BuildError: a requirement cannot be installed, or no such Python is to be had.
        """
        text = requirements.read_bytes()
        wanted = python or f"{sys.version_info.major}.{sys.version_info.minor}"
        key = hashlib.sha256(b"\0".join([text, wanted.encode(), sys.platform.encode()])).hexdigest()[:16]
        environment = self._folder / key
        interpreter = environment / "bin" / "python"
        with self._locks[key]:
            if not interpreter.exists():
                self._build(environment, requirements, wanted, hashed=b"--hash=" in text)
        return interpreter

    def _build(self, environment: Path, requirements: Path, python: str, *, hashed: bool) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Built under a name of its own and renamed: two processes may build the same one at once.
        # uv's --relocatable keeps the programs in bin/ right after the rename.
        draft = environment.with_name(f"{environment.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            self._uv("venv", "--quiet", "--relocatable", "--python", python, draft)
            flags = ["--require-hashes"] if hashed else []
            self._uv("pip", "install", "--quiet", *flags, "--python", draft / "bin/python", "-r", requirements)
            try:
                draft.rename(environment)
            except OSError:
                if not environment.exists():
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _uv(self, *arguments: str | Path) -> None:
        program = Path(sysconfig.get_path("scripts")) / "uv"
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(done.stderr.strip())
