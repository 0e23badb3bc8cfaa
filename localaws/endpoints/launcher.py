"""Starts a variant's container with its execution role: pulls the image, downloads the model, builds its Python."""

import logging
import os
import secrets
import shutil
from pathlib import Path
from weakref import WeakSet

from localaws.algorithms import built_in
from localaws.endpoints import image
from localaws.endpoints.container import Container
from localaws.endpoints.deployment import Variant
from localaws.endpoints.environment import interpreter
from localaws.endpoints.logs import ContainerLog
from localaws.endpoints.model_source import ModelSource
from localaws.endpoints.program import Program
from localaws.endpoints.reasons import DeploymentError, ping_failed
from localaws.endpoints.role import HOSTING, RoleClients
from localaws.errors import AwsError
from localaws.iam.trust import sagemaker_source
from localaws.images.runtime import ImageRuntime
from localaws.principals import Principals
from localaws.processes import Processes
from localaws.settings import Settings
from localaws.venvs import BuildError, Venvs

# A variant with more instances than this has as many processes. Each process takes a processor core while it answers.
MOST_PROCESSES = max(2, os.cpu_count() or 1)
log = logging.getLogger(__name__)


def processes_of(variant: Variant) -> int:
    """How many processes a variant gets: one for each instance, within what this machine can run."""
    if variant.instances > MOST_PROCESSES:
        log.info(
            "%s: %d instances run as %d processes on this machine.", variant.name, variant.instances, MOST_PROCESSES
        )
    return min(variant.instances, MOST_PROCESSES)


class Launcher:
    """Starts containers, and knows those that have not been deleted."""

    def __init__(self, settings: Settings, principals: Principals, processes: Processes, venvs: Venvs) -> None:
        self._settings = settings
        self._principals = principals
        self._processes = processes
        self._venvs = venvs
        registry = f"{settings.host}:{settings.port}"
        self._images = ImageRuntime(settings.cache / "containers", registry) if settings.containers else None
        self._containers: WeakSet[Container] = WeakSet()

    def start(self, endpoint: str, region: str, variant: Variant) -> Container:
        """Start a container of a variant. It is not healthy yet.

        Raises:
            DeploymentError: the role, the image, the model or its environment is not usable.
        """
        settings = self._settings
        instance = f"i-{secrets.token_hex(8)}"
        name = f"endpoint-{endpoint}-{variant.name}-{instance}"
        folder = settings.data / "endpoints" / name
        clients = self.role_clients(region, variant.role)
        container_log = ContainerLog(
            clients.logs,
            f"/aws/sagemaker/Endpoints/{endpoint}",
            f"{variant.name}/{instance}",
            settings.logs / f"{name}.log",
        )
        try:
            image.pull(variant.image, settings.account, clients, variant.name)
            ModelSource(**variant.source).fetch(clients.s3, folder / "model")
            program = self._program(variant, clients, folder, container_log)
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        env = {
            **clients.credentials.env(),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": settings.url,
            **variant.env,
        }
        container = Container(name, program, folder, env, self._processes, container_log)
        self._containers.add(container)
        container.start()
        return container

    def _program(self, variant: Variant, clients: RoleClients, folder: Path, container_log: ContainerLog) -> Program:
        if self._images:
            return image.program(variant.image, self._settings.account, self._images, clients, folder)
        own = built_in.serving(variant.image, self._settings.account, variant.env, folder)
        if own:
            return own
        try:
            return Program.of_python(interpreter(folder / "model", self._venvs), folder)
        except BuildError as error:
            # MLflow's own image builds the environment in the container, so its log has such errors.
            container_log.write(["The model's environment cannot be built:", *str(error).splitlines()])
            raise ping_failed(variant.name) from error

    def role_clients(self, region: str, role: str) -> RoleClients:
        """Assume an execution role as SageMaker does.

        Raises:
            DeploymentError: SageMaker cannot assume the role.
        """
        source = sagemaker_source(region, self._settings.account)
        try:
            credentials = self._principals.assume(role, "SageMaker", HOSTING, source)
        except AwsError as error:
            raise DeploymentError(error.message) from None
        return RoleClients(credentials, self._settings.url, region)

    def close(self) -> None:
        """Stop restarting containers."""
        for container in list(self._containers):
            container.abandon()
