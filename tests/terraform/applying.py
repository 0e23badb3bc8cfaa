"""An environment that a test applies on its own localaws, without the slow resources."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.deployed import Deployed
from tests.support.mirrored import quick_mirror
from tests.support.running import RunningLocalAws


class Environment:
    """Staging or prod in its mirror. The state is a file there, which Terraform writes after each resource."""

    def __init__(
        self, localaws: RunningLocalAws, name: str, without: dict[str, Any] | None = None, **variables: Any
    ) -> None:
        """Initialises the mirror.

        Args:
            without: more slow resources of the mlflow module to leave out, by type and name.
            variables: inputs in addition to terraform.tfvars.
        """
        self.localaws = localaws
        self.name = name
        home = localaws.settings.home
        deployed = Deployed(name, local=True, environ=localaws.environ(LOCALAWS_HOME=str(home)))
        self.root = quick_mirror(localaws.settings, name, without, **variables)
        deployed.terraform("init")
        self.deployed = deployed.attached()

    def write(self, name: str, content: Any) -> None:
        """Writes JSON into the root."""
        (self.root / name).write_text(json.dumps(content))

    def begin(self, output: Path, *arguments: str) -> "subprocess.Popen[str]":
        """Starts Terraform itself, without scripts/terraform.sh, in one process group with its provider."""
        return self._begin(self.deployed.detached(), output, arguments)

    def terraform(self, verb: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs Terraform itself to its end. `stdout` contains both of its outputs."""
        output = self.root / f"{verb}.log"
        process = self._begin(self.deployed, output, (verb, *arguments))
        process.wait(600)
        return subprocess.CompletedProcess(process.args, process.returncode, output.read_text())

    def apply(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Plans and applies without the checks of `make apply`."""
        return self.terraform("apply", "-auto-approve", "-input=false", "-no-color", *arguments)

    def plan(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Plans. Exit status 0 means no changes, and 2 means changes."""
        return self.terraform("plan", "-detailed-exitcode", "-input=false", "-no-color", "-lock=false", *arguments)

    def _begin(self, deployed: Deployed, output: Path, arguments: Sequence[str]) -> "subprocess.Popen[str]":
        with output.open("w") as file:
            return subprocess.Popen(
                ["terraform", *arguments],
                cwd=self.root,
                env={**deployed.environ, "CHECKPOINT_DISABLE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
