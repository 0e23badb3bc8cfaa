"""The environment's image repository: which tags it has, and the image for a model's requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_common.errors import PreconditionError, error_code
from mlflow_platform.images.context import make_context
from mlflow_platform.images.model_requirements import read_requirements

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_s3 import S3Client

    from mlflow_platform.environment import Environment


class ImageRepository:
    """The repository in which an environment keeps its serving images."""

    def __init__(self, ecr: ECRClient, environment: Environment) -> None:
        """Connect to the repository that the environment's outputs name.

        Raises:
            PreconditionError: the environment was deployed by a module without a repository.
        """
        if not environment.serving_repository:
            raise PreconditionError(
                f"the outputs of {environment.name} name no image repository. Run `{environment.ref.apply_command}`."
            )
        self._ecr = ecr
        self._environment = environment
        self.url: str = environment.serving_repository
        # Names may contain slashes; the registry's address before the first slash never does.
        self.registry, _, self.name = self.url.partition("/")

    def uri(self, tag: str) -> str:
        """The address of an image."""
        return f"{self.url}:{tag}"

    def digest(self, tag: str) -> str | None:
        """The digest of the image with this tag; None if there is none.

        Raises:
            PreconditionError: the repository does not exist.
        """
        try:
            found = self._ecr.describe_images(repositoryName=self.name, imageIds=[{"imageTag": tag}])
        except self._ecr.exceptions.ClientError as error:
            match error_code(error):
                case "ImageNotFoundException":
                    return None
                case "RepositoryNotFoundException":
                    raise PreconditionError(
                        f"the image repository {self.name} does not exist. "
                        f"Create it with `{self._environment.ref.apply_command}`."
                    ) from None
            raise
        return found["imageDetails"][0]["imageDigest"]


def image_for(ecr: ECRClient, s3: S3Client, environment: Environment, location: str) -> str | None:
    """The address of the image that was built for a model's requirements; None if none was built.

    Args:
        location: the S3 URI of a model folder or of a model.tar.gz.

    Raises:
        InputError: there is no model at the location, or no image can be built for its requirements.
        PreconditionError: the repository or the bucket does not exist.
    """
    wanted = read_requirements(s3, location)
    context = make_context(wanted.text, wanted.python, source=wanted.source)
    repository = ImageRepository(ecr, environment)
    return repository.uri(context.tag) if repository.digest(context.tag) else None
