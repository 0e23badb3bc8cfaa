"""Model packages and their groups."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from tests.support.running import RunningLocalAws


def test_only_an_empty_group_can_be_deleted(localaws: RunningLocalAws) -> None:
    sagemaker = localaws.client("sagemaker")
    name = f"group-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    package = sagemaker.create_model_package(ModelPackageGroupName=name)["ModelPackageArn"]
    with pytest.raises(ClientError, match="ConflictException"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=name)
    sagemaker.delete_model_package(ModelPackageName=package)
    sagemaker.delete_model_package_group(ModelPackageGroupName=name)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package_group(ModelPackageGroupName=name)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=name)


def test_no_version_replaces_another(localaws: RunningLocalAws) -> None:
    sagemaker = localaws.client("sagemaker")
    name = f"group-{uuid.uuid4().hex[:8]}"
    group = sagemaker.create_model_package_group(ModelPackageGroupName=name)["ModelPackageGroupArn"]
    with pytest.raises(ClientError, match=f"ValidationException.*Model Package Group already exists: {group}"):
        sagemaker.create_model_package_group(ModelPackageGroupName=name)
    first, second = (
        sagemaker.create_model_package(ModelPackageGroupName=name, ModelPackageDescription=text)["ModelPackageArn"]
        for text in ("first", "second")
    )
    sagemaker.delete_model_package(ModelPackageName=first)
    # The name may be an ARN.
    third = sagemaker.create_model_package(ModelPackageGroupName=group, ClientToken=name)["ModelPackageArn"]
    assert third.rsplit("/", 1)[-1] == "3"
    assert sagemaker.describe_model_package(ModelPackageName=third)["ModelApprovalStatus"] == "PendingManualApproval"
    assert sagemaker.describe_model_package(ModelPackageName=second)["ModelPackageDescription"] == "second"
    assert sagemaker.create_model_package(ModelPackageGroupName=name, ClientToken=name)["ModelPackageArn"] == third
    assert len(sagemaker.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"]) == 2


def test_model_packages_that_aws_refuses(localaws: RunningLocalAws) -> None:
    sagemaker = localaws.client("sagemaker")
    name = f"group-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    sagemaker.create_model_package(ModelPackageName=name)
    for given, message in (
        ({"ModelPackageGroupName": name, "Tags": [{"Key": "a", "Value": "b"}]}, "Tags cannot be specified"),
        ({"ModelPackageGroupName": name, "ModelPackageName": name}, "exactly one of"),
        ({}, "exactly one of"),
        ({"ModelPackageName": name}, "already exists"),
        ({"ModelPackageGroupName": f"no-{name}"}, "does not exist"),
    ):
        with pytest.raises(ClientError, match=f"ValidationException.*{message}"):
            sagemaker.create_model_package(**given)


def test_a_groups_policy_is_stored_and_deleted(localaws: RunningLocalAws) -> None:
    sagemaker = localaws.client("sagemaker")
    name = f"group-{uuid.uuid4().hex[:8]}"
    with pytest.raises(ClientError, match=r"ValidationException.*Cannot find Model Package Group"):
        sagemaker.get_model_package_group_policy(ModelPackageGroupName=name)
    group = sagemaker.create_model_package_group(ModelPackageGroupName=name)["ModelPackageGroupArn"]
    reader = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}}
    statement = reader | {"Action": "sagemaker:DescribeModelPackageGroup", "Resource": group}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for call in (sagemaker.get_model_package_group_policy, sagemaker.delete_model_package_group_policy):
        with pytest.raises(ClientError, match=r"ValidationException.*Cannot find resource policy for"):
            call(ModelPackageGroupName=name)
    with pytest.raises(ClientError, match=r"ValidationException.*Invalid resource policy"):
        sagemaker.put_model_package_group_policy(ModelPackageGroupName=name, ResourcePolicy="{}")
    put = sagemaker.put_model_package_group_policy(ModelPackageGroupName=name, ResourcePolicy=policy)
    assert put["ModelPackageGroupArn"] == group
    assert sagemaker.get_model_package_group_policy(ModelPackageGroupName=name)["ResourcePolicy"] == policy
    sagemaker.delete_model_package_group_policy(ModelPackageGroupName=name)
    with pytest.raises(ClientError, match="Cannot find resource policy"):
        sagemaker.get_model_package_group_policy(ModelPackageGroupName=name)
