"""An environment and its tracking server, as Terraform's outputs describe them.

Everything that the scripts know about staging or prod comes from here. Reading the outputs is in `outputs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_common.errors import PreconditionError

REPOSITORY = Path(__file__).resolve().parents[2]
STATE = "Terraform's state"
_REQUIRED = (
    "artifact_bucket_name",
    "artifact_store_uri",
    "aws_account_id",
    "aws_region",
    "endpoint_execution_role_arn",
    "mlflow_tracking_uri",
    "mlflow_version",
    "project_name",
    "tracking_server_name",
)
_FORMER = "former_artifact_store_uris"


@dataclass(frozen=True)
class EnvironmentRef:
    """Which environment a command works on: a folder of mlflow/terraform, on AWS or on localaws."""

    name: str
    local: bool = False

    @property
    def options(self) -> str:
        """The options that select this environment in a script's command line, for messages that quote one."""
        return f"--env {self.name}" + (" --local" if self.local else "")

    @property
    def make_options(self) -> str:
        """The variables that select this environment in a make command, for messages that quote one."""
        return f"ENV={self.name}" + (" LOCAL=1" if self.local else "")

    @property
    def apply_command(self) -> str:
        """The command that deploys this environment, for messages."""
        return f"make apply {self.make_options}"


@dataclass(frozen=True)
class TrackingServer:
    """A tracking server or an MLflow App of an environment. `arn` is the tracking URI of MLflow clients."""

    arn: str
    name: str
    mlflow_version: str
    environment: EnvironmentRef

    @property
    def is_app(self) -> bool:
        """Whether it is an MLflow App, the serverless kind."""
        return ":mlflow-app/" in self.arn


@dataclass(frozen=True)
class Environment:
    """A deployed environment.

    `server` is the active tracking server. `source` says where the outputs were read. `backup_archive` is the URI of
    the nightly backups, or None without a nightly backup. `serving_repository` is the address of the image repository
    without a tag, and `image_build_project` the CodeBuild project that builds images; either may be None.
    `pipeline_role` is the ARN of the role of the training pipeline's jobs, or None without a pipeline.
    `former_artifact_stores` are stores that older runs still have their artifacts in.
    """

    ref: EnvironmentRef
    project: str
    account: str
    region: str
    server: TrackingServer
    artifact_store: str
    bucket: str
    endpoint_role: str
    source: str = STATE
    backup_archive: str | None = None
    serving_repository: str | None = None
    image_build_project: str | None = None
    pipeline_role: str | None = None
    former_artifact_stores: tuple[str, ...] = ()

    @classmethod
    def from_outputs(cls, ref: EnvironmentRef, outputs: Mapping[str, Any], *, source: str = STATE) -> Environment:
        """Build an environment from the values of Terraform's outputs.

        Raises:
            PreconditionError: outputs are missing, as after an apply that failed half-way or with an older module.
        """
        missing = [name for name in _REQUIRED if not outputs.get(name)]
        if missing:
            raise PreconditionError(
                f"{ref.name} is only partly deployed (missing outputs: {', '.join(missing)}). "
                f"Run `{ref.apply_command}`."
            )
        return cls(
            ref=ref,
            project=str(outputs["project_name"]),
            account=str(outputs["aws_account_id"]),
            region=str(outputs["aws_region"]),
            server=TrackingServer(
                arn=str(outputs["mlflow_tracking_uri"]),
                name=str(outputs["tracking_server_name"]),
                mlflow_version=str(outputs["mlflow_version"]),
                environment=ref,
            ),
            artifact_store=str(outputs["artifact_store_uri"]).rstrip("/"),
            bucket=str(outputs["artifact_bucket_name"]),
            endpoint_role=str(outputs["endpoint_execution_role_arn"]),
            source=source,
            backup_archive=outputs.get("backup_archive_uri"),
            serving_repository=outputs.get("serving_repository_url"),
            image_build_project=outputs.get("image_build_project_name"),
            pipeline_role=outputs.get("pipeline_role_arn"),
            former_artifact_stores=former_stores(outputs),
        )

    @property
    def artifact_stores(self) -> tuple[str, ...]:
        """The URIs below which this environment's artifacts are: the present store's, then the former ones'."""
        return (self.artifact_store, *self.former_artifact_stores)

    @property
    def name(self) -> str:
        """The environment's name, such as "staging"."""
        return self.ref.name

    @property
    def prefix(self) -> str:
        """What the names of the resources that are created for this environment begin with."""
        return f"{self.project}-{self.name}-"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that is created for this environment."""
        return {"project": self.project, "environment": self.name}


def former_stores(outputs: Mapping[str, Any]) -> tuple[str, ...]:
    """The former artifact stores: a list in Terraform's outputs, and one numbered value for each of them elsewhere."""
    numbered = [value for name, value in sorted(outputs.items()) if re.fullmatch(rf"{_FORMER}_[0-9]+", name)]
    return tuple(str(uri).rstrip("/") for uri in outputs.get(_FORMER) or numbered)


def lies_in(uri: str, stores: Sequence[str]) -> bool:
    """Whether an artifact location that a server names is in one of these stores."""
    inside = any(f"{uri}/".startswith(f"{store.rstrip('/')}/") for store in stores)
    return inside and ".." not in uri.split("/")
