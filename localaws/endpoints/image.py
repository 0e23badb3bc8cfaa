"""The container image of an endpoint. localaws does not use Docker.

It runs the serving image's entry point in an environment of the model's requirements, or with LOCALAWS_CONTAINERS=1 the
image itself.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from localaws.endpoints.program import Program
from localaws.endpoints.reasons import DeploymentError, image_failed
from localaws.endpoints.role import RoleClients
from localaws.images.failure import ImageError
from localaws.images.runtime import MODEL, ImageRuntime
from localaws.references import ECR_URI, LOCAL_URI, is_image

if TYPE_CHECKING:
    from mypy_boto3_ecr.type_defs import ImageIdentifierTypeDef


def pull(uri: str, account: str, clients: RoleClients, variant: str) -> None:
    """Make the API calls of an image pull, if the image's repository exists in this account.

    Raises:
        DeploymentError: the image does not exist. CreateModel requires it; it may have been deleted since.
    """
    found = ECR_URI.fullmatch(uri)
    region = found["region"] if found else clients.ecr.meta.region_name
    if not is_image(account, region, uri):
        raise image_failed(variant)
    found = found or LOCAL_URI.fullmatch(uri)
    if not found or found.groupdict().get("account", account) != account:
        return
    if not _is_there(account, region, found["repository"]):
        return
    clients.ecr.get_authorization_token()
    wanted: ImageIdentifierTypeDef = (
        {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"] or "latest"}
    )
    clients.ecr.batch_get_image(repositoryName=found["repository"], imageIds=[wanted])


def program(uri: str, account: str, runtime: ImageRuntime, clients: RoleClients, folder: Path) -> Program:
    """What runs the image itself. `folder` has the model in `model/`.

    Raises:
        DeploymentError: the image is not in localaws's registry or cannot be run.
    """
    found = ECR_URI.fullmatch(uri)
    # The registry has no account in its names: it would return this account's image of that name.
    if not (LOCAL_URI.fullmatch(uri) or (found and found["account"] == account)):
        raise DeploymentError(f"The image {uri} is not in localaws's registry. Build it with scripts/build_image.py.")
    authorization = clients.ecr.get_authorization_token()["authorizationData"][0]
    try:
        prepared = runtime.prepare(uri.partition("/")[2], authorization["authorizationToken"], folder)
    except ImageError as error:
        raise DeploymentError(f"The image {uri} cannot be run: {error}") from None
    return Program(prepared.command, prepared.env, MODEL)


def _is_there(account: str, region: str, repository: str) -> bool:
    from moto.ecr.models import ecr_backends

    return repository in ecr_backends[account][region].repositories
