"""What the static checks look at: the plans of the roots and examples, and programs in an environment of their own."""

import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from tests.terraform.conftest import planner
from tests.terraform.planning import REPOSITORY

__all__ = ["planner"]


@pytest.fixture(scope="session")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of checkov and parliament."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "checks.lock"):
        found = subprocess.run(
            [REPOSITORY / "scripts/checks.sh"], check=True, capture_output=True, text=True, timeout=300
        )
    return Path(found.stdout.strip())
