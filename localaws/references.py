"""What SageMaker's requests name in other services: images, networks and keys. AWS refuses those that do not exist."""

import re
from collections.abc import Iterator
from typing import Any

from localaws.endpoints.records import refusal
from localaws.errors import AwsError
from mlflow_common.instance_types import has_local_storage

_IMAGE = r"/(?P<repository>[^:@]+)(:(?P<tag>[^@]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
ECR_URI = re.compile(rf"(?P<account>\d{{12}})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?{_IMAGE}")
# The address that localaws gives a repository: that of its own registry.
LOCAL_URI = re.compile(rf"127\.0\.0\.1:\d+{_IMAGE}")
# `mlflow sagemaker build-and-push-container` pushes MLflow's own image there. It needs Docker, which this machine may
# not have: as long as the repository does not exist, localaws behaves as if the command had been run.
MLFLOW_REPOSITORY = "mlflow-pyfunc"


def is_image(account: str, region: str, uri: str) -> bool:
    """Whether an image exists, as far as this account knows: images of other accounts and registries count as there."""
    from moto.ecr.models import ecr_backends

    found = ECR_URI.fullmatch(uri) or LOCAL_URI.fullmatch(uri)
    parts = found.groupdict() if found else {}
    if not found or parts.get("account", account) != account:
        return True
    repositories = ecr_backends[account][parts.get("region", region)].repositories
    repository = repositories.get(parts["repository"])
    if repository is None:
        return bool(parts["repository"] == MLFLOW_REPOSITORY)
    digest, tag = parts["digest"], parts["tag"] or "latest"
    return any(digest == one.image_digest if digest else tag in one.image_tags for one in list(repository.images))


def check_model(account: str, region: str, given: dict[str, Any], container: dict[str, Any]) -> None:
    """Refuse a CreateModel request.

    Sources of the messages: https://github.com/aws-samples/easy-amazon-sagemaker-deployments/issues/4 and
    https://github.com/aws/sagemaker-python-sdk/pull/4700

    Args:
        container: the model's container, with the image of its model package.

    Raises:
        AwsError: ValidationException.
    """
    image = container["Image"]
    private = (container.get("ImageConfig") or {}).get("RepositoryAccessMode") == "Vpc"
    if not private and not ECR_URI.fullmatch(image) and not LOCAL_URI.fullmatch(image):
        raise refusal(f'Using non-ECR image "{image}" without Vpc repository access mode is not supported.')
    if not is_image(account, region, image):
        raise refusal(f"Requested image {image} not found.")
    check_network(account, region, given.get("VpcConfig"))


def check_training_image(account: str, region: str, image: str, role: str) -> None:
    """Refuse the image of a CreateTrainingJob request.

    Source: https://github.com/aws/amazon-sagemaker-examples/issues/2534. An image is otherwise only a name for
    localaws's jobs, so one that is not in ECR is accepted.

    Raises:
        AwsError: ValidationException.
    """
    found = ECR_URI.fullmatch(image) or LOCAL_URI.fullmatch(image)
    if found and not is_image(account, region, image):
        raise refusal(
            f"Cannot find repository: {found['repository']} in registry ID: {account} Please check if your ECR "
            f"repository and image exist and role {role} has proper pull permissions for SageMaker: "
            "ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"
        )


def pull_failure(account: str, region: str, image: str) -> str:
    """The failure reason of a processing job whose image does not exist; empty if it does. The request is accepted.

    Source: https://github.com/aws-samples/amazon-sagemaker-tensorflow-object-detection-api/issues/14
    """
    if is_image(account, region, image):
        return ""
    return f"ClientError: API error (404): manifest for {image} not found: manifest unknown: Requested image not found"


def check_network(account: str, region: str, config: dict[str, Any] | None) -> None:
    """Refuse a VpcConfig with a subnet or a security group that does not exist, or that is of another VPC.

    AWS documents no text of SageMaker's error. These are EC2's, whose DescribeSubnets and DescribeSecurityGroups
    SageMaker calls: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html. The rule for one VPC:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_VpcConfig.html ("Specify the security groups for the
    VPC that is specified in the Subnets field").

    Raises:
        AwsError: ValidationException.
    """
    if not config:
        return
    # Importing moto's EC2 takes a third of the start-up time of localaws.
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[account][region]
    subnets = {name: subnet.vpc_id for zone in backend.subnets.values() for name, subnet in zone.items()}
    groups = {name: vpc for vpc, held in backend.groups.items() for name in held}
    used: set[str | None] = set()
    for name in config.get("Subnets") or []:
        if name not in subnets:
            raise refusal(f"The subnet ID '{name}' does not exist")
        used.add(subnets[name])
    for name in config.get("SecurityGroupIds") or []:
        if name not in groups:
            raise refusal(f"The security group '{name}' does not exist")
        used.add(groups[name])
    if len(used) > 1:
        raise refusal(f"The subnets and security groups of VpcConfig are of several VPCs: {sorted(map(str, used))}")


def check_keys(account: str, region: str, given: Any) -> None:
    """Refuse every key in a request that does not exist or is not enabled.

    The text of SageMaker's error is not documented. Keys of other accounts count as there.

    Raises:
        AwsError: ValidationException.
    """
    for key in _keys(given):
        check_key(account, region, key, "ValidationException")


def check_key(account: str, region: str, key: str | None, code: str) -> None:
    """Refuse a key that cannot be used; None is no key.

    Raises:
        AwsError: with the service's code.
    """
    problem = _key_problem(account, region, key) if key else ""
    if problem:
        raise AwsError(code, problem)


def _key_problem(account: str, region: str, key: str) -> str:
    """Why a key cannot be used; empty if it can. Keys of other accounts count as usable.

    Args:
        key: an id, an alias, or the ARN of one of them.
    """
    from moto.kms.models import kms_backends

    parts = key.split(":")
    if len(parts) > 5 and (parts[3], parts[4]) != (region, account):
        return f"The KMS key {key} is not in the region {region}." if parts[4] == account else ""
    backend = kms_backends[account][region]
    name = parts[-1].removeprefix("key/")
    # AWS creates its own keys, such as alias/aws/s3, at their first use.
    if name.startswith("alias/aws/"):
        return ""
    unknown = name.startswith("alias/") and not backend.alias_exists(name)
    found = None if unknown else backend.keys.get(backend.any_id_to_key_id(name))
    if found is None:
        return f"The KMS key {key} does not exist."
    return "" if found.key_state == "Enabled" else f"The KMS key {key} is not usable: its state is {found.key_state}."


def check_volume_key(instance_type: str | None, given: dict[str, Any]) -> None:
    """Refuse a key for the volume of a job's instance type that has local storage.

    "You can't request a VolumeKmsKeyId when using an instance type with local storage" (API_ResourceConfig,
    API_TransformResources, API_ProcessingClusterConfig). AWS documents no text of the error. An endpoint may have one:
    there "the KmsKeyId parameter does not encrypt instance local storage" (API_CreateEndpointConfig).

    Args:
        given: what has the VolumeKmsKeyId.

    Raises:
        AwsError: ValidationException.
    """
    if given.get("VolumeKmsKeyId") and instance_type and has_local_storage(instance_type):
        raise refusal(
            f"The instance type {instance_type} has local storage, which its hardware encrypts: a KMS key for the "
            "volume is not supported. Choose another instance type, or leave the key out."
        )


def _keys(given: Any) -> Iterator[str]:
    """The values of KmsKeyId, VolumeKmsKeyId and the like, at any depth."""
    if isinstance(given, list):
        for item in given:
            yield from _keys(item)
    elif isinstance(given, dict):
        for name, value in given.items():
            if name.endswith("KmsKeyId") and isinstance(value, str) and value:
                yield value
            else:
                yield from _keys(value)
