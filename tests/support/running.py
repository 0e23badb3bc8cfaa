"""A localaws for tests, with helpers to use it."""

import contextlib
import json
import os
import socket
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from localaws import daemon
from localaws.settings import Settings
from tests.support import provider
from tests.support.http import HTTP


@dataclass(frozen=True)
class RunningLocalAws:
    """A running localaws. Tests share one, so each test uses unique names for its resources."""

    settings: Settings

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return self.settings.url

    @property
    def env(self) -> dict[str, str]:
        """The variables of `$LOCALAWS_HOME/env`. An empty value means that the variable is unset."""
        lines = self.settings.env_file.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def environ(self, **more: str) -> dict[str, str]:
        """A complete environment for a subprocess that uses this localaws."""
        # MLflow's global setters write variables (MLFLOW_TRACKING_URI, …) that the next process must not inherit.
        own = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "_MLFLOW_"))}
        merged = {**own, "TF_CLI_CONFIG_FILE": provider.config(), **self.env, **more}
        return {name: value for name, value in merged.items() if value}

    def client(self, service: str, *, retries: bool = False, **given: Any) -> Any:
        """A boto3 client of the administrator; `given` (keys, region) takes precedence. By default without retries."""
        env = self.env
        defaults = {
            "aws_access_key_id": env["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"],
            "region_name": env["AWS_REGION"],
            "endpoint_url": self.url,
        }
        options = tuple(sorted({**defaults, **given}.items()))
        return _client(service, 3 if retries else 1, options)

    def calls(self, containing: str = "") -> list[dict[str, Any]]:
        """The call log, oldest first. With `containing`, only lines with that text are parsed, which is faster."""
        lines = HTTP.get(f"{self.url}/_localaws/calls").text.splitlines()
        return [json.loads(line) for line in lines if containing in line]

    def fault(self, operation: str, **fault: Any) -> None:
        """Let the next calls of `operation` fail or wait. Name the `resource`, because tests share this localaws."""
        HTTP.post(f"{self.url}/_localaws/faults", json={"operation": operation, **fault}).raise_for_status()

    def set_quotas(self, quotas: dict[str, int]) -> None:
        """Set how many instances of a type the account may have for endpoints. Name a type that no other test uses."""
        HTTP.post(f"{self.url}/_localaws/quotas", json=quotas).raise_for_status()

    def run_schedule(self, group: str, name: str) -> dict[str, Any]:
        """Run an EventBridge schedule now; how many attempts it made, and how they ended."""
        url = f"{self.url}/_localaws/schedules/{group}/{name}/run"
        found: dict[str, Any] = HTTP.post(url, timeout=60).json()
        return found

    def health(self) -> dict[str, Any]:
        """GET /_localaws/health."""
        found: dict[str, Any] = HTTP.get(f"{self.url}/_localaws/health").raise_for_status().json()
        return found


_LOCK = threading.Lock()


@cache
def _client(service: str, attempts: int, options: tuple[tuple[str, Any], ...]) -> Any:
    """Create each client once, with one session, because loading a service's model takes a quarter of a second."""
    given = dict(options)
    config = Config(retries={"total_max_attempts": attempts}, read_timeout=60).merge(given.pop("config", Config()))
    with _LOCK:  # Clients are thread-safe, sessions are not.
        return _session().client(service, config=config, **given)


@cache
def _session() -> Any:
    return boto3.session.Session()


def free_port() -> int:
    """A free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings_of(home: Path, port: int) -> Settings:
    """The settings of a localaws below `home`. It uses the checkout's cache of environments, so each is built once."""
    return Settings.from_environment({**os.environ, "LOCALAWS_HOME": str(home), "LOCALAWS_PORT": str(port)})


def start(home: Path) -> RunningLocalAws:
    """Start a localaws on a free port."""
    settings = settings_of(home, free_port())
    daemon.up(settings)
    return RunningLocalAws(settings)


# The least that ECR takes as an image.
MANIFEST = '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def role(localaws: RunningLocalAws, name: str) -> str:
    """Create a role that SageMaker may assume, and return its ARN. Idempotent."""
    iam = localaws.client("iam")
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    return f"arn:aws:iam::{localaws.settings.account}:role/{name}"


def allow_everything(localaws: RunningLocalAws, name: str) -> None:
    """Give a role all permissions."""
    localaws.client("iam").put_role_policy(
        RoleName=name, PolicyName="Everything", PolicyDocument=json.dumps(EVERYTHING)
    )


def tracking_server(localaws: RunningLocalAws, name: str, *, wait: bool = True, **given: Any) -> str:
    """Create a tracking server with its own bucket and role. Return its ARN after it was created."""
    localaws.client("s3").create_bucket(Bucket=f"{name}-bucket")
    sagemaker = localaws.client("sagemaker")
    defaults = {"ArtifactStoreUri": f"s3://{name}-bucket", "RoleArn": role(localaws, f"{name}-role")}
    created = sagemaker.create_mlflow_tracking_server(TrackingServerName=name, **{**defaults, **given})
    if wait:
        settled(localaws, name)
    arn: str = created["TrackingServerArn"]
    return arn


def settled(localaws: RunningLocalAws, name: str, seconds: float = 180) -> str:
    """The status of a tracking server after its current operation has ended; "" if it does not exist."""
    sagemaker = localaws.client("sagemaker")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            status: str = sagemaker.describe_mlflow_tracking_server(TrackingServerName=name)["TrackingServerStatus"]
        except sagemaker.exceptions.ResourceNotFound:
            return ""
        if not status.endswith("ing"):
            return status
        time.sleep(0.05)
    raise TimeoutError(f"{name} is still {status}.")
