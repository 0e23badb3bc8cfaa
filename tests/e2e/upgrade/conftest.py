"""An environment of MLflow 2.13 with a nightly backup, on its own localaws with IAM enforcement.

MLflow 2.13's own client fills it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from localaws import daemon
from localaws.settings import Settings
from localaws.tracking.releases import RELEASES, Releases
from localaws.venvs import Venvs
from tests.support.deployed import Deployed
from tests.support.mirrored import quick_mirror
from tests.support.running import RunningLocalAws, start

REPOSITORY = Path(__file__).resolve().parents[3]
RUNS = 24
# Neither the upgrade nor the backup needs the other optional resources, and every command plans them again.
INPUTS: dict[str, Any] = {
    "schedule": None,
    "notifications": None,
    "image_build": None,
    "backup": {"keep": 2, "schedule_expression": "cron(30 12 ? * MON-FRI *)"},
}


@dataclass
class Staging:
    """Staging on its own localaws, used through make."""

    localaws: RunningLocalAws
    deployed: Deployed
    plugin: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The mirror's root."""
        return self.localaws.settings.terraform / "mlflow/terraform/staging"

    @property
    def desired(self) -> dict[str, Any]:
        """The content of the versions file."""
        found: dict[str, Any] = json.loads((self.root / "versions.localaws.auto.tfvars.json").read_text())
        return found

    def make(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run make, and wait until it ends."""
        return subprocess.run(
            ["make", "--no-print-directory", *arguments, "LOCAL=1"],
            cwd=REPOSITORY,
            env=self.deployed.environ,
            capture_output=True,
            text=True,
            timeout=400,
        )

    def plan(self) -> "subprocess.CompletedProcess[str]":
        """Terraform's plan. Status 0 means no changes, and status 2 means changes."""
        return subprocess.run(
            ["terraform", f"-chdir={self.root}", "plan", "-detailed-exitcode", "-input=false", "-lock=false"],
            env={**self.deployed.environ, "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def result(self, *arguments: str) -> Any:
        """The JSON that make's script prints. The command has to succeed."""
        done = self.make(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def killed_when(self, moment: Callable[[], bool], *arguments: str) -> None:
        """Start make, and kill it and all its child processes when a condition is met."""
        process = subprocess.Popen(
            ["make", "--no-print-directory", *arguments, "LOCAL=1"],
            cwd=REPOSITORY,
            env=self.deployed.detached().environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        while not moment():
            if process.poll() is not None:
                assert process.stdout is not None
                raise AssertionError(f"make ended before it could be killed:\n{process.stdout.read()}")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def old_client(self, *arguments: str) -> None:
        """Run `old_client.py` with MLflow 2.13."""
        cache = Settings.from_environment(os.environ).cache
        python = Releases(Venvs(cache / "venvs"), cache / "servers").python(RELEASES["2.13"])
        done = subprocess.run(
            [python, Path(__file__).parent / "old_client.py", *arguments],
            env={**self.deployed.environ, "PYTHONPATH": str(self.plugin), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    folder = tmp_path_factory.mktemp("upgrade")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALAWS_ENFORCE_IAM", "1")
        localaws = start(folder / "home")
    found = Staging(
        localaws,
        Deployed("staging", local=True, environ=localaws.environ(LOCALAWS_HOME=str(folder / "home"))).attached(),
        _plugin(folder / "plugin"),
    )
    try:
        quick_mirror(localaws.settings, "staging", **INPUTS)
        found.deployed.terraform("apply", "-var", "mlflow_version=2.13")
        found.old_client("fill", found.deployed.outputs["mlflow_tracking_uri"], str(RUNS))
        del found.deployed.__dict__["outputs"]
        yield found
    finally:
        for process in found.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        daemon.down(localaws.settings)


def _plugin(folder: Path) -> Path:
    """A folder with only sagemaker-mlflow, for the old client: it is plain Python and works with every MLflow."""
    folder.mkdir()
    site = next(Path(path) for path in sys.path if (Path(path) / "sagemaker_mlflow").is_dir())
    for part in site.glob("sagemaker_mlflow*"):
        (folder / part.name).symlink_to(part)
    return folder
