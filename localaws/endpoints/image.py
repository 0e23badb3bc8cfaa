"""The container image of an endpoint. localaws does not use Docker.

It runs the serving image's entry point in an environment of the model's requirements, or with LOCALAWS_CONTAINERS=1 the
image itself.
"""

import re
from pathlib import Path

from localaws.endpoints.program import Program
from localaws.endpoints.reasons import DeploymentError
from localaws.endpoints.role import RoleClients
from localaws.images.failure import ImageError
from localaws.images.runtime import MODEL, ImageRuntime

ECR_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<repository>[^:@]+)(:(?P<tag>[^@]+))?"
)

# The address that localaws gives a repository: that of its own registry.
LOCAL_URI = re.compile(r"127\.0\.0\.1:\d+/(?P<repository>[^:@]+)(:(?P<tag>[^@]+))?")


def pull(uri: str, account: str, clients: RoleClients) -> None:
    """Make the API calls of an image pull, if the image's repository exists in this account.

    AWS's CreateModel refuses an image that it cannot find or pull ("Role … cannot pull …. Ensure that the role exists
    and the image was granted pull permission."). localaws does not require an image, because building one takes Docker.
    """
    found = ECR_URI.match(uri)
    region = found["region"] if found else clients.ecr.meta.region_name
    found = found or LOCAL_URI.match(uri)
    if not found or found.groupdict().get("account", account) != account:
        return
    if not _is_there(account, region, found["repository"]):
        return
    clients.ecr.get_authorization_token()
    clients.ecr.batch_get_image(repositoryName=found["repository"], imageIds=[{"imageTag": found["tag"] or "latest"}])


def program(uri: str, runtime: ImageRuntime, clients: RoleClients, folder: Path) -> Program:
    """What runs the image itself. `folder` has the model in `model/`.

    Raises:
        DeploymentError: the image is not in localaws's registry or cannot be run.
    """
    if not ECR_URI.match(uri) and not LOCAL_URI.match(uri):
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
