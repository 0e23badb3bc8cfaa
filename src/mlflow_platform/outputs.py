"""Reads an environment's Terraform outputs, from Terraform's state or from SSM Parameter Store."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from mlflow_common.errors import InputError, PreconditionError, explain
from mlflow_platform import parameters
from mlflow_platform.environment import REPOSITORY, Environment, EnvironmentRef
from mlflow_platform.localaws_client import localaws_home, use_localaws

ROOTS = Path("mlflow", "terraform")
# A job in AWS has no checkout: Terraform gives it the outputs of its environment in variables with this prefix, and
# their environment's name in GIVEN_FOR.
GIVEN = "PLATFORM_OUTPUT_"
GIVEN_FOR = "PLATFORM_ENVIRONMENT"

Terraform = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def environment_names(repository: Path = REPOSITORY) -> list[str]:
    """The names of all environments: each is a folder below mlflow/terraform."""
    return sorted(file.parent.name for file in (repository / ROOTS).glob("*/main.tf"))


def load(
    name: str,
    *,
    local: bool,
    environ: MutableMapping[str, str],
    repository: Path = REPOSITORY,
    terraform: Terraform | None = None,
    published: parameters.Reader = parameters.read,
) -> Environment:
    """Read an environment from its Terraform root or, if `local`, from localaws's copy of that root.

    In a job that Terraform has given the outputs in variables, they are read from these.

    If Terraform's state cannot be read, the outputs are read from SSM Parameter Store in the region of AWS_REGION.
    With `local`, `environ` then points every AWS client of this process at localaws: see `use_localaws`.

    Raises:
        InputError: there is no such environment.
        PreconditionError: localaws is not running, or the outputs are in neither place.
    """
    if not local and environ.get(GIVEN_FOR) == name:
        given = {key.removeprefix(GIVEN): value for key, value in environ.items() if key.startswith(GIVEN)}
        return Environment.from_outputs(EnvironmentRef(name), given, source=f"the variables {GIVEN}…")
    known = environment_names(repository)
    if name not in known:
        raise InputError(f"there is no environment {name!r}. --env takes {' or '.join(known)}.")
    ref = EnvironmentRef(name, local)
    folder_of_root = root_folder(ref, environ, repository)
    if local:
        use_localaws(localaws_home(environ, repository), environ)
    try:
        outputs: Mapping[str, Any] = read_outputs(ref, folder_of_root, terraform or run_terraform)
    except PreconditionError as unreadable:
        folder = parameters.path(repository / ROOTS / name)
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        if folder is None:
            raise
        if not region:
            raise PreconditionError(
                f"{unreadable.message} If {name} was deployed from another machine, set AWS_REGION."
            ) from None
        outputs = _published(folder, region, published, unreadable)
        return Environment.from_outputs(ref, outputs, source=f"the parameters below {folder}")
    return Environment.from_outputs(ref, outputs)


def root_folder(ref: EnvironmentRef, environ: Mapping[str, str], repository: Path = REPOSITORY) -> Path:
    """The Terraform root of an environment; on localaws its copy there."""
    root = localaws_home(environ, repository) / "terraform" if ref.local else repository
    return root / ROOTS / ref.name


def read_outputs(ref: EnvironmentRef, folder: Path, terraform: Terraform) -> dict[str, Any]:
    """Return the values of the outputs of a Terraform root.

    Raises:
        PreconditionError: Terraform is not installed, or nothing is deployed.
    """
    not_deployed = PreconditionError(f"{ref.name} is not deployed. Run `{ref.apply_command}` first.")
    if not folder.is_dir():
        raise not_deployed
    done = terraform([f"-chdir={folder}", "output", "-json", "-no-color"])
    if done.returncode != 0:
        problem = terraform_error(done.stderr)
        if "initialization required" in problem.lower():
            raise not_deployed
        raise PreconditionError(f"Terraform cannot read the outputs of {ref.name} ({problem}).")
    try:
        outputs = {name: output["value"] for name, output in json.loads(done.stdout or "{}").items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise PreconditionError(f"`terraform output -json` for {ref.name} did not print JSON with outputs.") from None
    if not outputs:
        raise not_deployed
    return outputs


def run_terraform(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run Terraform and capture what it prints.

    Raises:
        PreconditionError: Terraform is not installed.
    """
    try:
        return subprocess.run(["terraform", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        raise PreconditionError(
            "Terraform is not installed or not on the PATH. Install version 1.11 or later."
        ) from None


def terraform_version() -> str | None:
    """The version of Terraform on this machine; None if there is none."""
    try:
        done = run_terraform(["version", "-json"])
        return str(json.loads(done.stdout)["terraform_version"])
    except (PreconditionError, ValueError, KeyError):
        return None


def terraform_error(stderr: str) -> str:
    """The first error in what Terraform printed, without its frame."""
    found = next((line for line in stderr.splitlines() if "Error" in line), "no reason given")
    return found.strip("│╷ ").rstrip(".")


def _published(
    folder: str, region: str, published: parameters.Reader, unreadable: PreconditionError
) -> Mapping[str, str]:
    """Read the outputs from Parameter Store; if that fails too, raise both reasons."""
    try:
        found = published(folder, region)
    except Exception as error:
        reason = explain(error)
        if reason is None:
            raise
        raise PreconditionError(
            f"{unreadable.message} The parameters below {folder} cannot be read either: {reason.message}"
        ) from None
    if not found:
        raise unreadable
    return found
