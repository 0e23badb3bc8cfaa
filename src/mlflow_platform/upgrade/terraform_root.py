"""The Terraform root of an environment: applied, and repaired after an interrupted apply."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import NOT_READY, WRONG_INPUT, InputError, PlatformError, PreconditionError
from mlflow_common.waiting import Clock, Progress, wait_for
from mlflow_platform.environment import REPOSITORY, former_stores
from mlflow_platform.localaws_client import localaws_home
from mlflow_platform.plan_guard.changes import SERVER
from mlflow_platform.tracking_server import CHANGING, ServerDescription, find
from mlflow_platform.upgrade.versions import FILE, LOCAL_FILE, Desired, Servers

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

# Terraform goes on if the process that started it is killed. Creating a server takes up to 25 minutes.
_LOCK_TIMEOUT = "-lock-timeout=30m"
_TIMEOUT = 45 * 60.0


@dataclass(frozen=True)
class StateServer:
    """A tracking server in Terraform's state. `place` is the address of its resource."""

    place: str
    version: str
    arn: str
    artifact_store: str
    tainted: bool

    @property
    def address(self) -> str:
        """The address of the instance."""
        return f"{self.place}[{json.dumps(self.version)}]"


class Root:
    """The root of an environment, or its mirror for localaws."""

    def __init__(
        self,
        name: str,
        *,
        local: bool,
        environ: Mapping[str, str],
        repository: Path = REPOSITORY,
    ) -> None:
        self.name, self.local = name, local
        self._environ = environ
        self._repository = repository
        home = localaws_home(environ, repository)
        self.folder = (home / "terraform" if local else repository) / "mlflow/terraform" / name
        self.memory = (home if local else repository / ".cache") / "upgrade" / name
        self.file = self.folder / (LOCAL_FILE if local else FILE)
        self._shown: dict[str, Any] | None = None

    @property
    def options(self) -> str:
        """The options of make that mean this environment, for messages."""
        return f"ENV={self.name}" + (" LOCAL=1" if self.local else "")

    def prepare(self) -> None:
        """Initialise the root. On localaws this also makes the mirror."""
        self._script("init")

    def servers(self) -> Servers:
        """The servers as they are deployed, even after a killed apply, which leaves no outputs.

        Raises:
            PreconditionError: nothing is deployed, or only a part, or an MLflow App.
        """
        state = self._state()
        outputs = state.get("outputs", {})
        if ":mlflow-app/" in str(outputs.get("mlflow_tracking_uri", {}).get("value")):
            raise PreconditionError(
                f"{self.name} runs on an MLflow App, and AWS chooses its version. To move to another one, copy it to "
                "a new environment with `.venv/bin/python scripts/transfer.py copy`."
            )
        arns = {server.version: server.arn for server in _servers(state)}
        output = outputs.get("mlflow_version")
        if output is not None and output["value"] in arns:
            parts = [outputs.get(name, {}).get("value") for name in ("project_name", "environment")]
            return Servers(str(output["value"]), arns, stem="-".join(parts) if all(parts) else "")
        desired = Desired.read(self.file)
        if desired is not None and desired.active in arns:
            return Servers(desired.active, arns, whole=False)
        part = "only partly deployed" if arns else "not deployed"
        raise PreconditionError(f"{self.name} is {part}: run `make apply {self.options}` first")

    def former_stores(self) -> tuple[str, ...]:
        """The artifact stores that the environment used before, and that older runs still name."""
        outputs = self._state().get("outputs", {})
        return former_stores({name: output["value"] for name, output in outputs.items()})

    def show(self) -> None:
        """Show the plan, and apply nothing."""
        self._script("plan", _LOCK_TIMEOUT)

    def apply(self, confirm: str = "", *, approved: bool = False) -> None:
        """Plan, show the plan, ask, and apply. Waits for the state's lock. The guard may refuse the plan.

        Args:
            confirm: the name of the server that the plan may delete.
            approved: the question was answered already.

        Raises:
            PlatformError: the plan was refused or failed. Terraform's output has been shown.
        """
        self._script("apply", _LOCK_TIMEOUT, CONFIRM=confirm, **({"AUTO_APPROVE": "1"} if approved else {}))

    def repair(
        self, version: str, server: str, sagemaker: SageMakerClient, *, progress: Progress, clock: Clock
    ) -> None:
        """Repair the state after an interrupted apply: a server that AWS has and the state lacks, or holds as tainted.

        Terraform would refuse to create the first one, and replace the second one.

        Raises:
            PreconditionError: there is a server of that name that does not belong to this environment.
            PlatformError: AWS failed to create the server.
        """
        known = {server.version: server for server in _servers(self._state())}
        found = known.get(version)
        if found is not None and not found.tainted:
            return
        seen = self.settled(server, sagemaker, progress=progress, clock=clock)
        if seen is None:
            return
        sibling = next(iter(known.values()), None)
        if seen.status == "CreateFailed":
            raise PlatformError(
                f"tracking server {server} is {seen.status}: see the SageMaker console for the reason, delete it "
                f"(`aws sagemaker delete-mlflow-tracking-server --tracking-server-name {server}`), and try again"
            )
        if found is not None:
            progress(f"keeping tracking server {server}, which Terraform marked as tainted when it was interrupted")
            done = self._change("untaint", _LOCK_TIMEOUT, found.address)
            if done.returncode:
                raise _failed("untaint", done.stderr)
        elif sibling is not None:
            if seen.version != version or seen.artifact_store.rstrip("/") != sibling.artifact_store.rstrip("/"):
                raise PreconditionError(
                    f"there is already a tracking server {server}, of MLflow {seen.version} with its artifacts in "
                    f"{seen.artifact_store}, which does not belong to {self.name}: delete it or rename this environment"
                )
            progress(f"importing tracking server {server}, which an interrupted apply created")
            address = replace(sibling, version=version).address
            done = self._change("import", "-input=false", _LOCK_TIMEOUT, address, server)
            # The process that held the lock until now may have imported it.
            if done.returncode and version not in {known.version for known in _servers(self._state())}:
                raise _failed("import", done.stderr)

    @staticmethod
    def settled(
        server: str, sagemaker: SageMakerClient, *, progress: Progress, clock: Clock
    ) -> ServerDescription | None:
        """The server, once no operation on it is under way."""

        return wait_for(
            lambda: find(sagemaker, server),
            settled=lambda seen: seen is None or seen.status not in CHANGING - {"MaintenanceInProgress"},
            describe=lambda seen: f"tracking server {server}: {seen.status if seen else 'deleted'}",
            progress=progress,
            clock=clock,
            timeout=_TIMEOUT,
        )

    def _state(self) -> dict[str, Any]:
        """Terraform's state, cached until a method of this class changes it.

        `state pull` takes half a second. `terraform show -json` takes four, because it loads the provider's schema.
        Source: https://developer.hashicorp.com/terraform/cli/commands/state/pull
        """
        if self._shown is None:
            done = self._terraform([f"-chdir={self.folder}", "state", "pull"])
            if done.returncode:
                raise _failed("state pull", done.stderr)
            self._shown = json.loads(done.stdout or "{}")
        return self._shown

    def _change(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self._shown = None
        return self._terraform([f"-chdir={self.folder}", *arguments])

    def _terraform(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        environ = {"GOGC": "400", **self._environ, "CHECKPOINT_DISABLE": "1"}  # The same as in scripts/terraform.sh.
        return subprocess.run(["terraform", *arguments], env=environ, capture_output=True, text=True, check=False)

    def _script(self, *arguments: str, **environ: str) -> None:
        self._shown = None
        script = self._repository / "scripts/terraform.sh"
        given = {**self._environ, "LOCAL": "1" if self.local else "", **environ}
        # Terraform's output is not the result of this command, so it goes to standard error.
        done = subprocess.run([script, self.name, *arguments], env=given, stdout=2, check=False)
        if done.returncode:
            kinds: dict[int, type[PlatformError]] = {NOT_READY: PreconditionError, WRONG_INPUT: InputError}
            raise kinds.get(done.returncode, PlatformError)(
                f"Terraform failed for {self.name}: correct what it says above and run the same command again"
            )


def _servers(state: Mapping[str, Any]) -> Iterator[StateServer]:
    for resource in state.get("resources", ()):
        if (resource["mode"], resource["type"]) == ("managed", SERVER):
            place = f"{resource['module']}.{SERVER}.{resource['name']}"
            for one in resource["instances"]:
                values = one["attributes"]
                tainted = one.get("status") == "tainted"
                yield StateServer(place, one["index_key"], values["arn"], values["artifact_store_uri"], tainted)


def _failed(verb: str, output: str) -> PlatformError:
    problem = next((line for line in output.splitlines() if "Error" in line), "it gave no reason")
    return PlatformError(f"terraform {verb} failed: {problem.strip('│╷ ')}", output.splitlines())
