"""What an endpoint is to serve, and what everything made for that is called.

Names are made of what they name: `{endpoint}-{digest}` for the SageMaker model (image, archive, role) and for the
endpoint configuration (model, instances). So the name alone says whether something is to be done.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError

if TYPE_CHECKING:
    from mlflow_platform.endpoints.model import Model
    from mlflow_platform.environment import Environment

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_NAME_LENGTH = 63
_DIGEST_LENGTH = 10

# MLflow's own image builds the model's environment when it starts, which takes minutes.
STARTUP_SECONDS = 900
# What MLflow gives its own image on SageMaker (mlflow.sagemaker, `_get_deployment_config`).
CONTAINER_ENVIRONMENT: Mapping[str, str] = {
    "MLFLOW_DEPLOYMENT_FLAVOR_NAME": "python_function",
    "SERVING_ENVIRONMENT": "SageMaker",
}


@dataclass(frozen=True)
class Plan:
    """What is to serve: a model's archive in an image, on instances, under a role."""

    endpoint: str
    archive_uri: str
    image: str
    role: str
    instance_type: str
    instance_count: int
    tags: Mapping[str, str]

    @property
    def model_name(self) -> str:
        """The name of the SageMaker model."""
        settings = [f"{key}={value}" for key, value in sorted(CONTAINER_ENVIRONMENT.items())]
        return _named(self.endpoint, self.image, self.archive_uri, self.role, *settings)

    @property
    def config_name(self) -> str:
        """The name of the endpoint configuration."""
        size = (self.instance_type, str(self.instance_count), str(STARTUP_SECONDS))
        return _named(self.endpoint, self.model_name, *size)


def default_name(environment: Environment, model_name: str | None, uri: str) -> str:
    """The endpoint's name unless another is asked for: `{project}-{environment}-{model name}`.

    Raises:
        InputError: the model has no registered name to take, or the name would be too long.
    """
    if not model_name:
        raise InputError(f"{uri} has no registered name to call the endpoint after: add --endpoint NAME")
    tail = re.sub("[^a-zA-Z0-9]+", "-", model_name).strip("-")
    name = f"{environment.project}-{environment.name}-{tail}"
    if len(name) > _NAME_LENGTH:
        raise InputError(f"{name} is too long to name an endpoint ({_NAME_LENGTH} at most): add --endpoint NAME")
    return name


def check_name(name: str) -> None:
    """See that an endpoint may be called so.

    Raises:
        InputError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot name an endpoint: take at most {_NAME_LENGTH} letters, digits and hyphens")


def archive_folder(environment: Environment, endpoint: str) -> str:
    """The S3 URI under which an endpoint's archives lie: where the endpoint's role may read."""
    return f"{environment.artifact_store}/endpoints/{endpoint}"


def archive_uri(environment: Environment, endpoint: str, digest: str) -> str:
    """Where the archive with that digest belongs."""
    return f"{archive_folder(environment, endpoint)}/{digest[:16]}/model.tar.gz"


def tags(environment: Environment, model: Model) -> dict[str, str]:
    """The tags of everything made to serve a model; `validate_endpoint.py` finds its run by them."""
    about = {
        "model-uri": model.uri,
        "model-name": model.name,
        "model-version": model.version,
        "run-id": model.run_id,
    }
    return environment.tags | {key: value for key, value in about.items() if value}


def stem(endpoint: str) -> str:
    """What the names of an endpoint's configurations and models begin with."""
    if len(endpoint) + 1 + _DIGEST_LENGTH <= _NAME_LENGTH:
        return endpoint
    # Two long names may begin alike: their digests do not.
    return f"{endpoint[: _NAME_LENGTH - 2 * (_DIGEST_LENGTH + 1)]}-{_digest(endpoint)}"


def is_named_for(endpoint: str, name: str) -> bool:
    """Whether a configuration or a model belongs to the endpoint."""
    return re.fullmatch(rf"{re.escape(stem(endpoint))}-[0-9a-f]{{{_DIGEST_LENGTH}}}", name) is not None


def _named(endpoint: str, *parts: str) -> str:
    return f"{stem(endpoint)}-{_digest(*parts)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGEST_LENGTH]
