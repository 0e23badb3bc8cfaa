"""A deployed environment: on the tests' own localaws, or the one that SMOKE_ENV and SMOKE_LOCAL name."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest

from mlflow_common.errors import PreconditionError
from mlflow_platform.localaws_client import localaws_home, use_localaws
from tests.support.attached import REATTACH, attachment
from tests.support.running import RunningLocalAws, role, tracking_server

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Deployed:
    """Commands and clients for one environment. `environ` corresponds to the variables of a user's shell."""

    name: str
    local: bool
    environ: dict[str, str]

    def attached(self) -> "Deployed":
        """The same, with one process of the provider for all that Terraform does from now on."""
        return replace(self, environ={**self.environ, **attachment(self.environ)})

    def detached(self, **environ: str) -> "Deployed":
        """The same, with these variables too. Each Terraform starts the provider, which ends with it."""
        own = {name: value for name, value in self.environ.items() if name != REATTACH}
        return replace(self, environ={**own, **environ})

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """Terraform's outputs, by name."""
        found = json.loads(self.terraform("output", "-json").stdout)
        return {name: output["value"] for name, output in found.items()}

    def terraform(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """`scripts/terraform.sh ENV …`."""
        environ = {**self.environ, "LOCAL": "1" if self.local else ""}
        return _run([REPOSITORY / "scripts/terraform.sh", self.name, *arguments], environ, check=check)

    def script(self, name: str, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """`scripts/NAME.py … --env ENV`."""
        where = ["--env", self.name, *(["--local"] if self.local else [])]
        command = [sys.executable, REPOSITORY / "scripts" / f"{name}.py", *arguments, *where]
        return _run(command, self.environ, check=check)

    def result(self, name: str, *arguments: str) -> dict[str, Any]:
        """The result that a script prints with --json."""
        found: dict[str, Any] = json.loads(self.script(name, *arguments, "--json").stdout)
        return found

    def client(self, service: str) -> Any:
        """A boto3 client with the credentials and the endpoint of `environ`."""
        session = boto3.session.Session(
            aws_access_key_id=self.environ.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=self.environ.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=self.environ.get("AWS_SESSION_TOKEN"),
            region_name=self.outputs["mlflow_tracking_uri"].split(":")[3],
        )
        return session.client(service, endpoint_url=self.environ.get("AWS_ENDPOINT_URL"))


def without_apply(localaws: RunningLocalAws, home: Path, project: str, *, wait: bool, **outputs: str) -> Deployed:
    """Staging of a project, as a Terraform state in `home` names it: an apply takes a minute.

    Args:
        wait: whether its tracking server must run already.
        outputs: more outputs.
    """
    server = f"{project}-staging-3-0"
    found = {
        "artifact_bucket_name": f"{server}-bucket",
        "artifact_store_uri": f"s3://{server}-bucket",
        "aws_account_id": localaws.settings.account,
        "aws_region": "us-east-1",
        "endpoint_execution_role_arn": role(localaws, f"{project}-endpoints"),
        "mlflow_tracking_uri": tracking_server(localaws, server, wait=wait, MlflowVersion="3.0"),
        "mlflow_version": "3.0",
        "project_name": project,
        "tracking_server_name": server,
        **outputs,
    }
    root = home / "terraform/mlflow/terraform/staging"
    root.mkdir(parents=True)
    state = {
        "version": 4,
        "terraform_version": "1.5.0",
        "outputs": {name: {"value": value, "type": "string"} for name, value in found.items()},
    }
    (root / "terraform.tfstate").write_text(json.dumps(state))
    shutil.copy(localaws.settings.env_file, home / "env")
    made = Deployed("staging", local=True, environ=localaws.environ(LOCALAWS_HOME=str(home)))
    made.__dict__["outputs"] = found
    return made


def from_environment() -> Deployed | None:
    """The environment of `make smoke`; None if the tests were not started by `make smoke`.

    If it needs a localaws that does not run, this ends all tests with one line.
    """
    name = os.environ.get("SMOKE_ENV")
    if not name:
        return None
    local = bool(os.environ.get("SMOKE_LOCAL"))
    environ = dict(os.environ)
    if local:
        try:
            use_localaws(localaws_home(environ), environ)
        except PreconditionError as error:
            pytest.exit(error.message, returncode=error.status)
    return Deployed(name, local, {key: value for key, value in environ.items() if value})


def _run(command: list[Any], environ: dict[str, str], *, check: bool) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command, env=environ, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done
