"""A state bucket on localaws, created by `make bootstrap` from a copy of this checkout."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mlflow_platform.bootstrap import DRAFT, MODULE, ROOT, Bootstrap
from scripts.bootstrap import Terraform
from tests.support.running import RunningLocalAws
from tests.terraform.planning import REPOSITORY

NAME = "bootstrap-states"
# The provider waits a minute for new lifecycle rules to be stable, so tests/terraform checks them instead.
QUICK = 'resource "aws_s3_bucket_lifecycle_configuration" "states" {\n  count = 0\n}\n'


class CutShortError(Exception):
    """Raised to interrupt a bootstrap."""


class Checkout:
    """A copy of the files that a bootstrap uses."""

    def __init__(self, folder: Path, localaws: RunningLocalAws) -> None:
        self.folder = folder
        self.terraform = Terraform(localaws.environ())
        self.progress: list[str] = []
        for part in (ROOT, MODULE):
            shutil.copytree(REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns(".terraform", "tests"))
        (folder / MODULE / "quick_override.tf").write_text(QUICK)
        variables = folder / ROOT / "terraform.tfvars"
        variables.write_text(f'bucket_name = "{NAME}"\n' + variables.read_text())
        for environment in ("staging", "prod"):
            (folder / "mlflow/terraform" / environment).mkdir(parents=True)
            (folder / "mlflow/terraform" / environment / "main.tf").touch()

    def bootstrap(self, *, interrupted: bool = False) -> dict[str, str]:
        """`make bootstrap`, with everything approved; interrupted as soon as the bucket exists."""

        def run(folder: Path, arguments: list[str], capture: bool) -> "subprocess.CompletedProcess[str]":
            if interrupted and self.bucket_made(folder):
                raise CutShortError
            return self.terraform(folder, arguments, capture)

        return Bootstrap(self.folder, run, lambda _: None, self.progress.append)()

    def bucket_made(self, folder: Path) -> bool:
        """Whether the draft has been applied."""
        return folder == self.folder / ROOT and (self.folder / DRAFT / ROOT / "terraform.tfstate").exists()

    def backend(self, environment: str) -> Path:
        """An environment's backend.hcl."""
        return self.folder / "mlflow/terraform" / environment / "backend.hcl"


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory, localaws: RunningLocalAws) -> Checkout:
    """A checkout whose first bootstrap was interrupted and whose second one completed."""
    made = Checkout(tmp_path_factory.mktemp("checkout"), localaws)
    with pytest.raises(CutShortError):
        made.bootstrap(interrupted=True)
    assert made.bootstrap() == {"prod": "written", "staging": "written"}
    return made
