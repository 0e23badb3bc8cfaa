"""Commands that must succeed."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def output(command: Sequence[str | Path], folder: Path, environ: Mapping[str, str]) -> str:
    """Run a command in a folder. Returns its standard output."""
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
