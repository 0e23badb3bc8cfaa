"""An environment's Terraform root as an upgrade needs it: applied, and mended where an apply was broken off."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_common.errors import NOT_READY, WRONG_INPUT, InputError, PlatformError, PreconditionError, error_code
from mlflow_common.waiting import Clock, Progress, wait_for
from mlflow_platform.environment import REPOSITORY
from mlflow_platform.localaws_client import localaws_home
from mlflow_platform.plan_guard.changes import SERVER
from mlflow_platform.tracking_server import CHANGING, RUNNING
from mlflow_platform.upgrade.versions import FILE, LOCAL_FILE, Servers, Wanted

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

# An apply whose parent was killed goes on by itself, and creating a server takes up to 25 minutes.
_LOCK_TIMEOUT = "-lock-timeout=30m"
_TIMEOUT = 45 * 60.0


@dataclass(frozen=True)
class Seen:
    """A tracking server in AWS; `status` is empty where there is none."""

    status: str = ""
    version: str = ""
    artifact_store: str = ""

    @property
    def running(self) -> bool:
        """Whether it answers."""
        return self.status in RUNNING


@dataclass(frozen=True)
class Known:
    """A tracking server in Terraform's state; `place` is its resource's address."""

    place: str
    version: str
    arn: str
    artifact_store: str
    tainted: bool

    @property
    def address(self) -> str:
        """What Terraform calls it."""
        return f"{self.place}[{json.dumps(self.version)}]"


class Root:
    """The root of an environment, or with `local` its mirror for localaws."""

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
        """What make needs to mean this environment, for messages."""
        return f"ENV={self.name}" + (" LOCAL=1" if self.local else "")

    def prepare(self) -> None:
        """Initialise the root; makes the mirror, too."""
        self._script("init")

    def servers(self) -> Servers:
        """The servers as they are deployed, even where a killed apply left no outputs.

        Raises:
            PreconditionError: nothing is deployed, or only in part.
        """
        state = self._state()
        arns = {server.version: server.arn for server in _servers(state)}
        output = state.get("outputs", {}).get("mlflow_version")
        if output is not None and output["value"] in arns:
            return Servers(str(output["value"]), arns)
        wanted = Wanted.read(self.file)
        if wanted is not None and wanted.active in arns:
            return Servers(wanted.active, arns, whole=False)
        part = "deployed only in part" if arns else "not deployed"
        raise PreconditionError(f"{self.name} is {part}: run `make apply {self.options}` first")

    def show(self) -> None:
        """Plan, and show the plan alone."""
        self._script("plan", _LOCK_TIMEOUT)

    def apply(self, confirm: str = "", *, approved: bool = False) -> None:
        """Plan, show the plan, ask, and apply it, past the guard and after whoever holds the state's lock.

        Args:
            confirm: the server that the plan may delete, by name.
            approved: somebody was asked already.

        Raises:
            PlatformError: it was refused or failed; what Terraform said of it has been shown.
        """
        self._script("apply", _LOCK_TIMEOUT, CONFIRM=confirm, **({"AUTO_APPROVE": "1"} if approved else {}))

    def mend(self, version: str, server: str, sagemaker: SageMakerClient, *, progress: Progress, clock: Clock) -> None:
        """Undo what a broken-off apply left of a server: one that AWS has and the state lacks, or holds as tainted.

        Terraform would refuse to create the one, and replace the other.

        Raises:
            PreconditionError: there is a server of that name which is not this environment's.
            PlatformError: it failed while it was created.
        """
        known = {server.version: server for server in _servers(self._state())}
        found = known.get(version)
        if found is not None and not found.tainted:
            return
        seen = self.settled(server, sagemaker, progress=progress, clock=clock)
        if not seen.status:
            return
        sibling = next(iter(known.values()), None)
        if seen.status.endswith("Failed"):
            raise PlatformError(
                f"tracking server {server} is {seen.status}: see the SageMaker console for the reason, delete it "
                f"(`aws sagemaker delete-mlflow-tracking-server --tracking-server-name {server}`), and try again"
            )
        if found is not None:
            progress(f"tracking server {server} was broken off while Terraform waited for it: it is kept")
            done = self._change("untaint", _LOCK_TIMEOUT, found.address)
            if done.returncode:
                raise _failed("untaint", done.stderr)
        elif sibling is not None:
            if seen.version != version or seen.artifact_store.rstrip("/") != sibling.artifact_store.rstrip("/"):
                raise PreconditionError(
                    f"there is a tracking server {server} already, of MLflow {seen.version} with its artifacts in "
                    f"{seen.artifact_store}, which is not {self.name}'s: delete it or rename this environment"
                )
            progress(f"tracking server {server} was created by an apply that was broken off: Terraform takes it over")
            address = replace(sibling, version=version).address
            done = self._change("import", "-input=false", _LOCK_TIMEOUT, address, server)
            # Whoever held the lock until now may have brought it in.
            if done.returncode and version not in {known.version for known in _servers(self._state())}:
                raise _failed("import", done.stderr)

    @staticmethod
    def settled(server: str, sagemaker: SageMakerClient, *, progress: Progress, clock: Clock) -> Seen:
        """The server once nothing is under way with it."""

        def look() -> Seen:
            try:
                found = sagemaker.describe_mlflow_tracking_server(TrackingServerName=server)
            except sagemaker.exceptions.ClientError as error:
                if error_code(error) not in {"ResourceNotFound", "ResourceNotFoundException"}:
                    raise
                return Seen()
            return Seen(found["TrackingServerStatus"], found["MlflowVersion"], found["ArtifactStoreUri"])

        return wait_for(
            look,
            settled=lambda seen: seen.status not in CHANGING - {"MaintenanceInProgress"},
            describe=lambda seen: f"tracking server {server}: {seen.status or 'not there'}",
            progress=progress,
            clock=clock,
            timeout=_TIMEOUT,
        )

    def _state(self) -> dict[str, Any]:
        """Terraform's state. Kept until something here changes it.

        Read as it is stored, which takes half a second; `terraform show -json` takes four, for the provider's schema.
        Source of the command: https://developer.hashicorp.com/terraform/cli/commands/state/pull
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
        environ = {"GOGC": "400", **self._environ, "CHECKPOINT_DISABLE": "1"}  # As scripts/terraform.sh has them.
        return subprocess.run(["terraform", *arguments], env=environ, capture_output=True, text=True, check=False)

    def _script(self, *arguments: str, **environ: str) -> None:
        self._shown = None
        script = self._repository / "scripts/terraform.sh"
        given = {**self._environ, "LOCAL": "1" if self.local else "", **environ}
        # What Terraform says is no result of ours: it goes to standard error.
        done = subprocess.run([script, self.name, *arguments], env=given, stdout=2, check=False)
        if done.returncode:
            kinds: dict[int, type[PlatformError]] = {NOT_READY: PreconditionError, WRONG_INPUT: InputError}
            raise kinds.get(done.returncode, PlatformError)(
                f"{self.name} is as far as Terraform says above: mend that and run the same command again"
            )


def _servers(state: Mapping[str, Any]) -> Iterator[Known]:
    for resource in state.get("resources", ()):
        if (resource["mode"], resource["type"]) == ("managed", SERVER):
            place = f"{resource['module']}.{SERVER}.{resource['name']}"
            for one in resource["instances"]:
                values = one["attributes"]
                tainted = one.get("status") == "tainted"
                yield Known(place, one["index_key"], values["arn"], values["artifact_store_uri"], tainted)


def _failed(verb: str, said: str) -> PlatformError:
    problem = next((line for line in said.splitlines() if "Error" in line), "no reason given")
    return PlatformError(f"terraform {verb} failed: {problem.strip('│╷ ')}", said.splitlines())
