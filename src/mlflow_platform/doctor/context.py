"""What the checks work with: the environment, Terraform's state, AWS clients, and the time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlflow_platform.doctor.terraform_state import TerraformState
from mlflow_platform.endpoints.state import is_own

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.environment import Environment


class NoStateError(Exception):
    """A check compares with Terraform's state, which cannot be read from here."""


@dataclass
class Context:
    """What the checks work with.

    Attributes:
        state: None if Terraform's state cannot be read from here.
        versions: the installed version of a Python package, or None; as `importlib.metadata` says.
        terraform_version: the version of Terraform on this machine, or None.
        provider_version: the version of the AWS provider in the root's lock file, or None.
        environ: the variables of this process.
        now: the time of this machine, with a zone.
    """

    environment: Environment
    session: Session
    state: TerraformState | None
    versions: Callable[[str], str | None]
    terraform_version: str | None
    environ: dict[str, str]
    now: Callable[[], datetime]
    provider_version: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str) -> Any:
        """The AWS client of a service. Creating clients is not thread-safe in boto3; using them is."""
        with self._lock:
            if service not in self._clients:
                create: Any = self.session.client
                self._clients[service] = create(service)
            return self._clients[service]

    @cached_property
    def endpoints(self) -> dict[str, bool | None]:
        """The account's endpoints by name: whether each is the environment's, or None if its tags may not be read."""
        sagemaker = self.client("sagemaker")
        return {
            one["EndpointName"]: is_own(sagemaker, self.environment, one["EndpointArn"])
            for page in sagemaker.get_paginator("list_endpoints").paginate()
            for one in page["Endpoints"]
        }

    @property
    def deployed(self) -> TerraformState:
        """What Terraform deployed.

        Raises:
            NoStateError: its state cannot be read from here.
        """
        if self.state is None:
            raise NoStateError
        return self.state

    @property
    def apply(self) -> str:
        """The command that restores what Terraform deployed."""
        return f"Run `{self.environment.ref.apply_command}`."
