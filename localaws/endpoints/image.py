"""The container image. localaws does not use Docker: it always runs the serving image's entry point."""

import re

from localaws.endpoints.role import RoleClients

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


def _is_there(account: str, region: str, repository: str) -> bool:
    from moto.ecr.models import ecr_backends

    return repository in ecr_backends[account][region].repositories
