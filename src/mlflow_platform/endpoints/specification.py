"""What an endpoint should serve, and the names of the resources that are created for it.

Names are derived from content: `{endpoint}-{digest}` for the SageMaker model (image, archive, role) and for the
endpoint configuration (model, instances). So the name alone tells whether a deployment has anything to change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError
from mlflow_platform.endpoints.hosting import Asynchronous, Network, Serverless
from mlflow_platform.endpoints.tags import encode

if TYPE_CHECKING:
    from mlflow_platform.endpoints.model import Model
    from mlflow_platform.environment import Environment

# EndpointName (SageMaker API, CreateEndpoint).
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_NAME_LENGTH = 63
_DIGEST_LENGTH = 10

# The names of variants never change, so that dashboards and autoscaling targets survive an update.
VARIANT, CHALLENGER, SHADOW = "AllTraffic", "Challenger", "Shadow"

# MLflow's own image builds the model's environment when it starts, which takes minutes.
STARTUP_SECONDS = 900
# What MLflow sets for its own image on SageMaker (mlflow.sagemaker, `_get_deployment_config`).
CONTAINER_ENVIRONMENT: Mapping[str, str] = {
    "MLFLOW_DEPLOYMENT_FLAVOR_NAME": "python_function",
    "SERVING_ENVIRONMENT": "SageMaker",
}


@dataclass(frozen=True)
class OtherVariant:
    """A model beside the main one, on the same kind of instances; without an `image` also on the same image.

    `weight` is its share of the requests, from 0 to 1. A shadow variant gets a copy of that share of the requests,
    and its answers are dropped.
    """

    name: str
    archive_uri: str
    tags: Mapping[str, str]
    weight: float
    shadow: bool = False
    image: str = ""


@dataclass(frozen=True)
class EndpointSpec:
    """What an endpoint should serve: a model's archive in an image, on instances, under a role.

    A model package (its ARN) has its own archive and image, and both are empty here.

    `startup_seconds` and `download_seconds` bound the container's start and the download of the archive; AWS's default
    applies where `download_seconds` is None.
    """

    endpoint: str
    archive_uri: str
    image: str
    role: str
    instance_type: str
    instance_count: int
    tags: Mapping[str, str]
    startup_seconds: int = STARTUP_SECONDS
    download_seconds: int | None = None
    others: tuple[OtherVariant, ...] = ()
    capture_percent: int | None = None
    capture_uri: str = ""
    package: str = ""
    serverless: Serverless | None = None
    network: Network | None = None
    kms_key: str | None = None
    asynchronous: Asynchronous | None = None

    @property
    def models(self) -> tuple[EndpointSpec, ...]:
        """One specification for each model: the main one, and those of the other variants."""
        return (self, *(self.of(other) for other in self.others))

    @property
    def archives(self) -> frozenset[str]:
        """The URIs of all models' archives."""
        return frozenset(one.archive_uri for one in self.models if one.archive_uri)

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of the variants that answer requests."""
        return (VARIANT, *(other.name for other in self.others if not other.shadow))

    def of(self, other: OtherVariant) -> EndpointSpec:
        """The specification with another variant's model as its only one."""
        image = other.image or self.image
        return replace(self, archive_uri=other.archive_uri, image=image, tags=other.tags, others=(), package="")

    @property
    def model_name(self) -> str:
        """The name of the SageMaker model."""
        settings = [f"{key}={value}" for key, value in sorted(CONTAINER_ENVIRONMENT.items())]
        if self.network:
            settings += [*self.network.subnets, *self.network.security_groups]
        if self.package:
            return _named(self.endpoint, self.package, self.role, *settings)
        return _named(self.endpoint, self.image, self.archive_uri, self.role, *settings)

    @property
    def config_name(self) -> str:
        """The name of the endpoint configuration."""
        settings = [self.instance_type, str(self.instance_count), str(self.startup_seconds)]
        if self.download_seconds is not None:
            settings.append(f"download={self.download_seconds}")
        settings += [f"{one.name}={self.of(one).model_name}:{one.weight}:{one.shadow}" for one in self.others]
        if self.capture_percent is not None:
            settings.append(f"capture={self.capture_percent}:{self.capture_uri}")
        if self.serverless:
            settings.append(f"serverless={self.serverless.memory}:{self.serverless.concurrency}")
        if self.kms_key:
            settings.append(f"key={self.kms_key}")
        if self.asynchronous:
            queue = self.asynchronous
            settings.append(f"async={queue.output}:{queue.failure}:{queue.topic}:{queue.concurrency}")
        return _named(self.endpoint, self.model_name, *settings)


def smoke_name(spec: EndpointSpec) -> str:
    """The name of the temporary endpoint, and of its configuration, on which a specification's model is tested."""
    return temporary_name(spec.endpoint, spec.config_name)


def temporary_name(endpoint: str, config: str) -> str:
    """The name of the temporary endpoint that tests an endpoint's configuration, and of its own configuration."""
    return _named(endpoint, config, "smoke-test")


def default_name(environment: Environment, model_name: str | None, uri: str) -> str:
    """The default name of an endpoint: `{project}-{environment}-{model name}`.

    Raises:
        InputError: the model is not registered, its name has no usable characters, or the endpoint's name is too long.
    """
    if not model_name:
        raise InputError(f"{uri} has no registered name to name the endpoint after. Add --endpoint NAME.")
    tail = re.sub("[^a-zA-Z0-9]+", "-", model_name).strip("-")
    if not tail:
        raise InputError(
            f"no endpoint can be named after {model_name!r}: it has no letters a-z or digits. Add --endpoint NAME."
        )
    name = f"{environment.prefix}{tail}"
    if len(name) > _NAME_LENGTH:
        raise InputError(
            f"the endpoint name {name} is too long (at most {_NAME_LENGTH} characters). Add --endpoint NAME."
        )
    return name


def check_name(name: str) -> None:
    """Check that an endpoint can have this name.

    Raises:
        InputError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a valid endpoint name. Use at most {_NAME_LENGTH} letters, digits and hyphens."
        )


def archive_folder(environment: Environment, endpoint: str) -> str:
    """The S3 URI below which an endpoint's archives are stored. The endpoint's role may read there."""
    return f"{environment.artifact_store}/endpoints/{endpoint}"


def capture_uri(environment: Environment) -> str:
    """The S3 URI below which endpoints' captured data is stored. AWS appends the name of the endpoint."""
    return f"{environment.artifact_store}/captured"


def asynchronous(environment: Environment, endpoint: str, topic: str | None, concurrency: int | None) -> Asynchronous:
    """An asynchronous endpoint, whose results go below the artifact store. The endpoint's role may write there."""
    folder = f"{environment.artifact_store}/async/{endpoint}"
    return Asynchronous(f"{folder}/out", f"{folder}/failed", topic, concurrency)


def archive_uri(environment: Environment, endpoint: str, digest: str) -> str:
    """The S3 URI of the archive with that digest."""
    return f"{archive_folder(environment, endpoint)}/{digest[:16]}/model.tar.gz"


def tags(environment: Environment, model: Model) -> dict[str, str]:
    """The tags of everything created to serve a model; `validate_endpoint.py` finds its run by them."""
    about = {
        "model-uri": model.uri,
        "model-name": model.name,
        "model-version": model.version,
        "run-id": model.run_id,
    }
    return environment.tags | {key: encode(value) for key, value in about.items() if value}


def stem(endpoint: str) -> str:
    """The prefix of the names of an endpoint's configurations and models."""
    if len(endpoint) + 1 + _DIGEST_LENGTH <= _NAME_LENGTH:
        return endpoint
    # Two long names can start alike. Their digests differ.
    return f"{endpoint[: _NAME_LENGTH - 2 * (_DIGEST_LENGTH + 1)]}-{_digest(endpoint)}"


def belongs_to(endpoint: str, name: str) -> bool:
    """Whether a configuration or model of that name may belong to the endpoint.

    Other programs make such names too: ten digits are a time in seconds. Before a deletion, look at the tags.
    """
    return re.fullmatch(rf"{re.escape(stem(endpoint))}-[0-9a-f]{{{_DIGEST_LENGTH}}}", name) is not None


def _named(endpoint: str, *parts: str) -> str:
    return f"{stem(endpoint)}-{_digest(*parts)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGEST_LENGTH]
