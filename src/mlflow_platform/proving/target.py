"""What the checks of a proof work with: the environment, its outputs, AWS clients and the commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_common.errors import PlatformError
from mlflow_common.waiting import Clock, Progress
from mlflow_platform.environment import EnvironmentRef
from mlflow_platform.outputs import root_folder
from mlflow_platform.proving.commands import GRACE_MINUTES, TERRAFORM_GRACE_MINUTES, Runner, python


@dataclass
class Target:
    """The throw-away environment while it is proven.

    Attributes:
        environment: its name.
        stem: how the names of its resources begin.
        client: makes AWS clients by service.
        outputs: Terraform's outputs, once it is applied.
    """

    environment: str
    stem: str
    local: bool
    account: str
    region: str
    client: Callable[[str], Any]
    runner: Runner
    clock: Clock
    progress: Progress
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def server_names(self) -> list[str]:
        """The names of the tracking servers that Terraform made."""
        return [str(self.outputs["tracking_server_name"])] if self.outputs else []

    @property
    def options(self) -> list[str]:
        """The options that select the environment in a script."""
        return ["--env", self.environment, *(["--local"] if self.local else [])]

    def script(self, name: str, *arguments: str, minutes: float) -> dict[str, Any]:
        """Run a script with --json and return its result.

        Raises:
            PlatformError: it failed or printed no JSON.
        """
        text = self.runner.run(name, [*python(name, *arguments), *self.options, "--json"], minutes=minutes)
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            raise PlatformError(f"{name} did not print JSON") from None
        return found

    @property
    def root(self) -> Path:
        """The environment's Terraform root; on localaws its copy there."""
        return root_folder(EnvironmentRef(self.environment, self.local), self.runner.environ, self.runner.folder)

    def terraform(self, verb: str, *arguments: str, minutes: float, confirm: Sequence[str] = ()) -> str:
        """Run `scripts/terraform.sh ENV VERB` without questions. `confirm` are the names of what it may delete."""
        command = ["scripts/terraform.sh", self.environment, verb, *arguments]
        return self.runner.run(
            f"terraform-{verb}",
            command,
            minutes=minutes,
            grace=TERRAFORM_GRACE_MINUTES if verb in {"apply", "destroy"} else GRACE_MINUTES,
            LOCAL="1" if self.local else "",
            AUTO_APPROVE="1",
            CONFIRM=",".join(confirm),
        )
