"""What SageMaker's requests name in other services must exist, as on AWS."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from localaws import references
from localaws.errors import AwsError
from tests.support.running import MANIFEST

ACCOUNT, REGION = "123456789012", "us-east-1"
HERE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def world() -> Iterator[Any]:
    """An account with one image, two networks and three keys."""
    with mock_aws():
        session = boto3.session.Session("testing", "testing", region_name=REGION)  # pragma: allowlist secret
        ec2, kms, ecr = session.client("ec2"), session.client("kms"), session.client("ecr")
        ecr.create_repository(repositoryName="churn")
        image = ecr.put_image(repositoryName="churn", imageManifest=MANIFEST, imageTag="1")["image"]["imageId"]
        found = SimpleNamespace(digest=image["imageDigest"], subnets=[], groups=[])
        for number in (1, 2):
            vpc = ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
            subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.{number}.1.0/24")["Subnet"]["SubnetId"]
            found.subnets.append(subnet)
            found.groups.append(ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"])
        found.key, found.disabled = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
        kms.create_alias(AliasName="alias/churn", TargetKeyId=found.key)
        kms.disable_key(KeyId=found.disabled.rpartition("/")[2])
        yield found


def refusal(check: Any, *given: Any) -> str:
    """The message of the ValidationException; empty if the request is accepted."""
    try:
        check(ACCOUNT, REGION, *given)
    except AwsError as error:
        return error.message if error.code == "ValidationException" else error.code
    return ""


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (f"{HERE}/churn:1", ""),
        ("127.0.0.1:4577/churn:1", ""),
        (f"{HERE}/churn@DIGEST", ""),
        # MLflow's own image counts as pushed, and AWS's registries are other accounts.
        (f"{HERE}/mlflow-pyfunc:3.17.2", ""),
        (f"763104351884.dkr.ecr.{REGION}.amazonaws.com/pytorch-inference:2.5", ""),
        (f"{HERE}/churn:2", "not found."),
        (f"{HERE}/churn", "not found."),
        (f"{HERE}/absent:1", "not found."),
        (f"{HERE}/churn@sha256:{'0' * 64}", "not found."),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/churn:1", "not found."),
        ("127.0.0.1:4577/absent:1", "not found."),
        ("python:3.11", "without Vpc repository access mode is not supported."),
    ],
)
def test_a_model_requires_an_image_that_exists(world: Any, image: str, message: str) -> None:
    image = image.replace("DIGEST", world.digest)
    found = refusal(references.check_model, {}, {"Image": image})
    assert bool(found) == bool(message)
    assert found.endswith(message)
    assert image in found or not message


def test_a_private_registry_needs_the_access_mode_vpc(world: Any) -> None:
    container = {"Image": "registry.example/python:3.11", "ImageConfig": {"RepositoryAccessMode": "Vpc"}}
    assert refusal(references.check_model, {}, container) == ""


def test_mlflows_image_is_checked_once_its_repository_exists(world: Any) -> None:
    ecr = boto3.client("ecr", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
    ecr.create_repository(repositoryName="mlflow-pyfunc")
    image = f"{HERE}/mlflow-pyfunc:3.17.2"
    assert refusal(references.check_model, {}, {"Image": image}) == f"Requested image {image} not found."
    ecr.delete_repository(repositoryName="mlflow-pyfunc")


def test_a_network_must_exist_in_one_vpc(world: Any) -> None:
    (own, other), (group, far) = world.subnets, world.groups
    for subnets, groups, message in (
        ([own], [group], ""),
        ([own, "subnet-0123456789abcdef0"], [group], "The subnet ID 'subnet-0123456789abcdef0' does not exist"),
        ([own], ["sg-0123456789abcdef0"], "The security group 'sg-0123456789abcdef0' does not exist"),
        ([own], [far], "are of several VPCs"),
        ([own, other], [group], "are of several VPCs"),
    ):
        found = refusal(references.check_network, {"Subnets": subnets, "SecurityGroupIds": groups})
        assert bool(found) == bool(message)
        assert message in found


def test_keys_at_any_depth_must_exist_and_be_enabled(world: Any) -> None:
    for key, message in (
        (world.key, ""),
        (world.key.rpartition("/")[2], ""),
        ("alias/churn", ""),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/churn", ""),
        ("alias/aws/s3", ""),
        (KEY.replace(ACCOUNT, "111122223333"), ""),
        (KEY, "does not exist"),
        (KEY.rpartition("/")[2], "does not exist"),
        ("alias/absent", "does not exist"),
        (KEY.replace(REGION, "eu-west-1"), "is not in the region us-east-1"),
        (world.disabled, "its state is Disabled"),
    ):
        for given in ({"KmsKeyId": key}, {"Outputs": [{"S3Output": {"KmsKeyId": key}}]}, {"VolumeKmsKeyId": key}):
            found = refusal(references.check_keys, given)
            assert bool(found) == bool(message), (key, found)
            assert message in found


@pytest.mark.parametrize(
    ("instance_type", "refused"),
    [
        ("ml.m5.large", False),
        ("ml.t3.medium", False),
        ("ml.inf2.xlarge", False),
        ("ml.m5d.large", True),
        ("ml.g4dn.xlarge", True),
        ("ml.g5.xlarge", True),
        ("ml.p4de.24xlarge", True),
        (None, False),
    ],
)
def test_a_volume_with_local_storage_has_no_key(instance_type: str | None, refused: bool) -> None:
    def found(given: dict[str, Any]) -> str:
        try:
            references.check_volume_key(instance_type, given)
        except AwsError as error:
            return error.message
        return ""

    assert found({}) == ""
    assert ("has local storage" in found({"VolumeKmsKeyId": KEY})) is refused
