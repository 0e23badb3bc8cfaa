"""Which image serves a model: the one given, the one that was built for the model's environment, or MLflow's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_common.errors import InputError, PreconditionError, explain
from mlflow_platform.endpoints.publishing import default_image
from mlflow_platform.images.repository import image_for

if TYPE_CHECKING:
    from boto3 import Session

    from mlflow_platform.environment import Environment


@dataclass(frozen=True)
class ServingImage:
    """An image, and why it was chosen."""

    uri: str
    reason: str

    def __str__(self) -> str:
        return f"{self.uri} ({self.reason})"


def choose(
    session: Session, environment: Environment, location: str, given: str | None, mlflow_version: str
) -> ServingImage:
    """Choose the image of a model.

    Args:
        location: the S3 URI of the model's folder or archive.
        given: the image that the user named; always used.
        mlflow_version: of the image that MLflow's own command pushes, the fallback.

    Raises:
        botocore's errors: the repository could not be read.
    """
    if given:
        return ServingImage(given, "as given")
    partition = session.get_partition_for_region(environment.region)
    own = default_image(environment, partition, mlflow_version)
    if not environment.serving_repository:
        return ServingImage(own, "MLflow's own: the environment has no image repository")
    try:
        built = image_for(session.client("ecr"), session.client("s3"), environment, location)
    except Exception as error:
        known = explain(error)
        # A model without requirements, or a caller who may not read the repository, was deployable before.
        if not isinstance(known, (InputError, PreconditionError)):
            raise
        return ServingImage(own, f"MLflow's own: no built image could be found. {known.message}")
    if built:
        return ServingImage(built, "built for the model's environment")
    return ServingImage(own, "MLflow's own: none was built for the model's environment; `make image` builds one")
