"""Packs a model and puts its archive where an endpoint can read it, and says what the endpoint should serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError
from mlflow_platform.endpoints import model_archive, specification
from mlflow_platform.endpoints.hosting import RESERVED, Asynchronous, Network, Serverless
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.specification import STARTUP_SECONDS, EndpointSpec, OtherVariant

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mlflow_platform.endpoints.package import ModelPackage
    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class Hosting:
    """How a model is hosted: the image, the instances, and the time-outs in seconds."""

    image: str
    instance_type: str
    instance_count: int
    startup_seconds: int = STARTUP_SECONDS
    download_seconds: int | None = None
    capture_percent: int | None = None
    serverless: Serverless | None = None
    network: Network | None = None
    kms_key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    asynchronous: Asynchronous | None = None

    def specification(
        self, environment: Environment, endpoint: str, archive_uri: str, tags: Mapping[str, str]
    ) -> EndpointSpec:
        """What an endpoint should serve with this hosting: the model in an archive, with its tags."""
        return EndpointSpec(
            endpoint=endpoint,
            archive_uri=archive_uri,
            image=self.image,
            role=environment.endpoint_role,
            instance_type=self.instance_type,
            instance_count=self.instance_count,
            tags={**self.tags, **tags},
            startup_seconds=self.startup_seconds,
            download_seconds=self.download_seconds,
            capture_percent=self.capture_percent,
            capture_uri=specification.capture_uri(environment),
            serverless=self.serverless,
            network=self.network,
            kms_key=self.kms_key,
            asynchronous=self.asynchronous,
        )


@dataclass(frozen=True)
class Companion:
    """Another model for the endpoint: its variant's name, its share of the requests, and whether it is a shadow.

    Without an `image` it is served by the main model's.
    """

    model: Model
    name: str
    weight: float
    shadow: bool
    image: str = ""


def publish_beside(
    s3: S3Client, environment: Environment, published: Published, companion: Companion, *, upload: bool = True
) -> Published:
    """Pack and upload another model for the same endpoint, as `publish` does, and add its variant.

    Raises:
        InputError: there is no model, or it is the main model.
        PreconditionError: see `publish`.
    """
    with TemporaryDirectory() as folder:
        packed = model_archive.make(s3, companion.model.location, Path(folder))
        uri = specification.archive_uri(environment, published.spec.endpoint, packed.digest)
        given = {key: value for key, value in published.spec.tags.items() if key not in RESERVED}
        tags = given | specification.tags(environment, companion.model.in_run(packed.run_id))
        if uri == published.spec.archive_uri:
            raise InputError(f"{companion.model.uri} is the same model as the one to deploy. Give another one.")
        if upload:
            model_archive.upload(s3, packed, uri, tags)
    other = OtherVariant(companion.name, uri, tags, companion.weight, companion.shadow, companion.image)
    return replace(published, spec=replace(published.spec, others=(*published.spec.others, other)))


@dataclass(frozen=True)
class Published:
    """A packed model: the model, what the endpoint should serve, and the model's input example as a request."""

    model: Model
    spec: EndpointSpec
    example: bytes | None


def publish(
    s3: S3Client, environment: Environment, endpoint: str, model: Model, hosting: Hosting, *, upload: bool = True
) -> Published:
    """Pack a model and upload its archive, unless the same archive is there already.

    Without `upload`, the archive is only packed, so that its name is known.

    The model that is returned has the run that its own files name, if nothing else names one.

    Raises:
        InputError: there is no model.
        PreconditionError: a bucket does not exist, or there is no room on the disk.
    """
    with TemporaryDirectory() as folder:
        packed = model_archive.make(s3, model.location, Path(folder))
        found = model.in_run(packed.run_id)
        uri = specification.archive_uri(environment, endpoint, packed.digest)
        spec = hosting.specification(environment, endpoint, uri, specification.tags(environment, found))
        if upload:
            model_archive.upload(s3, packed, spec.archive_uri, spec.tags)
    return Published(found, spec, packed.example)


def publish_package(
    s3: S3Client, environment: Environment, endpoint: str, found: ModelPackage, hosting: Hosting
) -> Published:
    """Say what the endpoint should serve for a model package. Nothing is uploaded: the package has its own archive."""
    tags = specification.tags(environment, found.model) | {"model-package": found.arn}
    spec = replace(hosting.specification(environment, endpoint, "", tags), package=found.arn, image="")
    return Published(found.model, spec, model_archive.read_example(s3, found.archive_uri or ""))


def default_image(environment: Environment, partition: str, mlflow_version: str) -> str:
    """The image that `mlflow sagemaker build-and-push-container` pushes for a version of MLflow."""
    domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    registry = f"{environment.account}.dkr.ecr.{environment.region}.{domain}"
    return f"{registry}/mlflow-pyfunc:{mlflow_version}"
