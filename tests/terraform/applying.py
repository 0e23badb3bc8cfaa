"""An environment that is applied on a localaws of the test's own, with as few seconds as that can cost."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.deployed import Deployed
from tests.support.mirrored import quick_mirror
from tests.support.running import RunningLocalAws


class Environment:
    """Staging or prod, in its mirror. Its state is a file there, which Terraform writes after each resource."""

    def __init__(
        self, localaws: RunningLocalAws, name: str, without: dict[str, Any] | None = None, **variables: Any
    ) -> None:
        """Initialises the mirror.

        Args:
            without: more resources of the mlflow module, by type and name, that take too long.
            variables: on top of terraform.tfvars.
        """
        self.localaws = localaws
        self.name = name
        home = localaws.settings.home
        self.deployed = Deployed(name, local=True, environ=localaws.environ(LOCALAWS_HOME=str(home)))
        self.root = quick_mirror(localaws.settings, name, without, **variables)
        self.deployed.terraform("init")

    def write(self, name: str, content: Any) -> None:
        """Writes JSON into the root."""
        (self.root / name).write_text(json.dumps(content))

    def begin(self, output: Path, *arguments: str) -> "subprocess.Popen[str]":
        """Starts Terraform itself, without scripts/terraform.sh, in a process group of its own."""
        with output.open("w") as file:
            return subprocess.Popen(
                ["terraform", *arguments],
                cwd=self.root,
                env={**self.deployed.environ, "CHECKPOINT_DISABLE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def terraform(self, verb: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs Terraform itself to its end; both of its outputs are `stdout`."""
        output = self.root / f"{verb}.log"
        process = self.begin(output, verb, *arguments)
        process.wait(240)
        return subprocess.CompletedProcess(process.args, process.returncode, output.read_text())

    def apply(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Plans and applies, without the questions and refusals of `make apply`."""
        return self.terraform("apply", "-auto-approve", "-input=false", "-no-color", *arguments)

    def plan(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Plans; status 0 says that nothing is to be changed, 2 that something is."""
        return self.terraform("plan", "-detailed-exitcode", "-input=false", "-no-color", "-lock=false", *arguments)
